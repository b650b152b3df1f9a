import AgentCore
import ICE
import MeshModel
import Testing

@Suite struct ReflexiveTests {
    private let server: Endpoint
    private let local: Endpoint
    private let outside: Endpoint

    init() throws {
        server = try #require(Endpoint("198.51.100.1:3478"))
        local = try #require(Endpoint("192.0.2.1:51820"))
        outside = try #require(Endpoint("203.0.113.7:40000"))
    }

    private func started() throws -> (CoreHarness, [Datagram]) {
        var harness = try CoreHarness()
        _ = harness.handle(.stunServers([server]))
        _ = try harness.connect()
        let effects = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        return (harness, effects.sent.filter { $0.remote == server })
    }

    private func told(_ effects: [AgentCore.Effect]) -> [RemoteCandidate] {
        effects.messages.compactMap { if case .candidate(let candidate) = $0 { candidate } else { nil } }
    }

    @Test func `a session asks from WireGuard's port, and what the server saw is told to the peer`() throws {
        var (harness, requests) = try started()
        let request = try #require(requests.first)
        #expect(requests.count == 1)
        #expect(request.local == local)
        #expect(request.bytes.count == 20)
        let candidates = told(harness.handle(.datagram(try stunAnswer(to: request, mapped: outside))))
        let candidate = try #require(candidates.first)
        #expect(candidate.kind == .srflx)
        #expect(candidate.endpoint == outside)
        #expect(candidate.priority == 1_694_498_815)
        #expect(candidate.related == Endpoint("0.0.0.0:51820"))
        #expect(candidate.id?.count == 32)
    }

    @Test func `a host that the server sees as it is has nothing more to tell`() throws {
        var (harness, requests) = try started()
        let effects = harness.handle(.datagram(try stunAnswer(to: try #require(requests.first), mapped: local)))
        #expect(told(effects).isEmpty)
    }

    @Test func `the answer of somebody else counts for nothing`() throws {
        var (harness, requests) = try started()
        let stranger = Endpoint("198.51.100.9:3478")
        let forged = try stunAnswer(to: try #require(requests.first), mapped: outside, from: stranger)
        #expect(told(harness.handle(.datagram(forged))).isEmpty)
    }

    @Test func `a silent server is asked three times, and then no more`() throws {
        var (harness, requests) = try started()
        requests += harness.advance(.seconds(10)).sent.filter { $0.remote == server }
        #expect(requests.count == 3)
        #expect(Set(requests.map(\.bytes)).count == 1, "a retransmission is the same transaction")
    }

    @Test func `what is known serves the next session, and is asked for anew after a change of address`() throws {
        var (harness, requests) = try started()
        _ = harness.handle(.datagram(try stunAnswer(to: try #require(requests.first), mapped: outside)))
        let again = harness.handle(.signal(from: harness.other, .offer(harness.offer(session: 2))))
        #expect(again.sent.allSatisfy { $0.remote != server })
        #expect(told(again).map(\.endpoint).contains(outside))
        let moved = try #require(IPAddress("192.0.2.200"))
        let effects = harness.handle(.localAddresses([moved]))
        let asked = effects.sent.filter { $0.remote == server }
        #expect(asked.map(\.local.address) == [moved])
    }

    @Test func `a forwarded port behind a reflexive candidate is tried too`() throws {
        var (harness, _) = try started()
        let theirs = try #require(Endpoint("203.0.113.50:61000"))
        let candidate = RemoteCandidate(
            kind: .srflx,
            endpoint: theirs,
            priority: 1_694_498_815,
            related: Endpoint("0.0.0.0:51820"),
            id: String(repeating: "c", count: 32)
        )
        _ = harness.handle(.signal(from: harness.other, .candidate(candidate)))
        let checked = Set(harness.advance(.seconds(1)).sent.map(\.remote))
        #expect(checked.contains(theirs))
        #expect(checked.contains(try #require(Endpoint("203.0.113.50:51820"))))
    }
}

/// What a STUN server answers that sees `mapped`. IPv4 only.
///
/// - Parameter from: who answers; `nil`: the one that was asked.
func stunAnswer(to request: Datagram, mapped: Endpoint, from: Endpoint? = nil) throws -> Datagram {
    let id = try STUNMessage(datagram: request.bytes).transactionID
    // XOR-MAPPED-ADDRESS, RFC 8489, section 14.2.
    let cookie = STUNMessage.magicCookie
    let port = mapped.port ^ 0x2112
    let value = [0, 1, UInt8(port >> 8), UInt8(port & 255)] + zip(mapped.address.bytes, cookie).map { $0 ^ $1 }
    let bytes = STUNMessage.encode(
        .bindingSuccess,
        transactionID: id,
        attributes: [(.xorMappedAddress, value)],
        integrityKey: nil
    )
    return Datagram(local: request.local, remote: from ?? request.remote, bytes: bytes)
}
