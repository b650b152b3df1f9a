import FoundationEssentials
import MeshModel
import MeshProto
import Testing

private let hostLine =
    "3251302018 1 udp 2130706431 192.168.1.5 51820 typ host ufrag abcdefghijklmnop cid 0123456789ABCDEFGHIJKLMNOPQRSTUV"
private let reflexiveLine =
    "3891555988 1 udp 1694498815 203.0.113.7 61000 typ srflx raddr 0.0.0.0 rport 51820 ufrag ab cid cd"

private func endpoint(_ text: String) -> Endpoint { Endpoint(text)! }

struct CandidateLineTests {
    @Test func `a host candidate is parsed and printed`() throws {
        let candidate = try RemoteCandidate(line: hostLine)
        let id = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
        let expected = RemoteCandidate(
            kind: .host,
            endpoint: endpoint("192.168.1.5:51820"),
            priority: 2_130_706_431,
            id: id
        )
        #expect(candidate == expected)
        #expect(candidate.line(usernameFragment: "abcdefghijklmnop") == hostLine)
    }

    @Test func `a reflexive candidate keeps its base`() throws {
        let candidate = try RemoteCandidate(line: reflexiveLine)
        #expect(candidate.related == endpoint("0.0.0.0:51820"))
        #expect(candidate.kind == .srflx)
        #expect(candidate.line(usernameFragment: "ab") == reflexiveLine)
    }

    /// Vectors of spec/wire/ice.md 5.
    @Test(arguments: [
        (RemoteCandidate.Kind.host, "192.168.1.5:1", UInt32(3_251_302_018)),
        (.srflx, "203.0.113.7:1", 3_891_555_988),
        (.relay, "198.51.100.9:1", 2_547_162_059),
    ])
    func `foundations are the known checksums`(kind: RemoteCandidate.Kind, at: String, foundation: UInt32) {
        #expect(RemoteCandidate(kind: kind, endpoint: endpoint(at), priority: 1).foundation == foundation)
    }

    @Test(arguments: [
        "candidate:1 1 udp 5 192.168.1.5 51820 typ host",
        "1 1 UDP 5 192.168.1.5 51820 typ host",
        "1 1 udp 5 192.168.1.5 51820 typ host generation 0 network-cost 10",
        "1 1 udp 5 192.168.1.5 51820 typ host raddr 10.0.0.1",
        "1 1 udp 5 192.168.1.5 51820 typ host raddr 10.0.0.1 rport 0",
        "1 1 udp 5 192.168.1.5 51820 typ host trailing",
        " 1  1 udp 5 192.168.1.5 51820  typ host ",
    ])
    func `deviating lines mean the same`(line: String) throws {
        let expected = RemoteCandidate(kind: .host, endpoint: endpoint("192.168.1.5:51820"), priority: 5)
        #expect(try RemoteCandidate(line: line) == expected)
    }

    @Test func `a zone is removed from an IPv6 address`() throws {
        let candidate = try RemoteCandidate(line: "1 1 udp 5 fe80::1%eth0 51820 typ host")
        #expect(candidate.endpoint == endpoint("[fe80::1]:51820"))
    }

    @Test(arguments: [
        ("1 1 tcp 5 192.168.1.5 9 typ host tcptype active", "candidate: transport \"tcp\" is not supported, only udp"),
        ("1 2 udp 5 192.168.1.5 9 typ host", "candidate: component \"2\", expected 1"),
        ("1 1 udp -5 192.168.1.5 9 typ host", "candidate: \"-5\" is no priority"),
        ("1 1 udp 4294967296 192.168.1.5 9 typ host", "candidate: \"4294967296\" is no priority"),
        ("1 1 udp 5 a.local 9 typ host", "candidate: \"a.local\" is no address"),
        ("1 1 udp 5 192.168.1.5 0 typ host", "candidate: \"0\" is no port"),
        ("1 1 udp 5 192.168.1.5 65536 typ host", "candidate: \"65536\" is no port"),
        ("1 1 udp 5 192.168.1.5 9 typ weird", "candidate: \"typ weird\" is no candidate type"),
        ("1 1 udp 5 192.168.1.5 9 typ", "candidate: 7 fields, expected at least 8"),
        ("", "candidate: 0 fields, expected at least 8"),
        (String(repeating: "x ", count: 600), "candidate: 1200 bytes, allowed are 1024"),
    ])
    func `a malformed line says what is wrong`(line: String, reason: String) {
        #expect {
            try RemoteCandidate(line: line)
        } throws: {
            "\($0)" == reason
        }
    }
}

struct SignalModelTests {
    private func offer(_ change: (inout Signalexchange_Body) -> Void) -> Signalexchange_Body {
        var wire = Signalexchange_Body()
        wire.payload = "uuuu:pppp"
        wire.wgListenPort = 51820
        wire.netBirdVersion = "0.60.1"
        wire.rosenpassConfig = .init()
        wire.sessionID = Data([1, 2, 3, 4, 5])
        change(&wire)
        return wire
    }

    private func description(_ wire: Signalexchange_Body) throws -> SessionDescription {
        guard case .offer(let description) = try SignalMessage(wire: wire) else {
            Issue.record("no offer")
            throw WireError("type", "no offer")
        }
        return description
    }

    @Test func `an offer carries credentials, port, version and session`() throws {
        let wire = offer { $0.relayServerAddress = "rel://10.0.0.1:80" }
        let description = try description(wire)
        #expect(description.credentials == ICECredentials(usernameFragment: "uuuu", password: "pppp"))
        #expect(description.sessionID == [1, 2, 3, 4, 5])
        #expect(description.wireGuardPort == 51820)
        #expect(description.relayServer == "rel://10.0.0.1:80")
        #expect(Signalexchange_Body(.offer(description), usernameFragment: "") == wire)
    }

    @Test func `a sender without ICE sends a bare colon and no session`() throws {
        var wire = offer { $0.payload = ":" }
        var description = try description(wire)
        #expect(description.credentials == nil)
        description.sessionID = [1, 2, 3, 4, 5]
        wire.clearSessionID()
        #expect(Signalexchange_Body(.offer(description), usernameFragment: "") == wire)
    }

    @Test func `a session id of another length counts as none`() throws {
        #expect(try description(offer { $0.sessionID = Data([1, 2, 3, 4]) }).sessionID == nil)
        #expect(try description(offer { $0.sessionID = Data() }).sessionID == nil)
    }

    @Test func `half a megabyte of Rosenpass key does no harm`() throws {
        let wire = offer { $0.rosenpassConfig.rosenpassPubKey = Data(repeating: 7, count: 524_160) }
        #expect(try description(wire).credentials != nil)
    }

    @Test(arguments: [
        ("a:b:c", "payload: 2 colons, expected ufrag:password"),
        ("", "payload: 0 colons, expected ufrag:password"),
        (":b", "payload: ufrag of 0 bytes, expected 1 to 256 visible ones"),
        ("a:", "payload: password of 0 bytes, expected 1 to 256 visible ones"),
        ("a b:c", "payload: ufrag of 3 bytes, expected 1 to 256 visible ones"),
        ("a:" + String(repeating: "p", count: 257), "payload: password of 257 bytes, expected 1 to 256 visible ones"),
    ])
    func `a malformed payload says what is wrong`(payload: String, reason: String) {
        #expect {
            try SignalMessage(wire: offer { $0.payload = payload })
        } throws: {
            "\($0)" == reason
        }
    }

    @Test func `a port beyond 65535 is refused`() {
        #expect(throws: WireError("wgListenPort", "65536 is no port")) {
            try SignalMessage(wire: offer { $0.wgListenPort = 65536 })
        }
    }

    @Test func `the small messages survive both ways`() throws {
        let candidate = RemoteCandidate(kind: .host, endpoint: endpoint("[2001:db8::1]:9"), priority: 7, id: "x")
        for message in [SignalMessage.goIdle, .heartbeat, .candidate(candidate)] {
            #expect(try SignalMessage(wire: Signalexchange_Body(message, usernameFragment: "u")) == message)
        }
    }

    @Test func `types without a meaning for us are named`() {
        #expect(throws: WireError("type", "MODE is a message of old agents, not used")) {
            try SignalMessage(wire: offer { $0.type = .mode })
        }
        #expect(throws: WireError("type", "unknown type 9")) {
            try SignalMessage(wire: offer { $0.type = .UNRECOGNIZED(9) })
        }
    }
}
