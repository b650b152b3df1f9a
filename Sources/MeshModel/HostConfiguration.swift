/// What we want of the host around one WireGuard interface: the link, its addresses and our routes through it.
public struct HostConfiguration: Hashable, Sendable {
    public var link: LinkConfiguration
    /// Interface addresses, host bits kept. They are added without the kernel's own prefix route
    /// (`IFA_F_NOPREFIXROUTE`): the overlay routes stand in `routes`, marked as ours.
    public var addresses: Set<IPPrefix>
    public var routes: Set<RouteConfiguration>
    /// `nil`: no route of ours needs it, and the host's rules stay as they are.
    public var policy: PolicyRouting?
    /// `nil`: this host forwards nothing for the mesh.
    public var gateway: GatewayConfiguration?

    public init(
        link: LinkConfiguration,
        addresses: Set<IPPrefix> = [],
        routes: Set<RouteConfiguration> = [],
        policy: PolicyRouting? = nil,
        gateway: GatewayConfiguration? = nil
    ) {
        self.link = link
        self.addresses = addresses
        self.routes = routes
        self.policy = policy
        self.gateway = gateway
    }
}

/// A network interface of kind `wireguard` that we own.
public struct LinkConfiguration: Hashable, Sendable {
    /// 1 to 15 bytes.
    public var name: String
    /// The owner mark (`IFLA_IFALIAS`): a link without it is somebody else's and is never touched.
    public var alias: String
    public var mtuBytes: UInt32

    public init(name: String, alias: String, mtuBytes: UInt32) {
        self.name = name
        self.alias = alias
        self.mtuBytes = mtuBytes
    }
}

/// One unicast route through our interface.
public struct RouteConfiguration: Hashable, Sendable {
    /// Host bits zero.
    public var destination: IPPrefix
    /// 254: main.
    public var table: UInt32
    /// Lower wins; 0: the kernel's default (IPv6 turns it into 1024).
    public var metric: UInt32
    /// The owner mark (`rtm_protocol`): routes with another one are never touched.
    public var routeProtocol: UInt8

    public init(destination: IPPrefix, table: UInt32 = 254, metric: UInt32, routeProtocol: UInt8) {
        self.destination = destination
        self.table = table
        self.metric = metric
        self.routeProtocol = routeProtocol
    }
}
