import MeshModel

/// When to offer again while a peer is not connected in every way it could be: at once and after 3, 6, 12 s … when a
/// session opens, after 0.8, 1.6, 3.2 s … when something was lost or came back; never slower than a cap of 30 to 45 s,
/// drawn once per peer so that a mesh does not offer in step. A peer that is reached over a relay and in no other way is
/// offered to three times, then every five minutes: a firewall that was opened tells nobody.
///
/// Source: spec/wire/signal.md 8.
struct OfferGuard: Sendable {
    private let cap: Duration
    private var interval: Duration
    /// Offers since the last restart that found the peer reached over a relay alone.
    private var relayedOffers = 0
    private(set) var deadline: ContinuousClock.Instant?

    private static let firstInterval: Duration = .seconds(3)
    private static let retryInterval: Duration = .milliseconds(800)
    private static let mostRelayedOffers = 3
    private static let relayedInterval: Duration = .seconds(300)

    init(opening now: ContinuousClock.Instant, random: inout RandomSource) {
        cap = .milliseconds(Int.random(in: 30_000...45_000, using: &random))
        interval = Self.firstInterval
        deadline = now
    }

    /// As when the session was opened: the next offer is due at once.
    mutating func reopen(at now: ContinuousClock.Instant) {
        interval = Self.firstInterval
        relayedOffers = 0
        deadline = now
    }

    /// Whether an offer is due; if so, the next one is scheduled.
    ///
    /// - Parameters:
    ///   - isDirect: ICE has found a path or is looking for one.
    ///   - isRelayed: whether the relay carries; `nil`: there is none in common.
    mutating func isDue(
        isDirect: Bool,
        isRelayed: Bool?,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> Bool {
        guard let due = deadline, due <= now else { return false }
        switch (isDirect, isRelayed) {
        case (true, true), (true, nil):
            deadline = nil
            return false
        case (false, true):
            relayedOffers += 1
            if relayedOffers > Self.mostRelayedOffers {
                schedule(after: Self.relayedInterval, at: now, random: &random)
                return true
            }
        case (false, false), (false, nil), (true, false):
            break
        }
        schedule(after: interval, at: now, random: &random)
        interval = min(interval * 2, cap)
        return true
    }

    mutating func restart(at now: ContinuousClock.Instant, random: inout RandomSource) {
        schedule(after: Self.retryInterval, at: now, random: &random)
        interval = Self.retryInterval * 2
        relayedOffers = 0
    }

    /// As `restart`, unless an offer is due sooner anyway.
    mutating func hurry(at now: ContinuousClock.Instant, random: inout RandomSource) {
        if let deadline, deadline <= now + Self.retryInterval { return }
        restart(at: now, random: &random)
    }

    /// With a jitter of 10 % either way.
    private mutating func schedule(after delay: Duration, at now: ContinuousClock.Instant, random: inout RandomSource) {
        deadline = now + delay * Int.random(in: 90...110, using: &random) / 100
    }
}
