import MeshModel

/// One way to a destination, by one routing peer, as its clients and itself are told of it.
struct RouteOffer: Hashable, Sendable {
    /// Travels to the agents.
    let id: String
    let router: PeerID
    let networkID: String
    let destination: RouteDestination
    let metric: Int
    let masquerade: Bool
    let keepRoute: Bool
    let skipAutoApply: Bool

    /// The route as `target` is told about it: two for an exit node where it uses IPv6, none for IPv6 where it does not.
    ///
    /// Source: spec/wire/management.md A10.4.
    func networkRoutes(_ directory: Directory, for target: Peer) -> [NetworkRoute] {
        guard let router = directory.peers[router] else { return [] }
        let plain = NetworkRoute(
            id: id,
            networkID: networkID,
            prefix: destination.prefix,
            domains: destination.domains,
            routingPeer: router.publicKey,
            metric: metric,
            masquerade: masquerade,
            keepRoute: keepRoute,
            skipAutoApply: skipAutoApply
        )
        guard let prefix = plain.prefix else { return [plain] }
        guard target.usesIPv6 else { return prefix.isV4 ? [plain] : [] }
        guard prefix == .anyV4 else { return [plain] }
        var twin = plain
        twin.id += twinIDSuffix
        twin.networkID += "-v6"
        twin.prefix = .anyV6
        return [plain, twin]
    }
}

/// Tells the ::/0 that goes with an exit node's 0.0.0.0/0.
let twinIDSuffix = "-v6-default"

extension IPPrefix {
    static let anyV4 = any("0.0.0.0/0")
    static let anyV6 = any("::/0")

    private static func any(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is a prefix") }
        return prefix
    }
}
