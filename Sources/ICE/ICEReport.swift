public import MeshModel

/// What one ICE session tried and found, for whoever asks why a path is what it is.
///
/// Small, since an agent keeps the last one of each peer that it does not reach directly.
public struct ICEReport: Hashable, Sendable {
    public struct Pair: Hashable, Sendable {
        public var localKind: RemoteCandidate.Kind
        public var local: Endpoint
        public var remoteKind: RemoteCandidate.Kind
        public var remote: Endpoint
        public var state: CandidatePair.State
        /// Ours; since the pair was last triggered.
        public var checksSent: Int
        /// To checks of ours.
        public var answersReceived: Int
        /// Valid ones of the other side.
        public var checksReceived: Int
        /// `nil` before the first answer.
        public var roundTrip: Duration?
        /// Where the other side saw us; `nil`: it has not said.
        public var sighting: CandidatePair.Sighting?
    }

    public var isControlling: Bool
    public var started: ContinuousClock.Instant
    /// Host candidates: where we send from.
    public var locals: [Endpoint]
    /// Of the other side, told by it or learned from its checks; best first, at most `mostListed`, without identifiers.
    public var remotes: [RemoteCandidate]
    public var remoteCount: Int
    /// Best first, at most `mostListed`.
    public var pairs: [Pair]
    public var pairCount: Int
    /// Whether a pair was chosen at any time of the session.
    public var hasSelected: Bool

    /// Of candidates and of pairs.
    public static let mostListed = 16
}

extension ICEAgent {
    public var report: ICEReport {
        let best = remotes.values.sorted { ($1.priority, $0.endpoint) < ($0.priority, $1.endpoint) }
        return ICEReport(
            isControlling: isControlling,
            started: start,
            locals: locals.map(\.endpoint),
            remotes: best.prefix(ICEReport.mostListed).map { candidate in
                var candidate = candidate
                candidate.id = nil
                return candidate
            },
            remoteCount: remotes.count,
            pairs: pairsByPriority.prefix(ICEReport.mostListed).map(ICEReport.Pair.init),
            pairCount: pairs.count,
            hasSelected: selected != nil
        )
    }
}

extension ICEReport.Pair {
    init(_ pair: CandidatePair) {
        self.init(
            localKind: pair.local.kind,
            local: pair.local.endpoint,
            remoteKind: pair.remote.kind,
            remote: pair.remote.endpoint,
            state: pair.state,
            checksSent: pair.checksSent,
            answersReceived: pair.answersReceived,
            checksReceived: pair.checksReceived,
            roundTrip: pair.roundTrip,
            sighting: pair.sighting
        )
    }
}
