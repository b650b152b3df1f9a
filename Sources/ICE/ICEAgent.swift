public import MeshModel

/// Finds and keeps a working UDP path to one peer: ICE (RFC 8445) with one component, trickled candidates and regular
/// nomination.
///
/// Sans-IO: it never reads a clock, a socket or randomness of its own.
///
/// Drive it: deliver inputs with `handle`, send the datagrams it returns, and deliver `.tick` at `deadline`. After
/// `.failed` it is spent: make a new one from new offers. Deviations from the RFC: docs/deviations.md.
public struct ICEAgent: Sendable {
    public struct Configuration: Sendable {
        /// Decided by the order of the two public keys, not negotiated; spec/wire/signal.md 7.5.
        public var isControlling: Bool
        public var local: ICECredentials
        public var remote: ICECredentials

        public init(isControlling: Bool, local: ICECredentials, remote: ICECredentials) {
            self.isControlling = isControlling
            self.local = local
            self.remote = remote
        }
    }

    public enum Input: Sendable {
        /// All of our candidates; those missing from an earlier list are gone.
        case localCandidates([LocalCandidate])
        case remoteCandidate(RemoteCandidate)
        /// A STUN message on our port, already parsed, that may belong to this session.
        case message(STUNMessage, Datagram)
        case tick
    }

    public enum Effect: Hashable, Sendable {
        case send(Datagram)
        /// The path to use from now on.
        case selected(CandidatePair)
        /// No path was found, or the selected one fell silent.
        case failed(ICEFailure)
        case ignored(String)
    }

    let configuration: Configuration
    let tieBreaker: UInt64
    let start: ContinuousClock.Instant
    var isControlling: Bool
    var locals: [LocalCandidate] = []
    /// By transport address: a stock agent whose reflexive address equals its host address sends both lines.
    var remotes: [Endpoint: RemoteCandidate] = [:]
    var pairs: [CandidatePair.Key: CandidatePair] = [:]
    var transactions: [[UInt8]: Transaction] = [:]
    var selected: CandidatePair.Key?
    /// Last valid STUN message from the selected remote.
    var lastHeard: ContinuousClock.Instant
    var nextChecks: ContinuousClock.Instant
    var isFinished = false

    struct Transaction {
        var pair: CandidatePair.Key
        var sent: ContinuousClock.Instant
        var hasUseCandidate: Bool
    }

    /// What a hostile peer can make us hold: more candidates are ignored.
    static let mostRemotes = 64
    static let mostPairs = 256
    static let mostTransactions = 1024

    public init(configuration: Configuration, at now: ContinuousClock.Instant, random: inout RandomSource) {
        self.configuration = configuration
        tieBreaker = random.next()
        start = now
        isControlling = configuration.isControlling
        lastHeard = now
        nextChecks = now
    }

    /// When `.tick` is due next; `nil` once the agent is spent.
    public var deadline: ContinuousClock.Instant? { isFinished ? nil : nextChecks }

    /// The path in use; `nil` while none is selected.
    public var selectedPair: CandidatePair? { selected.flatMap { pairs[$0] } }

    /// When the selected remote last said anything valid; `nil` while none is selected.
    public var lastHeardFromSelected: ContinuousClock.Instant? { selected == nil ? nil : lastHeard }

    public mutating func handle(
        _ input: Input,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard !isFinished else { return [.ignored("the ICE session is over")] }
        switch input {
        case .localCandidates(let candidates):
            return setLocals(candidates)
        case .remoteCandidate(let candidate):
            return addRemote(candidate)
        case .message(let message, let datagram):
            return receive(message, datagram, at: now, random: &random)
        case .tick:
            return tick(at: now, random: &random)
        }
    }

    /// Whether `transactionID` is one of our checks on its way.
    public func isWaiting(for transactionID: [UInt8]) -> Bool { transactions[transactionID] != nil }

    private mutating func setLocals(_ candidates: [LocalCandidate]) -> [Effect] {
        locals = candidates
        let kept = Set(candidates.map(\.endpoint))
        pairs = pairs.filter { kept.contains($0.key.local) }
        if let selected, pairs[selected] == nil {
            return finish(.localAddressGone(selected.local.address))
        }
        for remote in remotes.keys.sorted() { formPairs(with: remote) }
        return []
    }

    private mutating func addRemote(_ candidate: RemoteCandidate) -> [Effect] {
        guard candidate.kind != .relay || !candidate.endpoint.address.isUnspecified, candidate.endpoint.port != 0 else {
            return [.ignored("candidate \(candidate.endpoint) is no transport address")]
        }
        if let known = remotes[candidate.endpoint] {
            // A peer-reflexive one learned from a check is replaced by what the peer says of it; the first line wins else.
            guard known.kind == .prflx || known.id == nil else { return [] }
            remotes[candidate.endpoint] = candidate
            for key in pairs.keys where key.remote == candidate.endpoint { pairs[key]?.remote = candidate }
            return []
        }
        guard remotes.count < Self.mostRemotes else { return [.ignored("more than \(Self.mostRemotes) candidates")] }
        remotes[candidate.endpoint] = candidate
        formPairs(with: candidate.endpoint)
        return []
    }

    func remoteEndpointIsKnown(_ endpoint: Endpoint) -> Bool { remotes[endpoint] != nil }

    /// Pairs a remote candidate with every local one of its family. Source: RFC 8445, section 6.1.2.2.
    mutating func formPairs(with endpoint: Endpoint) {
        guard let remote = remotes[endpoint] else { return }
        for local in locals where local.endpoint.address.isV4 == endpoint.address.isV4 {
            let pair = CandidatePair(local: local, remote: remote)
            guard pairs[pair.key] == nil, pairs.count < Self.mostPairs else { continue }
            pairs[pair.key] = pair
        }
    }

    mutating func finish(_ failure: ICEFailure) -> [Effect] {
        isFinished = true
        return [.failed(failure)]
    }

    /// Pairs in the order both sides prefer them, best first.
    var pairsByPriority: [CandidatePair] {
        pairs.values.sorted {
            let a = $0.priority(isControlling: isControlling)
            let b = $1.priority(isControlling: isControlling)
            return a == b ? $0.key < $1.key : a > b
        }
    }
}

/// Why a session ended. Its text is what `wgctl status` shows.
public enum ICEFailure: Hashable, Sendable, CustomStringConvertible {
    case noPathFound(pairs: Int)
    case silent
    case localAddressGone(IPAddress)

    public var description: String {
        switch self {
        case .noPathFound(0): "no address of the peer could be tried: it sent none of a family we have"
        case .noPathFound(let pairs): "none of \(pairs) address pairs answered: UDP is blocked between the two hosts"
        case .silent: "the peer's checks stopped for 6 s"
        case .localAddressGone: "our address on this path is gone"
        }
    }
}
