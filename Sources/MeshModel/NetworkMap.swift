/// What the control plane tells one agent: its own addresses, its peers, its routes and its access rules.
public struct NetworkMap: Hashable, Sendable {
    /// Grows with every change of the account; a map with a lower serial than the last applied one is stale.
    public var serial: UInt64
    /// Our own addresses. `nil`: keep what we have (the notice that we were deleted carries none).
    public var own: SelfConfiguration?
    public var peers: [RemotePeer]
    /// Peers whose login has expired: shown, not connected.
    public var offlinePeers: [RemotePeer]
    public var routes: [NetworkRoute]
    public var firewallRules: [FirewallRule]
    /// Who may use the routes that this peer itself serves.
    public var routeFirewallRules: [RouteFirewallRule]
    /// `nil`: the control plane said nothing about names; treat as disabled.
    public var dns: DNSConfiguration?

    public init(
        serial: UInt64,
        own: SelfConfiguration?,
        peers: [RemotePeer],
        offlinePeers: [RemotePeer] = [],
        routes: [NetworkRoute] = [],
        firewallRules: [FirewallRule] = [],
        routeFirewallRules: [RouteFirewallRule] = [],
        dns: DNSConfiguration? = nil
    ) {
        self.serial = serial
        self.own = own
        self.peers = peers
        self.offlinePeers = offlinePeers
        self.routes = routes
        self.firewallRules = firewallRules
        self.routeFirewallRules = routeFirewallRules
        self.dns = dns
    }
}

/// The agent's own place in the mesh.
public struct SelfConfiguration: Hashable, Sendable {
    /// Overlay IPv4 address with the length of the account's network, such as 100.92.10.5/16.
    public var address: IPPrefix
    /// Overlay IPv6 address, normally a /64; `nil`: the mesh gives this peer none.
    public var addressV6: IPPrefix?
    /// `label.domain`, without a trailing dot.
    public var fqdn: String
    /// `nil`: the agent's default.
    public var mtuBytes: Int?
    /// Account setting: agents may connect to a peer only when there is traffic for it.
    public var isLazyConnectionEnabled: Bool
    /// Account setting: routing peers, not clients, resolve the names of domain routes.
    public var isRoutingPeerResolutionEnabled: Bool

    public init(
        address: IPPrefix,
        addressV6: IPPrefix? = nil,
        fqdn: String,
        mtuBytes: Int? = nil,
        isLazyConnectionEnabled: Bool = false,
        isRoutingPeerResolutionEnabled: Bool = false
    ) {
        self.address = address
        self.addressV6 = addressV6
        self.fqdn = fqdn
        self.mtuBytes = mtuBytes
        self.isLazyConnectionEnabled = isLazyConnectionEnabled
        self.isRoutingPeerResolutionEnabled = isRoutingPeerResolutionEnabled
    }
}

/// Another peer that we may talk to.
public struct RemotePeer: Hashable, Sendable {
    public var publicKey: PublicKey
    /// Its overlay addresses as host prefixes. Routed networks come as `NetworkRoute`.
    public var allowedIPs: [IPPrefix]
    /// `label.domain`, without a trailing dot.
    public var fqdn: String
    /// The version its agent reports; empty if unknown.
    public var agentVersion: String
    /// Its SSH host key as a line of `authorized_keys`; empty if unknown.
    public var sshPublicKey: String

    public init(
        publicKey: PublicKey,
        allowedIPs: [IPPrefix],
        fqdn: String,
        agentVersion: String = "",
        sshPublicKey: String = ""
    ) {
        self.publicKey = publicKey
        self.allowedIPs = allowedIPs
        self.fqdn = fqdn
        self.agentVersion = agentVersion
        self.sshPublicKey = sshPublicKey
    }
}
