/// What the relay has done since it began. Each event loop counts for itself.
package struct RelayCounters: Hashable, Sendable {
    /// Connected now, and authenticated.
    package var connections = 0
    package var authenticated = 0
    package var refused = 0
    package var forwardedPackets = 0
    /// WebSocket frames with their headers.
    package var forwardedBytes = 0
    /// For peers that are not here.
    package var unroutedPackets = 0
    /// For receivers that were behind.
    package var droppedPackets = 0
    /// Peers that a connection wanted to watch beyond its limit.
    package var refusedInterests = 0

    static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.connections += b.connections
        sum.authenticated += b.authenticated
        sum.refused += b.refused
        sum.forwardedPackets += b.forwardedPackets
        sum.forwardedBytes += b.forwardedBytes
        sum.unroutedPackets += b.unroutedPackets
        sum.droppedPackets += b.droppedPackets
        sum.refusedInterests += b.refusedInterests
        return sum
    }
}
