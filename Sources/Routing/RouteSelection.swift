public import MeshModel

/// Which of the routes to one network carries it: the lowest metric, then the first by `id`.
///
/// Pure and stable: the order of `routes` does not matter.
///
/// - Parameters:
///   - routes: the members of one high-availability group.
///   - isUsable: such as whether the routing peer is connected.
/// - Returns: `nil` if none is usable.
public func select(
    among routes: [NetworkRoute],
    where isUsable: (NetworkRoute) -> Bool = { _ in true }
) -> NetworkRoute? {
    routes.filter(isUsable).min { a, b in
        if a.metric != b.metric { return a.metric < b.metric }
        if a.id != b.id { return a.id < b.id }
        return a.routingPeer < b.routingPeer
    }
}
