/// How packets of this host find the table with our routes, and what keeps control traffic out of it.
///
/// Source of the scheme: rules that ask the main table for everything but default routes, then ours for all that does not
/// carry our mark; see docs/policy-routing.md.
public struct PolicyRouting: Hashable, Sendable {
    /// Holds every route that the map gives us; 254 (main) is not allowed.
    public var table: UInt32
    /// Of the first of our rules; they take this number and the two behind it.
    public var priority: UInt32
    /// Carried by WireGuard's own packets and the agent's sockets, which therefore never go into the tunnel.
    public var fwmark: UInt32
    /// A default route of ours is in force. Then nothing may go around it: not when the link is gone, and not by the
    /// other address family.
    public var hasExitNode: Bool

    public init(table: UInt32, priority: UInt32, fwmark: UInt32, hasExitNode: Bool = false) {
        self.table = table
        self.priority = priority
        self.fwmark = fwmark
        self.hasExitNode = hasExitNode
    }
}
