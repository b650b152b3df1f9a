public import MeshModel

/// Which of several ways to one network carries it; `nil` for none.
public func select(among routes: [NetworkRoute]) -> NetworkRoute? {
    routes.min { ($0.metric, $0.id) < ($1.metric, $1.id) }
}
