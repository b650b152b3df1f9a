import AgentCore
import ICE
import MeshModel
import Testing

@Suite struct ExternalAddressMapTests {
    private func outsides(_ text: String) throws -> [String] {
        let map = try #require(ExternalAddressMap(text))
        let addresses = [
            (address: try #require(IPAddress("10.0.0.1")), link: "eth0"),
            (address: try #require(IPAddress("10.0.0.2")), link: "eth0"),
            (address: try #require(IPAddress("10.1.0.1")), link: "eth1"),
            (address: try #require(IPAddress("2001:db8::1")), link: "eth1"),
        ]
        return map.outsides(of: addresses).map { "\($0.key)=\($0.value)" }.sorted()
    }

    @Test func `the entry that speaks most closely of an address is its own`() throws {
        #expect(try outsides("").isEmpty)
        #expect(
            try outsides("203.0.113.1") == ["10.0.0.1=203.0.113.1", "10.0.0.2=203.0.113.1", "10.1.0.1=203.0.113.1"]
        )
        #expect(
            try outsides("203.0.113.1,203.0.113.2/10.0.0.2,203.0.113.3/eth0")
                == ["10.0.0.1=203.0.113.3", "10.0.0.2=203.0.113.2", "10.1.0.1=203.0.113.1"]
        )
        #expect(try outsides("2001:db8::7/eth1") == ["2001:db8::1=2001:db8::7"])
        #expect(try outsides("203.0.113.2/10.9.9.9,203.0.113.3/ppp0").isEmpty)
    }

    @Test(arguments: [
        ",", "203.0.113.1,", "x", "203.0.113.1/", "203.0.113.1/a/b", "203.0.113.1/2001:db8::1", "127.0.0.1", "0.0.0.0",
        "224.0.0.1", "203.0.113.1/sixteen-bytes-xx", "203.0.113.1,203.0.113.2", "203.0.113.1/eth0,203.0.113.2/eth0",
        Array(repeating: "203.0.113.1", count: 65).joined(separator: ","),
    ])
    func `anything else is refused`(text: String) {
        #expect(ExternalAddressMap(text) == nil)
    }

    @Test func `one word may have an address of each family`() {
        #expect(ExternalAddressMap("203.0.113.1/eth0,2001:db8::7/eth0")?.entries.count == 2)
    }

    private func told(_ effects: [AgentCore.Effect]) -> [Endpoint] {
        effects.messages.compactMap { if case .candidate(let candidate) = $0 { candidate.endpoint } else { nil } }
    }

    @Test func `peers are told the outside address, and checks leave from the inside one`() throws {
        var harness = try CoreHarness()
        let inside = try #require(IPAddress("192.0.2.1"))
        let outside = try #require(IPAddress("203.0.113.7"))
        _ = harness.handle(.outsides([inside: outside]))
        _ = try harness.connect()
        let server = try #require(Endpoint("198.51.100.1:3478"))
        _ = harness.handle(.stunServers([server]))
        let offered = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        #expect(told(offered) == [Endpoint(address: outside, port: 51820)])
        // A STUN server that sees the same has nothing to add.
        let request = try #require(offered.sent.first { $0.remote == server })
        let seen = Endpoint(address: outside, port: 51820)
        #expect(told(harness.handle(.datagram(try stunAnswer(to: request, mapped: seen)))).isEmpty)

        let remote = try #require(Endpoint("192.0.2.2:7"))
        let candidate = RemoteCandidate(kind: .host, endpoint: remote, priority: 1)
        _ = harness.handle(.signal(from: harness.other, .candidate(candidate)))
        let checks = harness.advance(.seconds(1)).sent.filter { $0.remote == remote }
        #expect(!checks.isEmpty)
        #expect(checks.allSatisfy { $0.local == Endpoint(address: inside, port: 51820) })
        let report = harness.core.pathReport(of: harness.other, at: harness.now, nowSeconds: 0)
        #expect(report?.candidates.map(\.endpoint) == [Endpoint(address: outside, port: 51820)])
    }

    @Test func `a map that changes is told again, once`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        let inside = try #require(IPAddress("192.0.2.1"))
        let outside = try #require(IPAddress("203.0.113.7"))
        #expect(
            told(harness.handle(.signal(from: harness.other, .offer(harness.offer()))))
                == [Endpoint(address: inside, port: 51820)]
        )
        #expect(told(harness.handle(.outsides([inside: outside]))) == [Endpoint(address: outside, port: 51820)])
        #expect(told(harness.handle(.outsides([inside: outside]))).isEmpty)
        #expect(told(harness.handle(.outsides([:]))) == [Endpoint(address: inside, port: 51820)])
    }
}
