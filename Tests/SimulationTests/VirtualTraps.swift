import MeshModel

/// Of every node the peers whose packets it catches, since it has no way to them.
struct VirtualTraps {
    private var traps: [PublicKey: Set<PublicKey>] = [:]

    func contains(_ peer: PublicKey, of node: PublicKey) -> Bool { traps[node]?.contains(peer) ?? false }
    mutating func insert(_ peer: PublicKey, of node: PublicKey) { traps[node, default: []].insert(peer) }
    mutating func remove(_ peer: PublicKey, of node: PublicKey) { traps[node]?.remove(peer) }
    /// The node's agent has started anew.
    mutating func forget(_ node: PublicKey) { traps[node] = nil }
}
