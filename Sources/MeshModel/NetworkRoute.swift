/// One way to a network behind a routing peer. Several with the same `networkID` and prefix form a high-availability group.
public struct NetworkRoute: Hashable, Sendable {
    public var id: String
    /// The name the user gave the network; with the prefix it names the high-availability group.
    public var networkID: String
    /// `nil` for a route by domain names.
    public var prefix: IPPrefix?
    /// Punycode; empty for a route by prefix.
    public var domains: [String]
    public var routingPeer: PublicKey
    /// Lower wins.
    public var metric: Int
    public var masquerade: Bool
    /// Keep the addresses of a domain route after their TTL.
    public var keepRoute: Bool
    /// An exit node that the user must choose explicitly.
    public var skipAutoApply: Bool

    public init(
        id: String,
        networkID: String,
        prefix: IPPrefix?,
        domains: [String] = [],
        routingPeer: PublicKey,
        metric: Int,
        masquerade: Bool,
        keepRoute: Bool = false,
        skipAutoApply: Bool = false
    ) {
        self.id = id
        self.networkID = networkID
        self.prefix = prefix
        self.domains = domains
        self.routingPeer = routingPeer
        self.metric = metric
        self.masquerade = masquerade
        self.keepRoute = keepRoute
        self.skipAutoApply = skipAutoApply
    }
}
