import CSodium
import FoundationEssentials
package import MeshModel
package import SwiftProtobuf

/// Why a sealed body, or what was inside it, is not accepted.
package enum SealedBodyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The other side's public key is no usable curve point (all zeros, for example).
    case unusableKey
    case tooShort(bytes: Int)
    case tooLong(bytes: Int)
    /// Not sealed for this pair of keys, or changed on the way.
    case forged
    /// Opened, but the content is not a message of the expected type.
    case malformed(String)

    package var description: String {
        switch self {
        case .unusableKey: "public key is no usable Curve25519 point"
        case .tooShort(let bytes): "sealed body of \(bytes) bytes, expected at least \(BoxKey.overheadBytes)"
        case .tooLong(let bytes): "message body of \(bytes) bytes, allowed are \(BoxKey.maximumBodyBytes)"
        case .forged: "sealed body was not made for this pair of keys, or was changed on the way"
        case .malformed(let reason): "opened body does not decode: \(reason)"
        }
    }
}

/// The key that two WireGuard key pairs share: NaCl `crypto_box`, computed once per pair of peers.
///
/// Sealed form: nonce (24 bytes), Poly1305 tag (16), XSalsa20 ciphertext. Source: spec/wire/management.md A3. The key
/// is wiped when the last copy goes. Prints as `(hidden)`.
package struct BoxKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// Nonce and authentication tag: 40 bytes, the length of a sealed empty message.
    package static let overheadBytes = nonceBytes + Int(crypto_box_MACBYTES)
    package static let nonceBytes = Int(crypto_box_NONCEBYTES)
    /// 16 MiB: what stock clients accept in one gRPC message, network maps being the largest.
    package static let maximumBodyBytes = 16 << 20

    private let secret: SharedSecret

    /// The pair is symmetric: both sides compute the same key.
    ///
    /// - Throws: `SealedBodyError.unusableKey` if `other` is a point of low order.
    package init(own: PrivateKey, other: PublicKey) throws(SealedBodyError) {
        precondition(sodiumIsReady, "libsodium found no source of randomness")
        guard let secret = SharedSecret(own: own, other: other) else { throw .unusableKey }
        self.secret = secret
    }

    /// Seals with a fresh random nonce; 24 bytes are long enough to never repeat by chance.
    package func seal(_ plaintext: [UInt8]) -> [UInt8] {
        var nonce = [UInt8](repeating: 0, count: Self.nonceBytes)
        randombytes_buf(&nonce, nonce.count)
        return seal(plaintext, nonce: nonce)
    }

    /// Seals with a given nonce of 24 bytes. Only for known-answer tests: a repeated nonce gives the plaintext away.
    package func seal(_ plaintext: [UInt8], nonce: [UInt8]) -> [UInt8] {
        precondition(nonce.count == Self.nonceBytes, "nonce of \(nonce.count) bytes")
        var box = [UInt8](repeating: 0, count: plaintext.count + Int(crypto_box_MACBYTES))
        let status = crypto_box_easy_afternm(&box, plaintext, UInt64(plaintext.count), nonce, secret.bytes)
        precondition(status == 0, "crypto_box_easy_afternm failed for \(plaintext.count) bytes")
        return nonce + box
    }

    /// - Throws: `SealedBodyError`: too short, too long, or forged.
    package func open(_ body: [UInt8]) throws(SealedBodyError) -> [UInt8] {
        guard body.count >= Self.overheadBytes else { throw .tooShort(bytes: body.count) }
        guard body.count <= Self.maximumBodyBytes else { throw .tooLong(bytes: body.count) }
        let nonce = Array(body[..<Self.nonceBytes])
        let box = Array(body[Self.nonceBytes...])
        var plaintext = [UInt8](repeating: 0, count: body.count - Self.overheadBytes)
        guard crypto_box_open_easy_afternm(&plaintext, box, UInt64(box.count), nonce, secret.bytes) == 0 else {
            throw .forged
        }
        return plaintext
    }

    package var description: String { "(hidden)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension BoxKey {
    /// Encodes and seals.
    ///
    /// - Throws: `SealedBodyError.tooLong` if the other side would refuse the result for its size.
    func seal(message: some SwiftProtobuf.Message) throws(SealedBodyError) -> Data {
        let plaintext: [UInt8]
        do {
            plaintext = try message.serializedBytes()
        } catch {
            throw .malformed("\(error)")
        }
        guard plaintext.count <= Self.maximumBodyBytes - Self.overheadBytes else {
            throw .tooLong(bytes: plaintext.count + Self.overheadBytes)
        }
        return Data(seal(plaintext))
    }

    func open<Content: SwiftProtobuf.Message>(
        _ body: Data,
        as type: Content.Type
    ) throws(SealedBodyError) -> Content {
        let plaintext = try open(Array(body))
        do {
            return try Content(serializedBytes: plaintext)
        } catch {
            throw .malformed("\(Content.protoMessageName): \(error)")
        }
    }
}

extension Management_EncryptedMessage {
    /// Seals a request or a response; `sender` is the public key that the other side opens it with.
    ///
    /// - Throws: `SealedBodyError.tooLong`.
    package init(
        sealing message: some SwiftProtobuf.Message,
        from sender: PublicKey,
        with key: BoxKey
    ) throws(SealedBodyError) {
        self.init()
        wgPubKey = sender.base64
        body = try key.seal(message: message)
    }

    /// - Throws: `SealedBodyError`, the plaintext's own decoding errors included.
    package func open<Content: SwiftProtobuf.Message>(
        as type: Content.Type,
        with key: BoxKey
    ) throws(SealedBodyError) -> Content {
        try key.open(body, as: type)
    }

    /// Who sealed it. `nil`: no canonical base64 of 32 bytes.
    package var sender: PublicKey? { PublicKey(base64: wgPubKey) }
}

extension Signalexchange_EncryptedMessage {
    /// Seals a message from one peer to another; a heartbeat goes from a peer to itself.
    ///
    /// - Throws: `SealedBodyError.tooLong`.
    package init(
        sealing message: Signalexchange_Body,
        from sender: PublicKey,
        to recipient: PublicKey,
        with key: BoxKey
    ) throws(SealedBodyError) {
        self.init()
        self.key = sender.base64
        remoteKey = recipient.base64
        body = try key.seal(message: message)
    }

    /// - Throws: `SealedBodyError`, the plaintext's own decoding errors included.
    package func open(with key: BoxKey) throws(SealedBodyError) -> Signalexchange_Body {
        try key.open(body, as: Signalexchange_Body.self)
    }

    /// Who sealed it, as claimed: opening proves it. `nil`: no canonical base64 of 32 bytes.
    package var sender: PublicKey? { PublicKey(base64: key) }
}

/// `crypto_box_BEFORENMBYTES` bytes outside the Swift heap's copies, wiped on release.
private final class SharedSecret: Sendable {
    /// Written in `init` alone, read-only from then on: that makes sharing it between threads safe.
    nonisolated(unsafe) let bytes: UnsafeMutablePointer<UInt8>

    init?(own: PrivateKey, other: PublicKey) {
        bytes = .allocate(capacity: Self.length)
        bytes.initialize(repeating: 0, count: Self.length)
        guard own.withUnsafePointer({ crypto_box_beforenm(bytes, other.bytes, $0) }) == 0 else { return nil }
    }

    deinit {
        sodium_memzero(bytes, Self.length)
        bytes.deallocate()
    }

    private static let length = Int(crypto_box_BEFORENMBYTES)
}

/// `sodium_init` chooses the fastest code for this processor and opens the random generator; once per process.
let sodiumIsReady = sodium_init() >= 0
