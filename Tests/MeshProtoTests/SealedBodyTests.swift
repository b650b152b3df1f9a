import FoundationEssentials
import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

/// Vectors of spec/wire/management.md A3 and signal.md 2.1.
private let peerPrivate = PrivateKey(base64: "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")!
private let peerPublic = PublicKey(base64: "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=")!
private let serverPrivate = PrivateKey(base64: "ZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGCg4Q=")!
private let serverPublic = PublicKey(base64: "VxR2nRFr92Q2rnS8eT0sMK0ZA8WaxSc4BcfiaYtBDDY=")!
private let nonce = (0..<24).map { UInt8($0) }

struct SealedBodyTests {
    @Test func `public keys come from private ones as wg pubkey computes them`() {
        #expect(peerPrivate.publicKey == peerPublic)
        #expect(serverPrivate.publicKey == serverPublic)
    }

    @Test func `generated keys are clamped and differ`() {
        let keys = (0..<50).map { _ in PrivateKey.generate() }
        #expect(Set(keys).count == keys.count)
        for key in keys {
            #expect(key.bytes[0] & 0b0000_0111 == 0)
            #expect(key.bytes[31] & 0b1100_0000 == 0b0100_0000)
        }
    }

    @Test(arguments: [
        ("", "1e1d9eabf09e877ee78e3eecbf52ab98"),
        ("0a03414243", "8d22ea64faf0601ccde91ed9fe66224e0052403406"),
        (
            "1231" + String(repeating: "75", count: 16) + "3a" + String(repeating: "70", count: 32)
                + "18ec9403 2206302e36302e30 3a00 5205 0102030405",
            """
            db48646daa83bd8c96965d49bedba8e918607403309de1e2d9cb283ec1294ce1715375a49cbf93e44a2a369cc35b263371d3137bd1c1
            39535c101767bb5f83096f0b66c3b3481ae53d9b439c203d95d1f0cd8844a9026655
            """
        ),
    ])
    func `the golden boxes are sealed and opened`(plaintext: String, box: String) throws {
        let sealed = nonce + bytes(box)
        #expect(try BoxKey(own: peerPrivate, other: serverPublic).seal(bytes(plaintext), nonce: nonce) == sealed)
        #expect(try BoxKey(own: serverPrivate, other: peerPublic).open(sealed) == bytes(plaintext))
    }

    @Test func `the recorded login opens as a message`() throws {
        var request = Management_LoginRequest()
        request.setupKey = "ABC"
        var envelope = Management_EncryptedMessage()
        envelope.body = Data(nonce + bytes("8d22ea64faf0601ccde91ed9fe66224e0052403406"))
        let key = try BoxKey(own: serverPrivate, other: peerPublic)
        #expect(try envelope.open(as: Management_LoginRequest.self, with: key) == request)
    }

    @Test func `a message sealed for one peer opens with its key alone`() throws {
        let (own, other, third) = (PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate())
        var body = Signalexchange_Body()
        body.type = .goIdle
        let envelope = try Signalexchange_EncryptedMessage(
            sealing: body,
            from: own.publicKey,
            to: other.publicKey,
            with: BoxKey(own: own, other: other.publicKey)
        )
        #expect(envelope.sender == own.publicKey)
        #expect(envelope.remoteKey == other.publicKey.base64)
        #expect(try envelope.open(with: BoxKey(own: other, other: own.publicKey)) == body)
        #expect(throws: SealedBodyError.forged) {
            try envelope.open(with: BoxKey(own: third, other: own.publicKey))
        }
    }

    @Test func `every nonce is new`() throws {
        let key = try BoxKey(own: peerPrivate, other: serverPublic)
        let nonces = Set((0..<100).map { _ in Array(key.seal([1]).prefix(BoxKey.nonceBytes)) })
        #expect(nonces.count == 100)
    }

    @Test func `each changed bit is noticed`() throws {
        let key = try BoxKey(own: peerPrivate, other: serverPublic)
        let sealed = key.seal([1, 2, 3])
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: SealedBodyError.forged) { try key.open(changed) }
        }
    }

    @Test func `bodies of impossible length are refused`() throws {
        let key = try BoxKey(own: peerPrivate, other: serverPublic)
        for count in [0, 1, 23, 24, 39] {
            #expect(throws: SealedBodyError.tooShort(bytes: count)) {
                try key.open([UInt8](repeating: 0, count: count))
            }
        }
        let count = BoxKey.maximumBodyBytes + 1
        #expect(throws: SealedBodyError.tooLong(bytes: count)) {
            try key.open([UInt8](repeating: 0, count: count))
        }
        var request = Management_LoginRequest()
        request.setupKey = String(repeating: "a", count: BoxKey.maximumBodyBytes)
        #expect(throws: SealedBodyError.self) {
            try Management_EncryptedMessage(sealing: request, from: peerPublic, with: key)
        }
    }

    @Test func `a key that is no curve point is refused`() throws {
        let zero = try #require(PublicKey(bytes: [UInt8](repeating: 0, count: 32)))
        #expect(throws: SealedBodyError.unusableKey) { try BoxKey(own: peerPrivate, other: zero) }
    }

    @Test func `an opened body that is no message says so`() throws {
        let key = try BoxKey(own: peerPrivate, other: serverPublic)
        var envelope = Management_EncryptedMessage()
        envelope.body = Data(key.seal([0x0a, 0xff]))  // field 1 announces 255 bytes that do not follow
        #expect {
            try envelope.open(as: Management_LoginRequest.self, with: key)
        } throws: { error in
            guard case .malformed(let reason) = error as? SealedBodyError else { return false }
            return reason.hasPrefix("management.LoginRequest: ")
        }
    }

    @Test func `a box key prints nothing of itself`() throws {
        let key = try BoxKey(own: peerPrivate, other: serverPublic)
        var text = ""
        dump(key, to: &text)
        #expect("\(key)" == "(hidden)")
        #expect(!text.contains("bytes"))
    }
}
