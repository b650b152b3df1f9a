import AgentCore
import ICE
import MeshModel
import Routing
import TestSupport
import Testing

/// One core with everything around it in place: a map, an address, a port and a signal server.
struct CoreHarness {
    var core: AgentCore
    var now = ContinuousClock.now
    let own: PublicKey
    let other: PublicKey

    /// - Parameter controls: whether our key's text is the greater one.
    init(controls: Bool = true, isEnabled: Bool = true) throws {
        let low = try #require(PublicKey(bytes: Array(repeating: 1, count: 32)))
        let high = try #require(PublicKey(bytes: Array(repeating: 200, count: 32)))
        let highControls = high.isController(over: low)
        own = controls == highControls ? high : low
        other = controls == highControls ? low : high
        core = AgentCore(
            configuration: .init(
                interfaceName: "wgm0",
                marks: OwnerMarks(instance: nil),
                privateKey: try #require(PrivateKey(bytes: Array(repeating: 9, count: 32))),
                publicKey: own,
                listenPort: 51820,
                mtuBytes: 1280,
                persistentKeepaliveSeconds: 25,
                agentVersion: "test"
            ),
            isEnabled: isEnabled,
            random: SeededGenerator(seed: 3)
        )
    }

    mutating func handle(_ input: AgentCore.Input) -> [AgentCore.Effect] { core.handle(input, at: now) }

    mutating func connect() throws -> [AgentCore.Effect] {
        let address = try #require(IPAddress("192.0.2.1"))
        return handle(.listenPort(51820)) + handle(.localAddresses([address])) + handle(.signalServer(.connected))
            + handle(.networkMap(try map(serial: 1)))
    }

    mutating func advance(_ duration: Duration) -> [AgentCore.Effect] {
        let end = now + duration
        var effects: [AgentCore.Effect] = []
        while let due = core.deadline, due <= end {
            now = max(now, due)
            effects += handle(.tick)
        }
        now = end
        return effects
    }

    func map(serial: UInt64, peers: [RemotePeer]? = nil, routes: [NetworkRoute] = []) throws -> NetworkMap {
        NetworkMap(
            serial: serial,
            own: SelfConfiguration(
                address: try #require(IPPrefix("100.64.0.1/16")),
                addressV6: IPPrefix("fd00:1::1/64"),
                fqdn: "a.mesh"
            ),
            peers: try peers ?? [
                RemotePeer(publicKey: other, allowedIPs: hosts("100.64.0.2", "fd00:1::2"), fqdn: "b.mesh")
            ],
            routes: routes
        )
    }

    func hosts(_ texts: String...) throws -> [IPPrefix] { try texts.map { try #require(IPPrefix($0)) } }

    func offer(session: UInt8 = 1) -> SessionDescription {
        SessionDescription(
            credentials: ICECredentials(usernameFragment: "remote", password: "remote password"),
            sessionID: Array(repeating: session, count: 5),
            wireGuardPort: 51820,
            agentVersion: "peer"
        )
    }

    /// Answers the core's checks as the peer at `remote` would, until it selects; gives all effects.
    mutating func answerChecks(from remote: Endpoint, for duration: Duration) throws -> [AgentCore.Effect] {
        var all: [AgentCore.Effect] = []
        let end = now + duration
        while let due = core.deadline, due <= end {
            now = max(now, due)
            var pending = handle(.tick)
            while !pending.isEmpty {
                let effect = pending.removeFirst()
                all.append(effect)
                guard case .send(let datagram) = effect, datagram.remote == remote, STUNMessage.isSTUN(datagram.bytes)
                else { continue }
                let check = try STUNMessage(datagram: datagram.bytes)
                guard check.kind == .bindingRequest else { continue }
                let answer = STUNMessage.encode(
                    .bindingSuccess,
                    transactionID: check.transactionID,
                    attributes: [],
                    integrityKey: "remote password"
                )
                pending += handle(.datagram(Datagram(local: datagram.local, remote: remote, bytes: answer)))
            }
        }
        now = end
        return all
    }
}

extension [AgentCore.Effect] {
    var desired: [DesiredState?] { compactMap { if case .reconcile(let state) = $0 { .some(state) } else { nil } } }
    var offers: Int { count { if case .signal(_, .offer) = $0 { true } else { false } } }
    var messages: [SignalMessage] { compactMap { if case .signal(_, let message) = $0 { message } else { nil } } }
    var sent: [Datagram] { compactMap { if case .send(let datagram) = $0 { datagram } else { nil } } }
}

@Suite struct AgentCoreTests {
    @Test func `a map becomes link, addresses, routes and peers`() throws {
        var harness = try CoreHarness()
        let effects = try harness.connect()
        let desired = try #require(effects.desired.last ?? nil)
        #expect(desired.host.link == LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280))
        #expect(Set(desired.host.addresses.map(\.description)) == ["100.64.0.1/16", "fd00:1::1/64"])
        #expect(Set(desired.host.routes.map(\.destination.description)) == ["100.64.0.0/16", "fd00:1::/64"])
        #expect(desired.host.routes.allSatisfy { $0.routeProtocol == 77 && $0.table == 254 })
        let peer = try #require(desired.device.peers[harness.other])
        #expect(Set(peer.allowedIPs.map(\.description)) == ["100.64.0.2/32", "fd00:1::2/128"])
        #expect(peer.persistentKeepaliveSeconds == 0, "there is nowhere to send them yet")
        #expect(peer.endpoint == nil)
        #expect(desired.device.fwmark == 0x7946)
    }

    @Test func `an older map is ignored, an equal serial is applied`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        _ = harness.handle(.networkMap(try harness.map(serial: 5)))
        #expect(harness.handle(.networkMap(try harness.map(serial: 4, peers: []))).desired.isEmpty)
        let same = harness.handle(.networkMap(try harness.map(serial: 5, peers: []))).desired
        #expect(try #require(same.last ?? nil).device.peers.isEmpty)
    }

    @Test func `nothing is desired before the first map, so nothing is taken away`() throws {
        var harness = try CoreHarness()
        let effects =
            harness.handle(.listenPort(51820)) + harness.handle(.signalServer(.connected))
            + harness.handle(.management(.disconnected(reason: "refused"))) + harness.advance(.seconds(60))
        #expect(effects.desired.isEmpty)
        #expect(harness.core.status(nowSeconds: 0).management == .disconnected(reason: "refused"))
    }

    @Test func `the notice of our deletion removes the peers and keeps the addresses`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let notice = NetworkMap(serial: 2, own: nil, peers: [])
        let desired = try #require(harness.handle(.networkMap(notice)).desired.last ?? nil)
        #expect(desired.device.peers.isEmpty)
        #expect(desired.host.addresses.count == 2)
    }

    @Test func `an unregistered agent keeps its tunnel and says why`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        #expect(harness.handle(.deregistered(reason: "peer is not registered")).desired.isEmpty)
        #expect(harness.core.status(nowSeconds: 0).deregistration == "peer is not registered")
    }

    @Test func `down removes everything, also when said twice, and up brings it back`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        #expect(harness.handle(.setEnabled(false)).desired == [nil])
        #expect(harness.handle(.setEnabled(false)).desired == [nil])
        #expect(harness.core.deadline == nil)
        let up = harness.handle(.setEnabled(true)).desired
        #expect(try #require(up.last ?? nil).device.peers.count == 1)
    }

    @Test func `offers go out at once and then ever more rarely until one is answered`() throws {
        var harness = try CoreHarness()
        #expect(try harness.connect().offers == 1)
        let silent = harness.advance(.seconds(100))
        #expect((4...7).contains(silent.offers), "\(silent.offers) offers")
    }

    @Test func `a peer that answers none of ten offers gets one every five minutes until signal is back`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let first = harness.advance(.seconds(600)).offers
        #expect((9...20).contains(first), "\(first) offers in ten minutes")
        _ = harness.advance(.seconds(600))
        let late = harness.advance(.seconds(3000)).offers
        #expect((9...12).contains(late), "\(late) offers in fifty minutes")
        _ = harness.handle(.signalServer(.disconnected(reason: "gone")))
        _ = harness.handle(.signalServer(.connected))
        #expect(harness.advance(.seconds(1)).offers == 1)
    }

    @Test func `no offer is made while the signal server is away, and one soon after it is back`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        _ = harness.handle(.signalServer(.disconnected(reason: "reset")))
        #expect(harness.advance(.seconds(60)).offers == 0)
        _ = harness.handle(.signalServer(.connected))
        #expect(harness.advance(.seconds(1)).offers == 1)
    }

    @Test func `the first offer waits for WireGuard's port and not a moment longer`() throws {
        var harness = try CoreHarness()
        let early =
            harness.handle(.signalServer(.connected)) + harness.handle(.networkMap(try harness.map(serial: 1)))
            + harness.advance(.seconds(1))
        #expect(early.offers == 0)
        #expect(harness.handle(.listenPort(51820)).offers == 1)
    }

    @Test func `an offer is answered before our candidates`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let messages = harness.handle(.signal(from: harness.other, .offer(harness.offer()))).messages
        guard case .answer(let answer) = messages.first else {
            Issue.record("\(messages)")
            return
        }
        #expect(answer.sessionID?.count == 5)
        #expect(answer.credentials?.password.count == 32)
        guard case .candidate(let candidate) = messages.dropFirst().first else {
            Issue.record("\(messages)")
            return
        }
        #expect(candidate.endpoint == Endpoint("192.0.2.1:51820"))
        #expect(candidate.priority == 2_130_706_431)
    }

    @Test func `candidates that come before the offer are kept`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let remote = try #require(Endpoint("192.0.2.2:51820"))
        let early = RemoteCandidate(kind: .host, endpoint: remote, priority: 2_130_706_431)
        _ = harness.handle(.signal(from: harness.other, .candidate(early)))
        _ = harness.handle(.signal(from: harness.other, .answer(harness.offer())))
        let sent = harness.advance(.milliseconds(500)).sent
        #expect(!sent.isEmpty && sent.allSatisfy { $0.remote == remote })
    }

    @Test func `the controller gives WireGuard the endpoint at once`() throws {
        var harness = try CoreHarness(controls: true)
        let effects = try selectPath(&harness)
        #expect(
            try #require(effects.desired.last ?? nil).device.peers[harness.other]?.endpoint == Endpoint("192.0.2.2:7")
        )
    }

    @Test func `the other side leaves the handshake to the controller for five seconds`() throws {
        var harness = try CoreHarness(controls: false)
        let effects = try selectPath(&harness, answering: .milliseconds(500), nominated: true)
        #expect(effects.desired.isEmpty)
        let later = try harness.answerChecks(from: try #require(Endpoint("192.0.2.2:7")), for: .seconds(6))
        #expect(
            try #require(later.desired.last ?? nil).device.peers[harness.other]?.endpoint == Endpoint("192.0.2.2:7")
        )
    }

    @Test func `a path that falls silent keeps its endpoint and is negotiated anew`() throws {
        var harness = try CoreHarness()
        _ = try selectPath(&harness)
        let silent = harness.advance(.seconds(9))
        #expect(silent.desired.isEmpty)
        #expect(silent.offers >= 1)
        let status = try #require(harness.core.status(nowSeconds: 0).peers.first)
        #expect(status.lastError == "the peer's checks stopped for 6 s")
    }

    @Test func `a live kernel session is shown as the path when ICE has none`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let endpoint = try #require(Endpoint("192.0.2.9:9"))
        let seen = PeerObservation(endpoint: endpoint, latestHandshakeSeconds: 1000, receivedBytes: 1, sentBytes: 1)
        _ = harness.handle(.observed([harness.other: seen]))
        #expect(harness.core.status(nowSeconds: 1100).peers.first?.path == .kernelSession(endpoint))
        #expect(harness.core.status(nowSeconds: 1200).peers.first?.path == .idle)
    }

    @Test func `a repeated offer is answered and changes nothing, a new session rebuilds once`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let first = harness.handle(.signal(from: harness.other, .offer(harness.offer(session: 1)))).messages
        let again = harness.handle(.signal(from: harness.other, .offer(harness.offer(session: 1)))).messages
        let new = harness.handle(.signal(from: harness.other, .offer(harness.offer(session: 2)))).messages
        #expect(again.count == 1)
        guard case .answer(let one) = first[0], case .answer(let two) = again[0], case .answer(let three) = new[0]
        else {
            Issue.record("no answers")
            return
        }
        #expect(one.sessionID == two.sessionID)
        #expect(one.sessionID != three.sessionID)
        #expect(one.credentials == three.credentials)
    }

    @Test func `a peer without ICE is mirrored and the reason shown`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        var offer = harness.offer()
        offer.credentials = nil
        offer.sessionID = nil
        let messages = harness.handle(.signal(from: harness.other, .offer(offer))).messages
        guard case .answer(let answer) = messages.first else {
            Issue.record("\(messages)")
            return
        }
        #expect(answer.credentials == nil && answer.sessionID == nil)
        #expect(harness.core.status(nowSeconds: 0).peers.first?.lastError != nil)
    }

    @Test func `messages from strangers and STUN from inside the overlay are ignored`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let stranger = try #require(PublicKey(bytes: Array(repeating: 77, count: 32)))
        let effects = harness.handle(.signal(from: stranger, .offer(harness.offer())))
        #expect(effects.messages.isEmpty && effects.count == 1)
        let inside = Datagram(
            local: try #require(Endpoint("100.64.0.1:51820")),
            remote: try #require(Endpoint("100.64.0.2:51820")),
            bytes: STUNMessage.encode(.bindingRequest, transactionID: Array(0..<12), attributes: [], integrityKey: nil)
        )
        #expect(harness.handle(.datagram(inside)).sent.isEmpty)
    }

    @Test func `routed prefixes go to the best router, and default routes stay out of the host's main table`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        func route(_ id: String, _ prefix: String, metric: Int) throws -> NetworkRoute {
            NetworkRoute(
                id: id,
                networkID: "net",
                prefix: IPPrefix(prefix),
                routingPeer: harness.other,
                metric: metric,
                masquerade: true
            )
        }
        let routes = [
            try route("a", "10.1.0.0/16", metric: 9), try route("b", "0.0.0.0/0", metric: 1),
            try route("c", "100.64.7.0/24", metric: 1), try route("d", "127.0.0.0/8", metric: 1),
        ]
        let effects = harness.handle(.networkMap(try harness.map(serial: 2, routes: routes)))
        let desired = try #require(effects.desired.last ?? nil)
        let routed = desired.host.routes.filter { $0.table != 254 }
        #expect(Set(routed.map(\.destination.description)) == ["0.0.0.0/0", "10.1.0.0/16"])
        #expect(desired.host.policy?.hasExitNode == true)
        #expect(desired.device.peers[harness.other]?.allowedIPs.count == 4)
    }

    @Test func `two peers that claim one address do not fight over it`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let third = try #require(PublicKey(bytes: Array(repeating: 5, count: 32)))
        let peers = [
            RemotePeer(publicKey: harness.other, allowedIPs: try harness.hosts("100.64.0.2"), fqdn: "b"),
            RemotePeer(publicKey: third, allowedIPs: try harness.hosts("100.64.0.2", "100.64.0.3"), fqdn: "c"),
        ]
        let effects = harness.handle(.networkMap(try harness.map(serial: 2, peers: peers)))
        let device = try #require(effects.desired.last ?? nil).device
        #expect(device.peers[harness.other]?.allowedIPs.map(\.description) == ["100.64.0.2/32"])
        #expect(device.peers[third]?.allowedIPs.map(\.description) == ["100.64.0.3/32"])
    }

    private func selectPath(
        _ harness: inout CoreHarness,
        answering duration: Duration = .seconds(1),
        nominated: Bool = false
    ) throws -> [AgentCore.Effect] {
        _ = try harness.connect()
        let remote = try #require(Endpoint("192.0.2.2:7"))
        let answers = harness.handle(.signal(from: harness.other, .offer(harness.offer()))).messages
        let candidate = RemoteCandidate(kind: .host, endpoint: remote, priority: 2_130_706_431)
        _ = harness.handle(.signal(from: harness.other, .candidate(candidate)))
        var effects: [AgentCore.Effect] = []
        if nominated {
            effects += try harness.answerChecks(from: remote, for: .milliseconds(300))
            guard case .answer(let answer) = answers.first, let own = answer.credentials else { return [] }
            let nomination = STUNMessage.encode(
                .bindingRequest,
                transactionID: Array(1..<13),
                attributes: [(.username, Array("\(own.usernameFragment):remote".utf8)), (.useCandidate, [])],
                integrityKey: own.password
            )
            let local = try #require(Endpoint("192.0.2.1:51820"))
            effects += harness.handle(.datagram(Datagram(local: local, remote: remote, bytes: nomination)))
        }
        return effects + (try harness.answerChecks(from: remote, for: duration))
    }
}
