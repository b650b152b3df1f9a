import MeshModel

/// Tells from the kernel's counters how long a peer has been without traffic of its own.
///
/// WireGuard counts keepalives (32 bytes) and handshakes (148 + 92 bytes) too; each side sends a keepalive when 25 s have
/// passed without any packet. What goes beyond that within a minute is traffic; so a few bytes a minute may go unseen.
struct IdleMeter: Sendable {
    private var mark: (bytes: UInt64, handshakeSeconds: Int64, at: ContinuousClock.Instant)?
    private var lastActive: ContinuousClock.Instant

    private static let window: Duration = .seconds(60)
    private static let keepaliveInterval: Duration = .seconds(25)
    /// Sizes of messages. Source: WireGuard whitepaper, section 5.4.
    private static let keepaliveBytes: UInt64 = 32
    private static let handshakeBytes: UInt64 = 148 + 92 + 32

    init(at now: ContinuousClock.Instant) { lastActive = now }

    /// How long there has been no traffic, after this reading of the counters.
    mutating func idle(_ observation: PeerObservation, at now: ContinuousClock.Instant) -> Duration {
        // Counters begin anew with a peer that was made anew.
        let bytes = observation.receivedBytes &+ observation.sentBytes
        guard let mark, bytes >= mark.bytes else {
            self.mark = (bytes, observation.latestHandshakeSeconds, now)
            return now - lastActive
        }
        guard now - mark.at >= Self.window else { return now - lastActive }
        let rounds = UInt64((now - mark.at) / Self.keepaliveInterval) + 1
        let handshakes: UInt64 = observation.latestHandshakeSeconds == mark.handshakeSeconds ? 0 : 1
        let own = 2 * rounds * Self.keepaliveBytes + handshakes * Self.handshakeBytes
        if bytes - mark.bytes > own { lastActive = now }
        self.mark = (bytes, observation.latestHandshakeSeconds, now)
        return now - lastActive
    }
}
