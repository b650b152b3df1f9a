import ICE
import MeshModel

/// Asks STUN servers what our port looks like from outside, when a session needs to know.
///
/// Nothing is asked while no session is being set up; an answer serves all sessions of the next 25 s. Source:
/// spec/wire/ice.md 3; timing of retransmissions: RFC 8489, section 6.2.1, but fewer of them.
struct ReflexiveGatherer: Sendable {
    struct Question: Hashable {
        var local: Endpoint
        var server: Endpoint
    }

    typealias Sighting = CandidatePair.Sighting

    /// By transaction.
    private struct Request {
        var question: Question
        var attempts: Int
    }

    /// Addresses of the servers, in order of preference; of each family the first two are asked.
    var servers: [Endpoint] = []
    /// What the servers said.
    private(set) var mapped: [Question: Sighting] = [:]
    /// Asked in vain the last time.
    private(set) var unanswered: Set<Question> = []
    private var requests: [[UInt8]: Request] = [:]
    private var begun: ContinuousClock.Instant?
    private var nextAttempt: ContinuousClock.Instant?

    private static let lifetime: Duration = .seconds(25)
    private static let retransmissionTimeout: Duration = .milliseconds(500)
    private static let mostAttempts = 3
    private static let mostServersPerFamily = 2
    private static let mostLocals = 8

    /// When to send again; `nil`: every question is answered or given up.
    var deadline: ContinuousClock.Instant? { requests.isEmpty ? nil : nextAttempt }

    /// Addresses that are not our own, which peers may reach us at.
    var reflexive: [Endpoint] {
        let own = Set(mapped.keys.map(\.local))
        return Set(mapped.values.map(\.mapped)).subtracting(own).sorted()
    }

    func isWaiting(for transactionID: [UInt8]) -> Bool { requests[transactionID] != nil }

    func isFresh(at now: ContinuousClock.Instant) -> Bool { begun.map { now - $0 < Self.lifetime } ?? false }

    /// Begins to ask unless what is known is fresh.
    mutating func gather(
        from locals: [Endpoint],
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Datagram] {
        if isFresh(at: now) { return [] }
        requests = [:]
        for local in locals.prefix(Self.mostLocals) {
            for server in asked(from: local) {
                let question = Question(local: local, server: server)
                requests[random.bytes(12)] = Request(question: question, attempts: 0)
            }
        }
        if requests.isEmpty { return [] }
        begun = now
        return send(at: now)
    }

    /// The servers that a local address puts its question to.
    func asked(from local: Endpoint) -> ArraySlice<Endpoint> {
        servers.filter { $0.address.isV4 == local.address.isV4 }.prefix(Self.mostServersPerFamily)
    }

    /// Our addresses or our port changed: what was known is not true any more.
    mutating func forget() {
        mapped = [:]
        unanswered = []
        requests = [:]
        begun = nil
    }

    mutating func tick(at now: ContinuousClock.Instant) -> [Datagram] {
        guard let deadline, deadline <= now else { return [] }
        unanswered.formUnion(requests.values.filter { $0.attempts >= Self.mostAttempts }.map(\.question))
        requests = requests.filter { $0.value.attempts < Self.mostAttempts }
        return send(at: now)
    }

    /// - Returns: whether what is known changed.
    mutating func receive(_ message: STUNMessage, _ datagram: Datagram, at now: ContinuousClock.Instant) -> Bool {
        let question = Question(local: datagram.local, server: datagram.remote)
        guard requests[message.transactionID]?.question == question, message.kind == .bindingSuccess,
            let address = message.mappedAddress, address.port != 0
        else { return false }
        requests[message.transactionID] = nil
        unanswered.remove(question)
        let former = mapped.updateValue(Sighting(mapped: address, since: now), forKey: question)
        return former?.mapped != address
    }

    private mutating func send(at now: ContinuousClock.Instant) -> [Datagram] {
        var attempts = 0
        let datagrams = requests.keys.sorted { $0.lexicographicallyPrecedes($1) }.compactMap { id -> Datagram? in
            guard var request = requests[id] else { return nil }
            request.attempts += 1
            attempts = max(attempts, request.attempts)
            requests[id] = request
            let question = request.question
            return Datagram(local: question.local, remote: question.server, bytes: STUNMessage.bareRequest(id))
        }
        nextAttempt = now + Self.retransmissionTimeout * (1 << max(0, attempts - 1))
        return datagrams
    }
}

extension AgentCore {
    /// Asks for our reflexive addresses, for the sessions that are being set up.
    mutating func gatherReflexive(at now: ContinuousClock.Instant) -> [Effect] {
        guard listenPort != 0, !reflexive.isFresh(at: now), sessions.values.contains(where: \.isSeekingDirect) else {
            return []
        }
        let locals = localAddresses.map { Endpoint(address: $0, port: listenPort) }
        return reflexive.gather(from: locals, at: now, random: &random).map { .send($0) }
    }

    /// Tells every session that is open what we look like from outside.
    mutating func announceReflexive(at now: ContinuousClock.Instant) -> [Effect] {
        sessions.keys.sorted().flatMap { peer in
            drive(peer) { session, context, random in session.renewReflexiveCandidates(context, random: &random) }
        }
    }
}
