import ICE
import MeshModel

/// The agent's relation to one peer: who offers when, which ICE session is in force, which endpoint WireGuard gets.
///
/// Pure, like `AgentCore`, which owns one per peer of the map. Source: spec/wire/signal.md 7 and 8, ice.md 7.
struct PeerSession: Sendable {
    enum Effect: Hashable, Sendable {
        case signal(SignalMessage)
        case send(Datagram)
        case relay(RelayRequest)
        /// Read the kernel's counters of this peer.
        case observe
        /// The kernel may have followed a late packet of the relay away from the direct path.
        case strayed
        case ignored(String)
    }

    /// What the session needs to know of the agent around it.
    struct Context {
        var localAddresses: [IPAddress]
        /// By local address, what a 1:1 translator makes of it.
        var outsides: [IPAddress: IPAddress]
        /// 0 while the kernel has not said.
        var listenPort: UInt16
        var isSignalConnected: Bool
        /// What STUN servers see of us.
        var reflexive: [Endpoint]
        /// URL of the relay that we can be reached at; `nil` while there is none.
        var homeRelay: String?
        /// Where the kernel completed its last handshake with this peer, if it did.
        var kernelEndpoint: Endpoint?
    }

    let peer: PublicKey
    /// Whether we control ICE and start the handshake.
    let isController: Bool
    let agentVersion: String
    /// Ours, made once and kept for every ICE session with this peer.
    let credentials: ICECredentials
    /// 5 bytes; a new one whenever our ICE agent was closed, so that the peer rebuilds its own exactly once.
    private(set) var sessionID: [UInt8]

    private(set) var ice: ICEAgent?
    /// The peer's credentials, session and relay, from its last offer or answer.
    var remote: SessionDescription?
    /// The way over a relay, kept beside a direct one so that there is no gap when that ends.
    var relay: RelayPath?
    private var locals: [LocalCandidate] = []
    /// Told to the peer and nothing else: checks leave from the address behind them, which is among `locals`.
    private var reflexives: [LocalCandidate] = []
    /// Candidates that came before the offer they belong to; newest dropped beyond the bound.
    private var earlyCandidates: [RemoteCandidate] = []
    private(set) var guardian: OfferGuard
    /// What WireGuard was last told, and when it will be told something new.
    var endpoint: Endpoint?
    var pendingEndpoint: (endpoint: Endpoint, due: ContinuousClock.Instant)?
    /// About the direct path in use; `nil`: there is none.
    var doubt: PathDoubt?
    var lazy = Laziness()
    private(set) var lastError: String?
    private(set) var offersSent = 0
    /// The last ICE session that found no path or lost it; `nil` once a later one has found one.
    private(set) var lastFailure: EndedICE?

    /// An ICE session that is over, and what it had found.
    struct EndedICE: Hashable, Sendable {
        var report: ICEReport
        var failure: ICEFailure
        var ended: ContinuousClock.Instant
    }

    private static let mostEarlyCandidates = 64
    /// How long the other side leaves the first handshake to the controller. Source: spec/wire/ice.md 7.2.
    private static let responderDelay: Duration = .seconds(5)

    init(
        peer: PublicKey,
        isController: Bool,
        agentVersion: String,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) {
        self.peer = peer
        self.isController = isController
        self.agentVersion = agentVersion
        credentials = ICECredentials(usernameFragment: random.letters(16), password: random.letters(32))
        sessionID = random.bytes(5)
        guardian = OfferGuard(opening: now, random: &random)
    }

    var deadline: ContinuousClock.Instant? {
        if lazy.isAsleep { return nil }
        return [ice?.deadline, pendingEndpoint?.due, guardian.deadline, doubt?.deadline, suspicionDue].compactMap { $0 }
            .min()
    }

    var path: PeerStatus.Path {
        if lazy.isAsleep { return .sleeping }
        if let pair = ice?.selectedPair {
            return .direct(
                local: pair.local.endpoint,
                localKind: pair.local.kind,
                remote: pair.remote.endpoint,
                remoteKind: pair.remote.kind
            )
        }
        if let relay, relay.endpoint != nil, !isDirect(endpoint) { return .relayed(server: relay.server) }
        return ice == nil ? .idle : .connecting
    }

    func isWaiting(for transactionID: [UInt8]) -> Bool { ice?.isWaiting(for: transactionID) ?? false }

    // MARK: - Inputs

    mutating func receive(
        _ message: SignalMessage,
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        if lazy.isAsleep, message != .goIdle, message != .heartbeat { wakeByPeer(at: now) }
        switch message {
        case .offer(let description):
            return negotiate(description, mustAnswer: true, context, at: now, random: &random)
        case .answer(let description):
            return negotiate(description, mustAnswer: false, context, at: now, random: &random)
        case .candidate(let candidate):
            return ([candidate] + [candidate.forwarded].compactMap { $0 }).flatMap { candidate -> [Effect] in
                if ice != nil { return driveICE(.remoteCandidate(candidate), at: now, random: &random) }
                guard earlyCandidates.count < Self.mostEarlyCandidates else { return [.ignored("too many candidates")] }
                earlyCandidates.append(candidate)
                return []
            }
        case .goIdle:
            if lazy.isAllowed { return fallAsleep(at: now, random: &random) }
            return [.ignored("the peer went idle; our path stays, since it costs nothing")]
        case .heartbeat:
            return []
        }
    }

    mutating func receive(
        _ message: STUNMessage,
        _ datagram: Datagram,
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard ice != nil else { return [.ignored("check before any offer")] }
        return driveICE(.message(message, datagram), at: now, random: &random)
    }

    mutating func tick(
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        if lazy.isAsleep { return [] }
        if let pending = pendingEndpoint, pending.due <= now {
            lazy.trap = nil
            endpoint = pending.endpoint
            pendingEndpoint = nil
        }
        var effects: [Effect] = []
        if let due = suspicionDue, due <= now {
            doubt = PathDoubt()
            effects.append(.observe)
        }
        if let due = ice?.deadline, due <= now { effects += driveICE(.tick, at: now, random: &random) }
        if let due = doubt?.deadline, due <= now {
            doubt?.postpone(at: now)
            effects.append(.observe)
        }
        let isRelayed = relay.map { $0.endpoint != nil }
        if guardian.isDue(isDirect: ice != nil, isRelayed: isRelayed, at: now, random: &random),
            context.isSignalConnected, context.listenPort != 0
        {
            effects.append(offer(context))
        }
        return effects
    }

    mutating func offer(_ context: Context) -> Effect {
        offersSent += 1
        return .signal(.offer(description(context)))
    }

    /// Our addresses or our port changed: tells ICE and the peer.
    mutating func renewLocalCandidates(
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        let known = Dictionary(uniqueKeysWithValues: locals.map { ($0.endpoint, $0) })
        locals =
            context.listenPort == 0
            ? []
            : context.localAddresses.map { address in
                let endpoint = Endpoint(address: address, port: context.listenPort)
                return known[endpoint] ?? LocalCandidate(kind: .host, endpoint: endpoint, id: random.iceCharacters(32))
            }
        let added = locals.filter { known[$0.endpoint] == nil }
        guard ice != nil else {
            if !added.isEmpty { guardian.hurry(at: now, random: &random) }
            return []
        }
        let effects = driveICE(.localCandidates(locals), at: now, random: &random)
        return ice == nil ? effects : effects + added.map { .signal(.candidate(wireForm(of: $0, context))) }
    }

    /// Some of our addresses look otherwise from outside: tells the peer.
    func tellAgain(_ changed: Set<IPAddress>, _ context: Context) -> [Effect] {
        guard ice != nil else { return [] }
        let again = locals.filter { changed.contains($0.endpoint.address) }
        return again.map { .signal(.candidate(wireForm(of: $0, context))) }
    }

    /// What STUN servers see of us changed: tells the peer.
    mutating func renewReflexiveCandidates(_ context: Context, random: inout RandomSource) -> [Effect] {
        let known = Dictionary(uniqueKeysWithValues: reflexives.map { ($0.endpoint, $0) })
        reflexives = context.reflexive.map {
            known[$0] ?? LocalCandidate(kind: .srflx, endpoint: $0, id: random.iceCharacters(32))
        }
        guard ice != nil else { return [] }
        return reflexives.filter { known[$0.endpoint] == nil }.map { .signal(.candidate(wireForm(of: $0, context))) }
    }

    /// Whether ICE is looking for a path while the relay carries the traffic.
    var isSeekingDirect: Bool { ice.map { $0.selectedPair == nil } ?? false }

    /// Something changed that may make a failed path work, or was lost: offer again soon.
    mutating func retrySoon(at now: ContinuousClock.Instant, random: inout RandomSource) {
        guardian.restart(at: now, random: &random)
    }

    /// WireGuard's port has become known, without which there was nothing to offer.
    mutating func offerNow(at now: ContinuousClock.Instant) {
        if ice == nil { guardian.reopen(at: now) }
    }

    // MARK: - Negotiation

    /// An offer or an answer: both carry everything. Source: spec/wire/signal.md 7.2 to 7.4.
    private mutating func negotiate(
        _ description: SessionDescription,
        mustAnswer: Bool,
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        let previous = remote
        remote = description
        let relaying = renewRelay(context)
        var candidates: [Effect] = []
        if let credentials = description.credentials {
            let isNewSession = description.sessionID != nil && description.sessionID != previous?.sessionID
            if ice != nil, isNewSession { closeICE(random: &random) }
            if ice == nil { candidates = openICE(towards: credentials, context, at: now, random: &random) }
        } else {
            if ice != nil { closeICE(random: &random) }
            if relay == nil { lastError = "the peer does not do ICE with us, and we have no relay in common" }
        }
        // The answer goes first: a stock receiver drops candidates that come before it.
        return (mustAnswer ? [.signal(.answer(self.description(context)))] : []) + relaying + candidates
    }

    private mutating func openICE(
        towards remoteCredentials: ICECredentials,
        _ context: Context,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        ice = ICEAgent(
            configuration: .init(isControlling: isController, local: credentials, remote: remoteCredentials),
            at: now,
            random: &random
        )
        var effects = driveICE(.localCandidates(locals), at: now, random: &random)
        for candidate in earlyCandidates { effects += driveICE(.remoteCandidate(candidate), at: now, random: &random) }
        earlyCandidates = []
        _ = renewReflexiveCandidates(context, random: &random)  // all of them are told here
        return (locals + reflexives).map { .signal(.candidate(wireForm(of: $0, context))) } + effects
    }

    /// Nothing is left but what the next session begins with.
    mutating func closeForSleep(random: inout RandomSource) -> [Effect] {
        closeICE(random: &random)
        earlyCandidates = []
        pendingEndpoint = nil
        doubt = nil
        remote = nil
        return closeRelay()
    }

    private mutating func closeICE(random: inout RandomSource) {
        ice = nil
        sessionID = random.bytes(5)
    }

    private mutating func driveICE(
        _ input: ICEAgent.Input,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard var agent = ice else { return [] }
        let wanted = agent.handle(input, at: now, random: &random)
        ice = agent
        endDoubtIfHeard(at: now)
        var effects: [Effect] = []
        for effect in wanted {
            switch effect {
            case .send(let datagram): effects.append(.send(datagram))
            case .ignored(let reason): effects.append(.ignored(reason))
            case .selected(let pair):
                lastFailure = nil
                use(pair.remote.endpoint, at: now)
                effects += release(from: pair.local.endpoint, to: pair.remote.endpoint)
            case .failed(let failure):
                lastFailure = EndedICE(report: agent.report, failure: failure, ended: now)
                lastError = failure.description
                pendingEndpoint = nil
                effects += leaveDirect(failure, at: now)
                closeICE(random: &random)
                guardian.restart(at: now, random: &random)
            }
        }
        return effects
    }

    /// The controller tells WireGuard at once; the other side gives it five seconds to start the handshake.
    mutating func use(_ remote: Endpoint, at now: ContinuousClock.Instant) {
        lastError = nil
        doubt = nil
        let hasEndpoint = endpoint != nil && !isTrapped
        if isController || hasEndpoint || !lazy.caught.isEmpty {
            lazy.trap = nil
            endpoint = remote
            pendingEndpoint = nil
        } else {
            pendingEndpoint = (remote, now + Self.responderDelay)
        }
    }

    func description(_ context: Context) -> SessionDescription {
        // While the peer says that it does no ICE we mirror it, as it expects.
        let mirrorsNoICE = remote.map { $0.credentials == nil } ?? false
        return SessionDescription(
            credentials: mirrorsNoICE ? nil : credentials,
            sessionID: mirrorsNoICE ? nil : sessionID,
            wireGuardPort: context.listenPort,
            agentVersion: agentVersion,
            relayServer: context.homeRelay
        )
    }

    private func wireForm(of candidate: LocalCandidate, _ context: Context) -> RemoteCandidate {
        // As stock agents write it: which of our addresses is behind it is nobody's business.
        let unspecified = IPAddress(bytes: Array(repeating: 0, count: candidate.endpoint.address.bytes.count))
        let related = unspecified.map { Endpoint(address: $0, port: context.listenPort) }
        let outside = candidate.kind == .host ? context.outsides[candidate.endpoint.address] : nil
        return RemoteCandidate(
            kind: candidate.kind,
            endpoint: outside.map { Endpoint(address: $0, port: candidate.endpoint.port) } ?? candidate.endpoint,
            priority: candidate.priority,
            related: candidate.kind == .host ? nil : related,
            id: candidate.id
        )
    }
}

extension RemoteCandidate {
    /// The same outside address with the port behind it, which a static port forward would keep: worth a check of its own
    /// when the peer told its id, since older agents send it themselves. Source: spec/wire/ice.md 5.1.
    fileprivate var forwarded: RemoteCandidate? {
        guard kind == .srflx, id != nil, let port = related?.port, port != 0, port != endpoint.port else { return nil }
        var copy = self
        copy.endpoint.port = port
        copy.related = nil
        copy.id = nil
        return copy
    }
}
