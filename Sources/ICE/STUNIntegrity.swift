import Crypto
import MeshModel

extension STUNMessage {
    /// Builds a message: `attributes` in order, then MESSAGE-INTEGRITY if there is a key, FINGERPRINT, and last the
    /// candidate pair, which stock agents expect after both.
    ///
    /// The header's length while hashing covers the message up to the hash itself (RFC 8489, sections 14.5 and 14.7), so
    /// the trailing attribute is added to it afterwards.
    public static func encode(
        _ kind: Kind,
        transactionID: [UInt8],
        attributes: [(STUNAttributeType, [UInt8])],
        integrityKey: String?,
        candidatePair: String? = nil
    ) -> [UInt8] {
        var message = bigEndianBytes(kind.rawValue) + [0, 0] + magicCookie + transactionID
        for (type, value) in attributes { append(type, value, to: &message) }
        if let integrityKey {
            setLength(of: &message, adding: 24)
            append(.messageIntegrity, hmac(message, key: integrityKey), to: &message)
        }
        setLength(of: &message, adding: 8)
        append(.fingerprint, bigEndianBytes(crc32(message.span.bytes) ^ fingerprintMask), to: &message)
        if let candidatePair { append(.candidatePair, Array(candidatePair.utf8), to: &message) }
        setLength(of: &message, adding: 0)
        return message
    }

    /// A Binding Request without attributes, as STUN servers are asked. Source: RFC 8489, section 7.1.
    ///
    /// - Parameter transactionID: 12 bytes.
    public static func bareRequest(_ transactionID: [UInt8]) -> [UInt8] {
        bigEndianBytes(Kind.bindingRequest.rawValue) + [0, 0] + magicCookie + transactionID
    }

    /// Whether MESSAGE-INTEGRITY is present and right for `key`.
    ///
    /// Constant time in the hash. Attributes after it are not covered (RFC 8489, section 14.5).
    public func hasValidIntegrity(key: String) -> Bool {
        guard let attribute = attributes.first(where: { $0.type == STUNAttributeType.messageIntegrity.rawValue }),
            attribute.value.count == 20
        else { return false }
        var covered = Array(bytes[..<attribute.offset])
        Self.setLength(of: &covered, adding: 24)
        return HMAC<Insecure.SHA1>.isValidAuthenticationCode(
            attribute.value,
            authenticating: covered,
            using: SymmetricKey(data: Array(key.utf8))
        )
    }

    /// Whether FINGERPRINT is present and right, computed with the length the header had when it was added.
    public var hasValidFingerprint: Bool {
        guard let attribute = attributes.first(where: { $0.type == STUNAttributeType.fingerprint.rawValue }),
            let value = bigEndian(attribute.value, as: UInt32.self)
        else { return false }
        var covered = Array(bytes[..<attribute.offset])
        Self.setLength(of: &covered, adding: 8)
        return value == crc32(covered.span.bytes) ^ Self.fingerprintMask
    }

    /// "STUN" in ASCII. Source: RFC 8489, section 14.7.
    private static let fingerprintMask: UInt32 = 0x5354_554e

    private static func hmac(_ bytes: [UInt8], key: String) -> [UInt8] {
        Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: SymmetricKey(data: Array(key.utf8))))
    }

    private static func append(_ type: STUNAttributeType, _ value: [UInt8], to message: inout [UInt8]) {
        message += bigEndianBytes(type.rawValue) + bigEndianBytes(UInt16(value.count)) + value
        while !message.count.isMultiple(of: 4) { message.append(0) }
    }

    private static func setLength(of message: inout [UInt8], adding extra: Int) {
        message.replaceSubrange(2..<4, with: bigEndianBytes(UInt16(message.count - headerLengthBytes + extra)))
    }
}
