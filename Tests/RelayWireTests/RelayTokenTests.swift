import RelayWire
import TestSupport
import Testing

@Suite struct RelayTokenTests {
    static let secret = RelaySecret(text: "relay-secret")
    static let wire = bytes(
        "01 171b78c230f8924ea423b2db791f90effa360b02a58889d318e4aba5bdfb2eff 31383933343536303030"
    )

    @Test func `a token is that of the specification, both ways`() throws {
        let token = Self.secret.token(expirySeconds: 1_893_456_000)
        #expect(token.payload == "1893456000")
        #expect(token.signatureBase64 == "Fxt4wjD4kk6kI7LbeR+Q7/o2CwKliInTGOSrpb37Lv8=")
        #expect(token.wire == Self.wire)
        #expect(token.expirySeconds == 1_893_456_000)
        #expect(RelayToken(payload: token.payload, signatureBase64: token.signatureBase64) == token)
        #expect(RelayToken(payload: token.payload, signatureBase64: "AAAA") == nil)
        #expect(RelayToken(payload: "189345600", signatureBase64: token.signatureBase64) == nil)
        #expect(
            RelayToken(payload: String(repeating: "1", count: 138), signatureBase64: token.signatureBase64) == nil
        )
    }

    @Test func `a token holds up to its second and no longer`() throws {
        try Self.secret.verify(Self.wire, nowSeconds: 0)
        try Self.secret.verify(Self.wire, nowSeconds: 1_893_456_000)
        #expect(throws: RelayTokenError.expired) {
            try Self.secret.verify(Self.wire, nowSeconds: 1_893_456_001)
        }
    }

    @Test func `the first thing wrong is named, in the order of the specification`() {
        func expect(_ error: RelayTokenError, _ wire: [UInt8], _ secret: RelaySecret = Self.secret) {
            #expect(throws: error) { try secret.verify(wire, nowSeconds: .max) }
        }
        expect(.truncated, [])
        expect(.unknownAlgorithm(2), [2])
        expect(.truncated, Array(Self.wire.prefix(32)))
        expect(.truncated, Array(Self.wire.prefix(42)))  // nine characters of payload
        expect(.wrongSignature, Self.wire + [0x30])
        expect(.wrongSignature, Self.wire, RelaySecret(text: "another"))
        expect(.truncated, [1] + Array(repeating: 0, count: 32) + Array("healthche".utf8))
        expect(.wrongSignature, [1] + Array(repeating: 0, count: 32) + Array("healthcheck".utf8))
        expect(.expired, Self.wire)
    }

    @Test func `every flipped bit makes a token worthless`() {
        for bit in 0..<(Self.wire.count * 8) {
            var wire = Self.wire
            wire[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: RelayTokenError.self) { try Self.secret.verify(wire, nowSeconds: 0) }
        }
    }

    @Test func `neither secret nor token is printed`() {
        let token = Self.secret.token(expirySeconds: 1_893_456_000)
        var text = "\(Self.secret) \(token)"
        dump((Self.secret, token), to: &text)
        #expect(text.hasPrefix("(hidden) (hidden)"))
        #expect(!text.contains("1893456000"))
        #expect(!text.contains("SymmetricKey"))
    }
}
