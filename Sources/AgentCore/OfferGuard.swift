import MeshModel

/// When to offer again while a peer is not connected: at once and after 3, 6, 12 s … when a session opens, after 0.8,
/// 1.6, 3.2 s … when something was lost or came back; never slower than a cap of 30 to 45 s, drawn once per peer so that
/// a mesh does not offer in step.
///
/// Source: spec/wire/signal.md 8.
struct OfferGuard: Sendable {
    private let cap: Duration
    private var interval: Duration
    /// `nil` while the peer is connected.
    private(set) var deadline: ContinuousClock.Instant?

    private static let firstInterval: Duration = .seconds(3)
    private static let retryInterval: Duration = .milliseconds(800)

    init(opening now: ContinuousClock.Instant, random: inout RandomSource) {
        cap = .milliseconds(Int.random(in: 30_000...45_000, using: &random))
        interval = Self.firstInterval
        deadline = now
    }

    /// As when the session was opened: the next offer is due at once.
    mutating func reopen(at now: ContinuousClock.Instant) {
        interval = Self.firstInterval
        deadline = now
    }

    /// Whether an offer is due; if so, the next one is scheduled.
    mutating func isDue(at now: ContinuousClock.Instant, random: inout RandomSource) -> Bool {
        guard let due = deadline, due <= now else { return false }
        schedule(after: interval, at: now, random: &random)
        interval = min(interval * 2, cap)
        return true
    }

    mutating func restart(at now: ContinuousClock.Instant, random: inout RandomSource) {
        schedule(after: Self.retryInterval, at: now, random: &random)
        interval = Self.retryInterval * 2
    }

    /// The peer is connected: no offers until `restart`.
    mutating func settle() { deadline = nil }

    /// With a jitter of 10 % either way.
    private mutating func schedule(after delay: Duration, at now: ContinuousClock.Instant, random: inout RandomSource) {
        deadline = now + delay * Int.random(in: 90...110, using: &random) / 100
    }
}
