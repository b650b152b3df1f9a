import MeshModel
import Testing
import WGKernel

@testable import WGTool

struct HostFactsTests {
    @Test func `what went is told from the top down, what came from the ground up`() {
        let old: Set = [HostFact(.link, "wg0 up"), HostFact(.address, "10.0.0.1/24"), HostFact(.route, "10.0.0.0/24")]
        let new: Set = [
            HostFact(.link, "wg0 down"), HostFact(.address, "10.0.0.1/24"), HostFact(.route, "10.1.0.0/24"),
        ]
        #expect(
            HostFactChange.changes(from: old, to: new).map { $0.line(time: "T", isJSON: false) }
                == ["T - route 10.0.0.0/24", "T - link wg0 up", "T + link wg0 down", "T + route 10.1.0.0/24"]
        )
        #expect(HostFactChange.changes(from: new, to: new).isEmpty)
    }

    @Test func `a change is one JSON object`() {
        let change = HostFactChange(fact: HostFact(.address, "10.0.0.1/24 dev wg0"), isAddition: true)
        #expect(
            change.line(time: "T", isJSON: true)
                == #"{"time":"T","change":"added","kind":"address","text":"10.0.0.1/24 dev wg0"}"#
        )
    }

    @Test func `a device is one fact and each of its peers another, without secrets`() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 1, count: 32)))
        var peer = PeerSnapshot(publicKey: key, latestHandshakeSeconds: 9, receivedBytes: 7)
        peer.endpoint = Endpoint("[fe80::1]:7")
        peer.endpointScope = 3
        peer.allowedIPs = try ["fd00::/64", "10.0.0.0/8"].map { try #require(IPPrefix($0)) }
        peer.persistentKeepaliveSeconds = 25
        var device = DeviceSnapshot(name: "wg0", index: 2, listenPort: 51820, fwmark: 0x77, peers: [peer])
        func facts() -> Set<HostFact> { HostFact.facts(of: device) { $0 == 3 ? "lan0" : nil } }
        let before = facts()
        #expect(
            before.sorted().map(\.text) == [
                "wg0 public-key (none) listen-port 51820 fwmark 0x77",
                "wg0 \(key) endpoint [fe80::1%lan0]:7 allowed-ips 10.0.0.0/8,fd00::/64 persistent-keepalive 25",
            ]
        )
        #expect(before.sorted().map(\.kind) == [.device, .peer])
        // Counters and handshakes are no change.
        device.peers[0].sentBytes = 1
        device.peers[0].latestHandshakeSeconds = 10
        #expect(facts() == before)
        // Another secret is another fact of the same text.
        device.peers[0].presharedKey = PresharedKey(bytes: [UInt8](repeating: 2, count: 32))
        let keyed = facts()
        device.peers[0].presharedKey = PresharedKey(bytes: [UInt8](repeating: 3, count: 32))
        let lines = HostFactChange.changes(from: keyed, to: facts()).map { $0.line(time: "T", isJSON: false) }
        let text = "wg0 \(key) preshared-key (hidden) endpoint [fe80::1%lan0]:7 allowed-ips 10.0.0.0/8,fd00::/64"
        #expect(lines == ["T - peer \(text) persistent-keepalive 25", "T + peer \(text) persistent-keepalive 25"])
        device.peers = []
        device.fwmark = 0
        #expect(facts().map(\.text) == ["wg0 public-key (none) listen-port 51820 fwmark off"])
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_366_800, "2026-11-22T17:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
            (.max, "9999-12-31T23:59:59Z"), (.min, "1970-01-01T00:00:00Z"),
        ] as [(Int64, String)]
    )
    func `times are RFC 3339 in UTC`(seconds: Int64, text: String) {
        #expect(timestamp(secondsSince1970: seconds) == text)
    }
}
