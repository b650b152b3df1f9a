import MeshModel
import RelayWire
import TestSupport
import Testing

@Suite struct RelayFrameTests {
    /// The first key of spec/wire/relay.md 2.
    static let key = PublicKey(base64: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    static let idHex = "7368612d905f28def18eaac05ae6f12b2c3452744afaf626da1343d57b395b544e0519b6"

    @Test func `a public key has the relay's id of the specification`() throws {
        let id = RelayPeerID(try #require(Self.key))
        #expect(id.bytes.hex == Self.idHex)
        #expect(id == RelayPeerID(bytes(Self.idHex)))
        #expect("\(id)" == "905f28def18e")
        #expect(
            RelayPeerID.healthProbe.bytes.hex
                == "7368612d8997fbf9a582b2f557ce6510601a8b993f8bef68ff11aac982e2f0963ba9f61c"
        )
        #expect(RelayPeerID(bytes(Self.idHex + "00")) == nil)
        #expect(RelayPeerID([]) == nil)
    }

    @Test func `frames encode to the bytes of the specification and decode again`() throws {
        let id = RelayPeerID(try #require(Self.key))
        let secret = RelaySecret(text: "relay-secret")
        let token = secret.token(expirySeconds: 1_893_456_000)
        let vectors: [(RelayFrame, String)] = [
            (.healthCheck, "0105"),
            (.close, "0104"),
            (
                .authResponse(instanceURL: "rels://relay.example.com:443"),
                "010772656c733a2f2f72656c61792e6578616d706c652e636f6d3a343433"
            ),
            (
                .auth(id, token: token.wire),
                "01062112a442" + Self.idHex
                    + "01171b78c230f8924ea423b2db791f90effa360b02a58889d318e4aba5bdfb2eff31383933343536303030"
            ),
            (.transport(id, payload: []), "0103" + Self.idHex),
            (.transport(id, payload: [1, 2, 3]), "0103" + Self.idHex + "010203"),
            (.subscribe([id, .healthProbe]), "0108" + Self.idHex + RelayPeerID.healthProbe.bytes.hex),
            (.unsubscribe([id]), "0109" + Self.idHex),
            (.peersOnline([]), "010a"),
            (.peersWentOffline([id]), "010b" + Self.idHex),
        ]
        for (frame, hex) in vectors {
            #expect(frame.encode() == bytes(hex))
            #expect(try RelayFrame(bytes(hex)) == frame)
        }
        #expect(vectors[3].0.encode().count == 85)
    }

    @Test func `what is no message is refused with its reason`() {
        let refused: [(String, RelayFrameError)] = [
            ("", .truncated("0 bytes, a relay message has 2")),
            ("01", .truncated("1 bytes, a relay message has 2")),
            ("0205", .unknownVersion(2)),
            ("0101", .unknownKind(1)),
            ("0102", .unknownKind(2)),
            ("010c", .unknownKind(12)),
            ("0107", .truncated("auth response: no address")),
            ("0107ff", .malformed("auth response: the address is no UTF-8")),
            ("0108aa", .malformed("list of peers: 1 bytes, no multiple of 36")),
            ("010373", .truncated("transport: 3 bytes, at least 38")),
            ("01062112a442", .truncated("auth: 4 bytes after the header, at least 40")),
            ("01062112a443" + Self.idHex, .malformed("auth: wrong magic number")),
        ]
        for (hex, error) in refused {
            #expect(throws: error) { try RelayFrame(bytes(hex)) }
        }
    }

    @Test func `sizes end exactly at the limits`() throws {
        let id = RelayPeerID(try #require(Self.key))
        #expect(RelayLimits.peersPerMessage == 244)
        let longestAuth = RelayFrame.auth(id, token: Array(repeating: 0, count: 170)).encode()
        #expect(longestAuth.count == 212)
        _ = try RelayFrame(longestAuth)
        #expect(throws: RelayFrameError.self) { try RelayFrame(longestAuth + [0]) }
        let longest = RelayFrame.transport(
            id,
            payload: Array(repeating: 7, count: RelayLimits.longestPayloadBytes)
        ).encode()
        #expect(longest.count == 8820)
        _ = try RelayFrame(longest)
        #expect(throws: RelayFrameError.self) { try RelayFrame(longest + [0]) }
    }

    @Test(arguments: [(0, []), (1, [1]), (244, [244]), (245, [244, 1]), (488, [244, 244])])
    func `a list of many peers becomes several messages`(count: Int, sizes: [Int]) {
        let peers = (0..<count).map { number in
            RelayPeerID(bytes("7368612d") + (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) })
        }.compactMap { $0 }
        let messages = RelayFrame.messages(listing: peers, as: RelayFrame.subscribe)
        #expect(messages.map { ($0.encode().count - 2) / 36 } == sizes)
        let listed = messages.flatMap { message -> [RelayPeerID] in
            if case .subscribe(let peers) = message { peers } else { [] }
        }
        #expect(listed == peers)
    }

    @Test func `a relay rewrites the peer where it lies`() throws {
        let id = RelayPeerID(try #require(Self.key))
        var message = RelayFrame.transport(id, payload: [9, 8, 7]).encode()
        #expect(try RelayFrame.Kind(of: message.span.bytes) == .transport)
        #expect(RelayTransport.peer(of: message.span.bytes) == id)
        var span = message.mutableSpan
        var raw = span.mutableBytes
        RelayTransport.setPeer(.healthProbe, in: &raw)
        #expect(try RelayFrame(message) == .transport(.healthProbe, payload: [9, 8, 7]))
        #expect(RelayTransport.header(to: id) + [9, 8, 7] == RelayFrame.transport(id, payload: [9, 8, 7]).encode())
        var header = [UInt8](repeating: 0, count: 38)
        var headerSpan = header.mutableSpan
        var headerBytes = headerSpan.mutableBytes
        RelayTransport.writeHeader(to: id, in: &headerBytes)
        #expect(header == RelayTransport.header(to: id))
        #expect(RelayTransport.peer(of: Array(header.dropLast()).span.bytes) == nil)
    }
}
