public import MeshModel

/// What the kernel holds for the host: its links and addresses, and the routes through one link.
public struct HostSnapshot: Hashable, Sendable {
    /// The link that `routes` is about, whether it exists or not.
    public var linkName: String
    /// Every link of the network namespace, in the kernel's order.
    public var links: [LinkSnapshot]
    /// Every address of every link.
    public var addresses: [AddressSnapshot]
    /// Routes of all tables through the link `linkName`, whoever made them.
    public var routes: [RouteSnapshot]

    public init(
        linkName: String,
        links: [LinkSnapshot] = [],
        addresses: [AddressSnapshot] = [],
        routes: [RouteSnapshot] = []
    ) {
        self.linkName = linkName
        self.links = links
        self.addresses = addresses
        self.routes = routes
    }

    /// The link called `linkName`, ours or not; `nil`: there is none.
    public var link: LinkSnapshot? { links.first { $0.name == linkName } }

    public func addresses(of link: LinkSnapshot) -> [AddressSnapshot] {
        addresses.filter { $0.linkIndex == link.index }
    }
}

/// One network interface.
public struct LinkSnapshot: Hashable, Sendable {
    public var index: UInt32
    public var name: String
    /// `nil`: none.
    public var alias: String?
    /// Such as `wireguard` or `veth`; `nil`: a device that no driver of virtual links made.
    public var kind: String?
    public var mtuBytes: UInt32
    /// 0: the default group.
    public var group: UInt32
    /// `IFF_UP`: switched on by the administrator.
    public var isUp: Bool
    public var isLoopback: Bool

    public init(
        index: UInt32,
        name: String,
        alias: String? = nil,
        kind: String? = nil,
        mtuBytes: UInt32,
        group: UInt32 = 0,
        isUp: Bool = false,
        isLoopback: Bool = false
    ) {
        self.index = index
        self.name = name
        self.alias = alias
        self.kind = kind
        self.mtuBytes = mtuBytes
        self.group = group
        self.isUp = isUp
        self.isLoopback = isLoopback
    }
}

/// One address of a link.
public struct AddressSnapshot: Hashable, Sendable {
    public var linkIndex: UInt32
    /// Our own address, host bits kept.
    public var prefix: IPPrefix
    /// `IFA_F_*`.
    public var flags: UInt32

    public init(linkIndex: UInt32, prefix: IPPrefix, flags: UInt32 = 0) {
        self.linkIndex = linkIndex
        self.prefix = prefix
        self.flags = flags
    }

    /// A v4 address that goes away with the first one of its network.
    var isSecondary: Bool { prefix.isV4 && flags & AddressMessage.secondary != 0 }
    /// Not to be used as a source: duplicate address detection is under way, or found a duplicate (IPv6).
    public var isUnusable: Bool { flags & (AddressMessage.tentative | AddressMessage.dadFailed) != 0 }
    /// No longer to be used for new connections.
    public var isDeprecated: Bool { flags & AddressMessage.deprecated != 0 }
    /// A privacy address (RFC 8981), which changes within days.
    public var isTemporary: Bool { !prefix.isV4 && flags & AddressMessage.temporary != 0 }
}

/// One route.
public struct RouteSnapshot: Hashable, Sendable {
    public var destination: IPPrefix
    public var table: UInt32
    /// Lower wins; 0: none given (IPv4).
    public var metric: UInt32
    public var routeProtocol: UInt8
    /// `nil`: no link, or several (multipath).
    public var linkIndex: UInt32?

    public init(destination: IPPrefix, table: UInt32, metric: UInt32, routeProtocol: UInt8, linkIndex: UInt32?) {
        self.destination = destination
        self.table = table
        self.metric = metric
        self.routeProtocol = routeProtocol
        self.linkIndex = linkIndex
    }
}
