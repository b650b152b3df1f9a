import ICE
import MeshModel
import TestSupport
import Testing

/// Two agents and the wire between them, in virtual time.
struct TwoAgents {
    enum Side { case left, right }

    var left: ICEAgent
    var right: ICEAgent
    var random = RandomSource(SeededGenerator(seed: 7))
    var now = ContinuousClock.now
    let started: ContinuousClock.Instant
    var effects: [(side: Side, at: Duration, effect: ICEAgent.Effect)] = []
    /// Decides whether a datagram arrives, and from which address.
    var wire: (Datagram) -> Datagram? = { $0 }

    init(bothControl: Bool = false) {
        let leftCredentials = ICECredentials(usernameFragment: "left", password: "left password")
        let rightCredentials = ICECredentials(usernameFragment: "right", password: "right password")
        started = now
        left = ICEAgent(
            configuration: .init(isControlling: true, local: leftCredentials, remote: rightCredentials),
            at: now,
            random: &random
        )
        right = ICEAgent(
            configuration: .init(isControlling: bothControl, local: rightCredentials, remote: leftCredentials),
            at: now,
            random: &random
        )
    }

    mutating func deliver(_ input: ICEAgent.Input, to side: Side) {
        let wanted =
            side == .left
            ? left.handle(input, at: now, random: &random) : right.handle(input, at: now, random: &random)
        for effect in wanted {
            effects.append((side, now - started, effect))
            guard case .send(let sent) = effect, let datagram = wire(sent),
                let message = try? STUNMessage(datagram: datagram.bytes)
            else { continue }
            let arrived = Datagram(local: datagram.remote, remote: datagram.local, bytes: datagram.bytes)
            deliver(.message(message, arrived), to: side == .left ? .right : .left)
        }
    }

    /// Lets virtual time pass, ticking whoever is due.
    mutating func run(for duration: Duration) {
        let end = now + duration
        while let due = [left.deadline, right.deadline].compactMap({ $0 }).min(), due <= end {
            now = max(now, due)
            if let deadline = left.deadline, deadline <= now { deliver(.tick, to: .left) }
            if let deadline = right.deadline, deadline <= now { deliver(.tick, to: .right) }
        }
        now = end
    }

    mutating func offerHosts(_ leftAddress: String, _ rightAddress: String) throws {
        let leftEndpoint = try #require(Endpoint(leftAddress))
        let rightEndpoint = try #require(Endpoint(rightAddress))
        deliver(.localCandidates([host(leftEndpoint, "L")]), to: .left)
        deliver(.localCandidates([host(rightEndpoint, "R")]), to: .right)
        deliver(.remoteCandidate(remote(rightEndpoint, id: "R")), to: .left)
        deliver(.remoteCandidate(remote(leftEndpoint, id: "L")), to: .right)
    }

    var failures: [ICEFailure] {
        effects.compactMap { if case .failed(let failure) = $0.effect { failure } else { nil } }
    }
    func count(_ side: Side, where matches: (ICEAgent.Effect) -> Bool) -> Int {
        effects.count { $0.side == side && matches($0.effect) }
    }
}

func host(_ endpoint: Endpoint, _ id: String) -> LocalCandidate {
    LocalCandidate(kind: .host, endpoint: endpoint, id: id)
}
func remote(_ endpoint: Endpoint, id: String? = nil, kind: RemoteCandidate.Kind = .host) -> RemoteCandidate {
    RemoteCandidate(kind: kind, endpoint: endpoint, priority: candidatePriority(of: kind), id: id)
}

@Suite struct ICEAgentTests {
    @Test func `two hosts on one network select each other at once`() throws {
        var pair = TwoAgents()
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51821")
        pair.run(for: .seconds(1))
        #expect(pair.left.selectedPair?.remote.endpoint == Endpoint("192.0.2.2:51821"))
        #expect(pair.right.selectedPair?.remote.endpoint == Endpoint("192.0.2.1:51820"))
        #expect(pair.left.selectedPair?.remote.kind == .host)
        #expect(pair.effects.allSatisfy { $0.at <= .milliseconds(400) })
    }

    @Test func `an IPv6 pair works like an IPv4 one`() throws {
        var pair = TwoAgents()
        try pair.offerHosts("[2001:db8::1]:51820", "[2001:db8::2]:51820")
        pair.run(for: .seconds(1))
        #expect(pair.left.selectedPair?.remote.endpoint == Endpoint("[2001:db8::2]:51820"))
        #expect(pair.right.selectedPair != nil)
    }

    @Test func `a peer whose candidates never come is found by its checks`() throws {
        var pair = TwoAgents()
        let left = try #require(Endpoint("192.0.2.1:51820"))
        let right = try #require(Endpoint("192.0.2.2:51820"))
        pair.deliver(.localCandidates([host(left, "L")]), to: .left)
        pair.deliver(.localCandidates([host(right, "R")]), to: .right)
        pair.deliver(.remoteCandidate(remote(left)), to: .right)
        pair.run(for: .seconds(3))
        #expect(pair.left.selectedPair?.remote.kind == .prflx)
        #expect(pair.left.selectedPair?.remote.endpoint == right)
        #expect(pair.right.selectedPair?.remote.endpoint == left)
        // Nominated no sooner than a peer-reflexive candidate may be: something better could still have come.
        let selected = pair.effects.first { if case .selected = $0.effect { $0.side == .left } else { false } }
        #expect(try #require(selected).at >= .seconds(1))
    }

    @Test func `the better of two working paths is taken by both`() throws {
        var pair = TwoAgents()
        let left = [try #require(Endpoint("192.0.2.1:1")), try #require(Endpoint("198.51.100.1:1"))]
        let right = [try #require(Endpoint("192.0.2.2:2")), try #require(Endpoint("198.51.100.2:2"))]
        pair.wire = { $0.local.address.bytes[0] == $0.remote.address.bytes[0] ? $0 : nil }
        pair.deliver(.localCandidates(left.map { host($0, "\($0)") }), to: .left)
        pair.deliver(.localCandidates(right.map { host($0, "\($0)") }), to: .right)
        for endpoint in right { pair.deliver(.remoteCandidate(remote(endpoint)), to: .left) }
        for endpoint in left { pair.deliver(.remoteCandidate(remote(endpoint)), to: .right) }
        pair.run(for: .seconds(2))
        let selected = try #require(pair.left.selectedPair)
        #expect(pair.right.selectedPair?.remote.endpoint == selected.local.endpoint)
        #expect(pair.right.selectedPair?.local.endpoint == selected.remote.endpoint)
    }

    @Test func `each side checks the selected path every two seconds and answers do not multiply`() throws {
        var pair = TwoAgents()
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(1))
        pair.effects = []
        pair.run(for: .seconds(20))
        for side in [TwoAgents.Side.left, .right] {
            let sent = pair.count(side) { if case .send = $0 { true } else { false } }
            #expect((18...22).contains(sent), "10 checks and 10 answers, not \(sent)")
        }
        #expect(pair.failures.isEmpty)
    }

    @Test func `silence for six seconds ends the session on both sides`() throws {
        var pair = TwoAgents()
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(5))
        pair.wire = { _ in nil }
        pair.effects = []
        let cut = pair.now - pair.started
        pair.run(for: .seconds(9))
        #expect(pair.failures == [.silent, .silent])
        let ends = pair.effects.filter { if case .failed = $0.effect { true } else { false } }.map { $0.at - cut }
        #expect(ends.allSatisfy { $0 >= .seconds(4) && $0 <= .seconds(6.5) })
        #expect(pair.left.deadline == nil)
    }

    @Test func `blocked UDP fails after twelve seconds with a reason`() throws {
        var pair = TwoAgents()
        pair.wire = { _ in nil }
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(13))
        #expect(pair.failures == [.noPathFound(pairs: 1), .noPathFound(pairs: 1)])
        // Eight checks a pair, then quiet.
        #expect(pair.count(.left) { if case .send = $0 { true } else { false } } == 8)
    }

    @Test func `two controlling agents settle their roles`() throws {
        var pair = TwoAgents(bothControl: true)
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(3))
        #expect(pair.left.selectedPair != nil)
        #expect(pair.right.selectedPair != nil)
    }

    @Test func `a path that answers from elsewhere is not used`() throws {
        var pair = TwoAgents()
        pair.wire = { datagram in
            var moved = datagram
            if datagram.bytes[0] == 1 { moved.local.port &+= 1 }
            return moved
        }
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(13))
        #expect(pair.left.selectedPair == nil)
        #expect(pair.right.selectedPair == nil)
    }

    @Test func `a lost local address ends the path`() throws {
        var pair = TwoAgents()
        try pair.offerHosts("192.0.2.1:51820", "192.0.2.2:51820")
        pair.run(for: .seconds(1))
        pair.deliver(.localCandidates([]), to: .left)
        #expect(pair.failures == [.localAddressGone(try #require(IPAddress("192.0.2.1")))])
    }

    @Test func `checks with a wrong password or user are not answered`() throws {
        var pair = TwoAgents()
        let right = try #require(Endpoint("192.0.2.2:51820"))
        let stranger = try #require(Endpoint("192.0.2.66:4"))
        pair.deliver(.localCandidates([host(right, "R")]), to: .right)
        pair.effects = []
        for (user, password) in [("right:left", "wrong"), ("right:other", "right password"), ("other:left", "x")] {
            let check = STUNMessage.encode(
                .bindingRequest,
                transactionID: Array(repeating: 1, count: 12),
                attributes: [(.username, Array(user.utf8))],
                integrityKey: password
            )
            let datagram = Datagram(local: right, remote: stranger, bytes: check)
            pair.deliver(.message(try STUNMessage(datagram: check), datagram), to: .right)
        }
        #expect(pair.count(.right) { if case .send = $0 { true } else { false } } == 0)
        #expect(pair.count(.right) { if case .ignored = $0 { true } else { false } } == 3)
    }

    @Test func `a flood of candidates is bounded`() throws {
        var pair = TwoAgents()
        let right = try #require(Endpoint("192.0.2.2:51820"))
        pair.deliver(.localCandidates([host(right, "R")]), to: .right)
        for port in UInt16(1)...500 {
            pair.deliver(.remoteCandidate(remote(Endpoint(address: right.address, port: port))), to: .right)
        }
        pair.effects = []
        pair.deliver(.tick, to: .right)
        #expect(pair.count(.right) { if case .send = $0 { true } else { false } } == 64)
    }
}
