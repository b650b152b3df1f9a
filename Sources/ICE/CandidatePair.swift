public import MeshModel

/// A way from one of our addresses to one of theirs, and what we know of it.
public struct CandidatePair: Hashable, Sendable {
    /// Source: RFC 8445, section 6.1.2.6. `frozen` does not occur: there is one component.
    public enum State: Hashable, Sendable { case waiting, inProgress, succeeded, failed }

    public var local: LocalCandidate
    public var remote: RemoteCandidate
    public var state: State = .waiting
    /// Smallest time between a check and its answer; `nil` before the first answer.
    public var roundTrip: Duration?

    /// Of our checks through it, since the pair was made.
    public internal(set) var answersReceived = 0
    /// Valid checks of the other side that came through it.
    public internal(set) var checksReceived = 0
    /// Where the other side saw our last answered check come from, and since when it sees just that; `nil`: not told.
    public internal(set) var sighting: Sighting?

    public struct Sighting: Hashable, Sendable {
        public var mapped: Endpoint
        public var since: ContinuousClock.Instant

        public init(mapped: Endpoint, since: ContinuousClock.Instant) {
            self.mapped = mapped
            self.since = since
        }
    }

    /// Checks sent since the pair was made or last triggered.
    public internal(set) var checksSent = 0
    var lastCheck: ContinuousClock.Instant?
    /// The other side nominated the pair before our own check through it succeeded.
    var isNominatedByRemote = false

    init(local: LocalCandidate, remote: RemoteCandidate) {
        self.local = local
        self.remote = remote
    }

    struct Key: Hashable, Comparable {
        var local: Endpoint
        var remote: Endpoint

        static func < (a: Self, b: Self) -> Bool { a.local == b.local ? a.remote < b.remote : a.local < b.local }
    }

    var key: Key { Key(local: local.endpoint, remote: remote.endpoint) }

    /// RFC 8445, section 6.1.2.3: equal on both sides, so that both prefer the same pair.
    func priority(isControlling: Bool) -> UInt64 {
        let controlling = UInt64(isControlling ? local.priority : remote.priority)
        let controlled = UInt64(isControlling ? remote.priority : local.priority)
        return min(controlling, controlled) << 32 + 2 * max(controlling, controlled)
            + (controlling > controlled ? 1 : 0)
    }
}
