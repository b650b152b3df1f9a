@testable import AgentCore
import ICE
import MeshModel
import Routing
import TestSupport
import Testing

/// Peers that sleep while there is no traffic.
@Suite struct LazyTests {
    private let trap: Endpoint
    private let remote: Endpoint

    init() throws {
        trap = try #require(Endpoint("127.64.0.9:31046"))
        remote = try #require(Endpoint("192.0.2.2:7"))
    }

    private func map(_ harness: CoreHarness, serial: UInt64, isLazy: Bool, version: String = "0.60.1") throws
        -> NetworkMap
    {
        var map = try harness.map(serial: serial)
        map.own?.isLazyConnectionEnabled = isLazy
        map.peers[0].agentVersion = version
        return map
    }

    private func started(controls: Bool = true, version: String = "0.60.1") throws -> (CoreHarness, [AgentCore.Effect])
    {
        var harness = try CoreHarness(controls: controls)
        let address = try #require(IPAddress("192.0.2.1"))
        var effects = harness.handle(.listenPort(51820)) + harness.handle(.localAddresses([address]))
        effects += harness.handle(.signalServer(.connected))
        effects += harness.handle(.networkMap(try map(harness, serial: 1, isLazy: true, version: version)))
        return (harness, effects)
    }

    private func observe(_ harness: inout CoreHarness, bytes: UInt64 = 0, handshake: Int64 = 0) -> [AgentCore.Effect] {
        let observation = PeerObservation(
            endpoint: nil,
            latestHandshakeSeconds: handshake,
            receivedBytes: bytes,
            sentBytes: 0
        )
        return harness.handle(.observed([harness.other: observation]))
    }

    /// Asleep, with the trap set.
    private func asleep(controls: Bool = true) throws -> CoreHarness {
        var (harness, _) = try started(controls: controls)
        #expect(observe(&harness).requests == [.trap(harness.other)])
        let effects = harness.handle(.relay(.trapped(harness.other, endpoint: trap)))
        #expect(peer(effects, harness)?.endpoint == trap)
        #expect(peer(effects, harness)?.persistentKeepaliveSeconds == 0)
        #expect(path(harness) == .sleeping)
        return harness
    }

    /// Direct, awake, with traffic until now.
    private func awake() throws -> CoreHarness {
        var harness = try asleep()
        _ = harness.handle(.relay(.caught(harness.other, packet: [1])))
        _ = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        _ = harness.handle(.signal(from: harness.other, candidate))
        _ = try harness.answerChecks(from: remote, for: .seconds(1))
        #expect(path(harness) != .sleeping)
        return harness
    }

    private var candidate: SignalMessage { .candidate(RemoteCandidate(kind: .host, endpoint: remote, priority: 1)) }
    private func peer(_ effects: [AgentCore.Effect], _ harness: CoreHarness) -> PeerConfiguration? {
        (effects.desired.last ?? nil)?.device.peers[harness.other]
    }
    private func path(_ harness: CoreHarness) -> PeerStatus.Path? {
        harness.core.status(nowSeconds: 0).peers.first?.path
    }

    @Test func `a new peer is offered nothing and sleeps, once the kernel says that it is new`() throws {
        var (harness, effects) = try started()
        #expect(effects.offers == 0)
        #expect(harness.advance(.seconds(60)).offers == 0)
        harness = try asleep()
        #expect(harness.advance(.seconds(3600)).offers == 0)
        #expect(harness.core.pathReport(of: harness.other, at: harness.now, nowSeconds: 0)?.reason == .sleeping)
    }

    @Test func `a peer that the kernel talked to before is woken at once, and so is one that cannot be trapped`() throws
    {
        var (harness, _) = try started()
        #expect((observe(&harness, handshake: 1000) + harness.handle(.tick)).offers == 1)
        (harness, _) = try started()
        _ = observe(&harness)
        #expect(harness.handle(.relay(.trapped(harness.other, endpoint: nil))).offers == 1)
    }

    @Test(arguments: ["0.44.9", "", "nonsense"])
    func `a peer that is too old never sleeps`(version: String) throws {
        #expect(try started(version: version).1.offers == 1)
    }

    @Test func `gateways never sleep`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        var map = try map(harness, serial: 2, isLazy: true)
        map.routes = [
            NetworkRoute(
                id: "1",
                networkID: "n",
                prefix: IPPrefix("10.0.0.0/8"),
                domains: [],
                routingPeer: harness.other,
                metric: 1,
                masquerade: true,
                keepRoute: false,
                skipAutoApply: false
            )
        ]
        harness = try CoreHarness()
        _ = harness.handle(.listenPort(51820))
        _ = harness.handle(.signalServer(.connected))
        #expect(harness.handle(.networkMap(map)).offers == 1)
    }

    @Test func `the first packet wakes it, and is sent on over the direct path as soon as there is one`() throws {
        var harness = try asleep()
        let woken = harness.handle(.relay(.caught(harness.other, packet: [1, 2, 3])))
        #expect(woken.offers == 1)
        _ = harness.handle(.relay(.caught(harness.other, packet: [4])))
        _ = harness.handle(.signal(from: harness.other, .answer(harness.offer())))
        _ = harness.handle(.signal(from: harness.other, candidate))
        let effects = try harness.answerChecks(from: remote, for: .seconds(1))
        let local = try #require(Endpoint("192.0.2.1:51820"))
        let packets = effects.sent.filter { !STUNMessage.isSTUN($0.bytes) }
        #expect(
            packets == [[1, 2, 3], [4]].map { Datagram(local: local, remote: remote, bytes: $0) }
        )
        #expect(peer(effects, harness)?.endpoint == remote)
        #expect(peer(effects, harness)?.persistentKeepaliveSeconds == 25)
    }

    @Test func `or over the relay, if that is ready first`() throws {
        var harness = try asleep(controls: false)
        _ = harness.handle(.relay(.homeServer("rel://home:80")))
        _ = harness.handle(.relay(.caught(harness.other, packet: [1, 2, 3])))
        var offer = harness.offer()
        offer.relayServer = "rel://theirs:80"
        let answered = harness.handle(.signal(from: harness.other, .offer(offer)))
        #expect(answered.requests == [.open(harness.other, server: "rel://theirs:80")])
        // The same address of the loopback, and no five seconds of waiting: it is us who have something to say.
        let ready = harness.handle(.relay(.ready(harness.other, server: "rel://theirs:80", endpoint: trap)))
        #expect(ready.requests == [.send(harness.other, [[1, 2, 3]])])
        #expect(peer(ready, harness)?.endpoint == trap)
        #expect(peer(ready, harness)?.persistentKeepaliveSeconds == 25)
    }

    @Test func `a kernel that followed a late packet away from the trap wakes it`() throws {
        var harness = try asleep()
        let strayed = [
            harness.other: PeerObservation(
                endpoint: remote,
                latestHandshakeSeconds: 1000,
                receivedBytes: 1,
                sentBytes: 1
            )
        ]
        // As it was before the trap.
        _ = harness.handle(.observed(strayed))
        #expect(path(harness) == .sleeping)
        _ = harness.advance(.seconds(60))
        _ = harness.handle(
            .observed([
                harness.other: PeerObservation(
                    endpoint: trap,
                    latestHandshakeSeconds: 1000,
                    receivedBytes: 1,
                    sentBytes: 1
                )
            ])
        )
        #expect(path(harness) == .sleeping)
        #expect((harness.handle(.observed(strayed)) + harness.handle(.tick)).offers == 1)
        #expect(path(harness) != .sleeping)
    }

    @Test func `a burst is kept up to eight packets`() throws {
        var harness = try asleep()
        for number in UInt8(0)..<20 { _ = harness.handle(.relay(.caught(harness.other, packet: [number]))) }
        _ = harness.handle(.signal(from: harness.other, .answer(harness.offer())))
        _ = harness.handle(.signal(from: harness.other, candidate))
        let packets = try harness.answerChecks(from: remote, for: .seconds(1)).sent.filter {
            !STUNMessage.isSTUN($0.bytes)
        }
        #expect(packets.map(\.bytes) == (UInt8(0)..<8).map { [$0] })
    }

    @Test func `an offer of the peer wakes us, and leaves the first handshake to the controller`() throws {
        var harness = try asleep(controls: false)
        let effects = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        #expect(effects.messages.contains { if case .answer = $0 { true } else { false } })
        _ = harness.handle(.signal(from: harness.other, candidate))
        let request = try nominate(&harness)
        #expect(request.desired.isEmpty)
        let later = harness.advance(.seconds(5))
        #expect(peer(later, harness)?.endpoint == remote)
        #expect(peer(later, harness)?.persistentKeepaliveSeconds == 25)
    }

    /// As a peer that controls does: a check with USE-CANDIDATE, and answers to ours.
    private func nominate(_ harness: inout CoreHarness) throws -> [AgentCore.Effect] {
        _ = try harness.answerChecks(from: remote, for: .milliseconds(300))
        let answers = harness.handle(.signal(from: harness.other, .offer(harness.offer()))).messages
        let ours = try #require(
            answers.compactMap { if case .answer(let answer) = $0 { answer.credentials } else { nil } }.first
        )
        let check = STUNMessage.encode(
            .bindingRequest,
            transactionID: Array(repeating: 5, count: 12),
            attributes: [(.username, Array("\(ours.usernameFragment):remote".utf8)), (.useCandidate, [])],
            integrityKey: ours.password
        )
        let local = try #require(Endpoint("192.0.2.1:51820"))
        return harness.handle(.datagram(Datagram(local: local, remote: remote, bytes: check)))
    }

    @Test func `a peer without traffic is told and put to sleep after fifteen minutes, one with traffic is not`() throws
    {
        var harness = try awake()
        var bytes: UInt64 = 1000
        for _ in 0..<40 {
            _ = try harness.answerChecks(from: remote, for: .seconds(30))
            bytes += 256  // a ping
            #expect(observe(&harness, bytes: bytes, handshake: 1000).messages.isEmpty)
        }
        var idle: [AgentCore.Effect] = []
        var waited: Duration = .zero
        while waited < .seconds(1200), !idle.messages.contains(.goIdle) {
            _ = try harness.answerChecks(from: remote, for: .seconds(30))
            waited += .seconds(30)
            bytes += 64  // a keepalive each way
            idle = observe(&harness, bytes: bytes, handshake: 1000)
        }
        #expect(waited >= .seconds(870) && waited <= .seconds(960), "\(waited)")
        #expect(idle.requests == [.trap(harness.other)])
        #expect(path(harness) == .sleeping)
        #expect(harness.advance(.seconds(600)).isEmpty)
    }

    @Test func `a peer that sleeps puts us to sleep too, unless it may not`() throws {
        var harness = try awake()
        let effects = harness.handle(.signal(from: harness.other, .goIdle))
        #expect(effects.requests == [.trap(harness.other)])
        #expect(effects.messages.isEmpty)
        #expect(path(harness) == .sleeping)
        // It is said again, and wakes nobody.
        #expect(harness.handle(.signal(from: harness.other, .goIdle)).isEmpty)
        let woken = harness.handle(.networkMap(try map(harness, serial: 2, isLazy: false)))
        #expect(woken.offers == 1)
        #expect(path(harness) != .sleeping)
    }

    @Test func `a peer that wakes us whenever we sleep is let be`() throws {
        var harness = try awake()
        for _ in 0..<3 {
            var told = false
            for _ in 0..<40 where !told {
                harness.now += .seconds(30)
                told = observe(&harness, handshake: 1000).messages.contains(.goIdle)
            }
            #expect(told)
            harness.now += .seconds(1)
            _ = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        }
        for _ in 0..<80 {
            harness.now += .seconds(30)
            #expect(!observe(&harness, handshake: 1000).messages.contains(.goIdle))
        }
    }
}

@Suite struct IdleMeterTests {
    private let start = ContinuousClock.now

    private func reading(_ bytes: UInt64, handshake: Int64 = 1) -> PeerObservation {
        PeerObservation(endpoint: nil, latestHandshakeSeconds: handshake, receivedBytes: bytes, sentBytes: 0)
    }

    @Test(
        arguments: [
            (192, 1, true),  // three keepalives each way
            (193, 1, false),
            (192 + 272, 2, true),  // and a handshake
            (256, 1, false),  // an echo and its answer
        ] as [(UInt64, Int64, Bool)]
    )
    func `keepalives and handshakes are no traffic`(bytes: UInt64, handshake: Int64, isIdle: Bool) {
        var meter = IdleMeter(at: start)
        _ = meter.idle(reading(1000), at: start)
        let idle = meter.idle(reading(1000 + bytes, handshake: handshake), at: start + .seconds(60))
        #expect((idle == .seconds(60)) == isIdle)
    }

    @Test func `a peer that was made anew counts from zero`() {
        var meter = IdleMeter(at: start)
        _ = meter.idle(reading(1000), at: start)
        #expect(meter.idle(reading(0), at: start + .seconds(60)) == .seconds(60))
        #expect(meter.idle(reading(5000), at: start + .seconds(120)) == .zero)
    }
}

extension [AgentCore.Effect] {
    fileprivate var requests: [RelayRequest] {
        compactMap { if case .relay(let request) = $0 { request } else { nil } }
    }
}
