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

    public init(
        serial: UInt64,
        own: SelfConfiguration?,
        peers: [RemotePeer],
        offlinePeers: [RemotePeer] = [],
        routes: [NetworkRoute] = [],
        firewallRules: [FirewallRule] = []
    ) {
        self.serial = serial
        self.own = own
        self.peers = peers
        self.offlinePeers = offlinePeers
        self.routes = routes
        self.firewallRules = firewallRules
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

    public init(address: IPPrefix, addressV6: IPPrefix? = nil, fqdn: String, mtuBytes: Int? = nil) {
        self.address = address
        self.addressV6 = addressV6
        self.fqdn = fqdn
        self.mtuBytes = mtuBytes
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

    public init(publicKey: PublicKey, allowedIPs: [IPPrefix], fqdn: String, agentVersion: String = "") {
        self.publicKey = publicKey
        self.allowedIPs = allowedIPs
        self.fqdn = fqdn
        self.agentVersion = agentVersion
    }
}
