/// What this host forwards for the mesh: it is the routing peer, or the exit node, of these networks.
public struct GatewayConfiguration: Hashable, Sendable {
    public struct Served: Hashable, Sendable {
        /// Host bits zero; length 0: an exit node.
        public var prefix: IPPrefix
        /// Whether packets into the network take this host's address there. Where prefixes overlap, the longest decides.
        public var masquerade: Bool

        public init(prefix: IPPrefix, masquerade: Bool) {
            self.prefix = prefix
            self.masquerade = masquerade
        }
    }

    public var served: Set<Served>
    /// An exit node's default route leads to the internet alone: private, shared, link-local and unique local addresses
    /// are refused unless another served prefix contains them.
    public var isInternetOnly: Bool
    /// Networks of this host's own links that the mesh must not reach; they follow its addresses.
    public var blockedNetworks: Set<IPPrefix>
    /// It works as ever, and tells its clients to go elsewhere.
    public var isDraining: Bool

    public init(
        served: Set<Served>,
        isInternetOnly: Bool = true,
        blockedNetworks: Set<IPPrefix> = [],
        isDraining: Bool = false
    ) {
        self.served = served
        self.isInternetOnly = isInternetOnly
        self.blockedNetworks = blockedNetworks
        self.isDraining = isDraining
    }

    public var servesV4: Bool { served.contains(where: \.prefix.isV4) }
    public var servesV6: Bool { served.contains { !$0.prefix.isV4 } }
}
