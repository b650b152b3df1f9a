import AgentCore
import MeshModel
import Testing

@Suite struct RelaySessionTests {
    private static let home = "rel://home:80"
    private static let theirs = "rel://theirs:80"

    private func offer(_ harness: CoreHarness, session: UInt8 = 1, relay: String? = theirs) -> SessionDescription {
        var offer = harness.offer(session: session)
        offer.relayServer = relay
        return offer
    }

    private func relayed() throws -> Endpoint { try #require(Endpoint("127.64.0.9:31046")) }

    private func endpoint(_ effects: [AgentCore.Effect], _ harness: CoreHarness) -> Endpoint? {
        (effects.desired.last ?? nil)?.device.peers[harness.other]?.endpoint
    }

    /// A harness with a relay, whose peer has told its own.
    private func met(controls: Bool, relay: String? = theirs) throws -> (CoreHarness, [AgentCore.Effect]) {
        var harness = try CoreHarness(controls: controls)
        _ = harness.handle(.relay(.homeServer(Self.home)))
        _ = try harness.connect()
        let effects = harness.handle(.signal(from: harness.other, .offer(offer(harness, relay: relay))))
        return (harness, effects)
    }

    private func requests(_ effects: [AgentCore.Effect]) -> [RelayRequest] {
        effects.compactMap { if case .relay(let request) = $0 { request } else { nil } }
    }

    @Test(arguments: [(true, home), (false, theirs)])
    func `the controller's relay is used`(controls: Bool, expected: String) throws {
        let (harness, effects) = try met(controls: controls)
        #expect(requests(effects) == [.open(harness.other, server: expected)])
    }

    @Test func `a peer without a relay is not asked for on one, and one that lost its own is let go`() throws {
        var (harness, effects) = try met(controls: true, relay: nil)
        #expect(requests(effects).isEmpty)
        _ = harness.handle(.signal(from: harness.other, .offer(offer(harness))))
        effects = harness.handle(.signal(from: harness.other, .offer(offer(harness, relay: nil))))
        #expect(requests(effects) == [.close(harness.other)])
    }

    @Test func `our relay is told in offers and answers, and its coming makes an offer at once`() throws {
        var harness = try CoreHarness()
        #expect(try harness.connect().offers == 1)
        let effects = harness.handle(.relay(.homeServer(Self.home)))
        guard case .offer(let offer) = effects.messages.first else {
            Issue.record("no offer")
            return
        }
        #expect(offer.relayServer == Self.home)
        let answers = harness.handle(.signal(from: harness.other, .offer(harness.offer()))).messages
        guard case .answer(let answer) = answers.first else {
            Issue.record("no answer")
            return
        }
        #expect(answer.relayServer == Self.home)
    }

    @Test func `WireGuard goes over the relay at once, and keepalives begin with the endpoint`() throws {
        var (harness, _) = try met(controls: true)
        let effects = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        #expect(endpoint(effects, harness) == (try relayed()))
        #expect((effects.desired.last ?? nil)?.device.peers[harness.other]?.persistentKeepaliveSeconds == 25)
        #expect(harness.core.status(nowSeconds: 0).peers.first?.path == .relayed(server: Self.home))
        #expect(harness.handle(.relay(.carried(harness.other))).isEmpty)
    }

    @Test func `the side that does not control waits five seconds for the other's handshake`() throws {
        var (harness, _) = try met(controls: false)
        let ready = harness.handle(.relay(.ready(harness.other, server: Self.theirs, endpoint: try relayed())))
        #expect(ready.desired.isEmpty)
        let later = harness.advance(.seconds(6))
        #expect(endpoint(later, harness) == (try relayed()))
    }

    @Test func `a direct path takes over, and the relay takes it back when that falls silent`() throws {
        var (harness, _) = try met(controls: true)
        _ = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        let remote = try #require(Endpoint("192.0.2.2:7"))
        let candidate = RemoteCandidate(kind: .host, endpoint: remote, priority: 2_130_706_431)
        _ = harness.handle(.signal(from: harness.other, .candidate(candidate)))
        let direct = try harness.answerChecks(from: remote, for: .seconds(1))
        #expect(endpoint(direct, harness) == remote)
        #expect(harness.handle(.relay(.carried(harness.other))) == [.strayed(harness.other)])
        let silent = harness.advance(.milliseconds(6900), receivedBytesPerSecond: 0)
        #expect(endpoint(silent, harness) == (try relayed()))
        #expect(harness.core.status(nowSeconds: 0).peers.first?.path == .relayed(server: Self.home))
    }

    /// As when the agent on the other side restarts, for longer than ICE waits.
    @Test func `a direct path that carries traffic stays though STUN is silent, until it carries none`() throws {
        var (harness, direct) = try directBesideRelay()
        let silent = harness.advance(.seconds(60), receivedBytesPerSecond: 100)
        #expect(silent.desired.allSatisfy { $0?.device.peers[harness.other]?.endpoint == direct })
        #expect(silent.offers > 0)
        let status = harness.core.status(nowSeconds: 1001).peers.first
        #expect(status?.path == .kernelSession(direct))
        let dead = harness.advance(.seconds(4), receivedBytesPerSecond: 0)
        #expect(endpoint(dead, harness) == (try relayed()))
        #expect(harness.core.status(nowSeconds: 0).peers.first?.path == .relayed(server: Self.home))
    }

    @Test func `a peer that takes to the relay is followed, though its packets were seen on the direct path`() throws {
        var (harness, _) = try directBesideRelay()
        let silent = harness.advance(.seconds(4), receivedBytesPerSecond: 100)
        #expect(silent.contains(.observe))
        // Before ICE has given up nothing is undone either: the kernel follows the peer.
        #expect(harness.handle(.relay(.carried(harness.other))).isEmpty)
        #expect(endpoint(harness.advance(.seconds(4), receivedBytesPerSecond: 100), harness) == nil)
        #expect(endpoint(harness.handle(.relay(.carried(harness.other))), harness) == (try relayed()))
    }

    @Test func `answers in time end the doubt`() throws {
        var (harness, direct) = try directBesideRelay()
        _ = harness.advance(.milliseconds(2500), receivedBytesPerSecond: 0)
        let later = try harness.answerChecks(from: direct, for: .seconds(10))
        #expect(later.contains(.observe))
        #expect(later.desired.isEmpty)
        #expect(harness.handle(.relay(.carried(harness.other))) == [.strayed(harness.other)])
    }

    private func directBesideRelay() throws -> (CoreHarness, Endpoint) {
        var (harness, _) = try met(controls: true)
        _ = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        let remote = try #require(Endpoint("192.0.2.2:7"))
        let candidate = RemoteCandidate(kind: .host, endpoint: remote, priority: 2_130_706_431)
        _ = harness.handle(.signal(from: harness.other, .candidate(candidate)))
        #expect(endpoint(try harness.answerChecks(from: remote, for: .seconds(1)), harness) == remote)
        return (harness, remote)
    }

    @Test func `a direct path that may be alive is left for the relay only when ICE has failed`() throws {
        var (harness, _) = try met(controls: true)
        let direct = try #require(Endpoint("192.0.2.2:7"))
        let alive = PeerObservation(
            endpoint: direct,
            latestHandshakeSeconds: 1000,
            receivedBytes: 1,
            sentBytes: 1
        )
        _ = harness.handle(.observed([harness.other: alive]))
        let ready = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        #expect(endpoint(ready, harness) == nil)
        let failed = harness.advance(.seconds(20), receivedBytesPerSecond: 0)
        #expect(endpoint(failed, harness) == (try relayed()))
    }

    @Test func `a relay that is lost leaves no endpoint behind, and offers go on`() throws {
        var (harness, _) = try met(controls: true)
        _ = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        let lost = harness.handle(.relay(.lost(harness.other, server: Self.home)))
        #expect((lost.desired.last ?? nil)?.device.peers[harness.other]?.endpoint == nil)
        #expect(!lost.desired.isEmpty)
        #expect(harness.advance(.seconds(2)).offers >= 1)
        #expect(harness.handle(.relay(.lost(harness.other, server: Self.theirs))).isEmpty)
    }

    @Test func `a peer that is only relayed is offered to three times, then every five minutes`() throws {
        var (harness, _) = try met(controls: true)
        _ = harness.handle(.relay(.ready(harness.other, server: Self.home, endpoint: try relayed())))
        _ = harness.advance(.seconds(13))  // ICE has given up
        let soon = harness.advance(.seconds(120)).offers
        let later = harness.advance(.seconds(3600)).offers
        #expect((3...4).contains(soon), "\(soon)")
        #expect((10...13).contains(later), "\(later)")
    }

    @Test func `the way over the relay is closed when the peer leaves the map`() throws {
        var (harness, _) = try met(controls: true)
        let effects = harness.handle(.networkMap(try harness.map(serial: 2, peers: [])))
        #expect(requests(effects) == [.close(harness.other)])
    }
}

extension CoreHarness {
    private static let counterStart = ContinuousClock.now

    /// As `advance`, with a kernel that is read whenever the core asks for it.
    fileprivate mutating func advance(
        _ duration: Duration,
        receivedBytesPerSecond rate: UInt64
    ) -> [AgentCore.Effect] {
        let end = now + duration
        var effects: [AgentCore.Effect] = []
        while let due = core.deadline, due <= end {
            now = max(now, due)
            let wanted = handle(.tick)
            effects += wanted
            guard wanted.contains(.observe) else { continue }
            let milliseconds = (now - Self.counterStart) / .milliseconds(1)
            let observation = PeerObservation(
                endpoint: Endpoint("192.0.2.2:7"),
                latestHandshakeSeconds: 1000,
                receivedBytes: 1_000_000 + UInt64(max(0, milliseconds)) * rate / 1000,
                sentBytes: 1
            )
            effects += handle(.observed([other: observation]))
        }
        now = end
        return effects
    }
}
