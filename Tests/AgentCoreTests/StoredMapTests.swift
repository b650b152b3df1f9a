import AgentCore
import MeshModel
import TestSupport
import Testing

@Suite struct StoredMapTests {
    @Test func `a stored map is applied at once and marked until a fresh one comes`() throws {
        var harness = try CoreHarness()
        let stored = StoredNetworkMap(map: try harness.map(serial: 9), receivedSeconds: 1234)
        let desired = try #require(harness.handle(.storedMap(stored)).desired.last ?? nil)
        #expect(desired.device.peers[harness.other] != nil)
        #expect(harness.core.status(nowSeconds: 0).mapStoredSeconds == 1234)
        #expect(harness.handle(.networkMap(try harness.map(serial: 9))).desired.isEmpty)
        #expect(harness.core.status(nowSeconds: 0).mapStoredSeconds == nil)
    }

    @Test func `a server that counts from lower than the stored map is believed`() throws {
        var harness = try CoreHarness()
        _ = harness.handle(.storedMap(StoredNetworkMap(map: try harness.map(serial: 9), receivedSeconds: 1)))
        let fresh = harness.handle(.networkMap(try harness.map(serial: 2, peers: [])))
        #expect((fresh.desired.last ?? nil)?.device.peers.isEmpty == true)
        #expect(harness.core.status(nowSeconds: 0).mapSerial == 2)
    }

    @Test func `a stored map never takes the place of a fresh one`() throws {
        var harness = try CoreHarness()
        _ = harness.handle(.networkMap(try harness.map(serial: 2)))
        let late = StoredNetworkMap(map: try harness.map(serial: 9, peers: []), receivedSeconds: 1)
        #expect(harness.handle(.storedMap(late)).desired.isEmpty)
        #expect(harness.core.status(nowSeconds: 0).mapSerial == 2)
    }

    @Test func `a tunnel that is wanted down stays down with a stored map`() throws {
        var harness = try CoreHarness(isEnabled: false)
        let stored = StoredNetworkMap(map: try harness.map(serial: 9), receivedSeconds: 1)
        #expect(harness.handle(.storedMap(stored)).desired.isEmpty)
        #expect((harness.handle(.setEnabled(true)).desired.last ?? nil)?.device.peers.count == 1)
    }

    @Test func `an agent that the server does not know keeps the stored map's tunnel`() throws {
        var harness = try CoreHarness()
        _ = harness.handle(.storedMap(StoredNetworkMap(map: try harness.map(serial: 9), receivedSeconds: 1)))
        #expect(harness.handle(.deregistered(reason: "unknown")).isEmpty)
        let status = harness.core.status(nowSeconds: 0)
        #expect(status.deregistration == "unknown")
        #expect(status.peers.count == 1)
        #expect(status.mapStoredSeconds == 1)
    }

    @Test func `where a peer was is a hint, not a decision`() throws {
        var harness = try CoreHarness()
        let endpoint = try #require(Endpoint("203.0.113.7:51820"))
        _ = harness.handle(.lastEndpoints([harness.other: endpoint, harness.own: endpoint]))
        let effects = harness.handle(
            .storedMap(StoredNetworkMap(map: try harness.map(serial: 1), receivedSeconds: 1))
        )
        let peer = try #require(effects.desired.last??.device.peers[harness.other])
        #expect(peer.endpoint == nil)
        #expect(peer.endpointHint == endpoint)
        #expect(harness.core.lastEndpoints == [harness.other: endpoint])
    }

    @Test func `an endpoint is remembered once a handshake came through it, and forgotten with its peer`() throws {
        var harness = try CoreHarness()
        _ = harness.handle(.networkMap(try harness.map(serial: 1)))
        let guess = try #require(Endpoint("203.0.113.7:1"))
        let proven = try #require(Endpoint("203.0.113.7:2"))
        func observe(_ endpoint: Endpoint, _ seconds: Int64) {
            let observation = PeerObservation(
                endpoint: endpoint,
                latestHandshakeSeconds: seconds,
                receivedBytes: 0,
                sentBytes: 0
            )
            let effects = harness.handle(.observed([harness.other: observation, harness.own: observation]))
            // Who is found the first time gets keepalives; nothing else is wanted.
            let keepalives = effects.desired.map { $0?.device.peers[harness.other]?.persistentKeepaliveSeconds }
            #expect(keepalives == (seconds > 0 ? [25] : []) && effects.count == keepalives.count)
        }
        observe(guess, 0)
        #expect(harness.core.lastEndpoints.isEmpty)
        observe(proven, 5)
        #expect(harness.core.lastEndpoints == [harness.other: proven])
        _ = harness.handle(.networkMap(try harness.map(serial: 2, peers: [])))
        #expect(harness.core.lastEndpoints.isEmpty)
    }
}
