public import MeshModel

/// Which prefixes have a route of ours now, and who carries each.
public struct RouteChoice: Hashable, Sendable {
    /// Every prefix that has a kernel route through our link (an exit node's 0.0.0.0/0 and ::/0 included), with the peer that
    /// carries it. `nil`: nobody can at the moment; the kernel's route stays, so that nothing leaks.
    public var carriers: [IPPrefix: PublicKey?]
    /// The exit node in force (its network id); `nil`: none.
    public var exitNode: String?

    public init(carriers: [IPPrefix: PublicKey?] = [:], exitNode: String? = nil) {
        self.carriers = carriers
        self.exitNode = exitNode
    }
}
