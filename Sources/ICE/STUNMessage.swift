/// A STUN message (RFC 8489): type, transaction and attributes in order of appearance.
///
/// Decoding is total and keeps the bytes, since MESSAGE-INTEGRITY is computed over them.
public struct STUNMessage: Hashable, Sendable {
    /// Method and class as on the wire. Source: RFC 8489, section 5.
    public enum Kind: UInt16, Hashable, Sendable {
        case bindingRequest = 0x0001
        case bindingIndication = 0x0011
        case bindingSuccess = 0x0101
        case bindingError = 0x0111
    }

    public struct Attribute: Hashable, Sendable {
        public var type: UInt16
        public var value: [UInt8]
        /// Where the attribute's header starts in the message.
        public var offset: Int
    }

    /// Bytes 4 to 7 of every message. Source: RFC 8489, section 5.
    public static let magicCookie: [UInt8] = [0x21, 0x12, 0xa4, 0x42]
    /// 20 bytes of header. Source: RFC 8489, section 5.
    public static let headerLengthBytes = 20
    /// More than a UDP payload on any path we use; longer messages are refused unread.
    public static let longestBytes = 2048

    public let kind: Kind
    /// 12 bytes.
    public let transactionID: [UInt8]
    public let attributes: [Attribute]
    /// The message as it was on the wire, up to the length its header states.
    public let bytes: [UInt8]

    /// Parses one datagram. Bytes after the stated length are ignored, as the reference server does.
    ///
    /// - Throws: `STUNError` that names what is wrong and where.
    public init(datagram: [UInt8]) throws(STUNError) {
        guard datagram.count >= Self.headerLengthBytes else {
            throw .truncated("\(datagram.count) bytes, a STUN header has 20")
        }
        guard datagram.count <= Self.longestBytes else {
            throw .tooLong("\(datagram.count) bytes, at most \(Self.longestBytes)")
        }
        guard datagram[4..<8].elementsEqual(Self.magicCookie) else { throw .notSTUN }
        let rawType = bigEndian16(datagram, 0)
        guard let kind = Kind(rawValue: rawType) else { throw .unknownType(rawType) }
        let length = Int(bigEndian16(datagram, 2))
        guard length.isMultiple(of: 4), Self.headerLengthBytes + length <= datagram.count else {
            throw .truncated("the header says \(length) bytes of attributes, \(datagram.count - 20) follow")
        }
        let end = Self.headerLengthBytes + length
        var attributes: [Attribute] = []
        var offset = Self.headerLengthBytes
        while offset < end {
            guard offset + 4 <= end else { throw .truncated("attribute header at byte \(offset)") }
            let size = Int(bigEndian16(datagram, offset + 2))
            guard offset + 4 + size <= end else {
                throw .truncated("attribute at byte \(offset) says \(size) bytes, \(end - offset - 4) follow")
            }
            attributes.append(
                Attribute(
                    type: bigEndian16(datagram, offset),
                    value: Array(datagram[(offset + 4)..<(offset + 4 + size)]),
                    offset: offset
                )
            )
            offset += 4 + (size + 3) / 4 * 4
        }
        self.kind = kind
        self.transactionID = Array(datagram[8..<20])
        self.attributes = attributes
        self.bytes = Array(datagram[..<end])
    }

    /// The first attribute of a type, as RFC 8489, section 14 says; `nil`: absent.
    public func value(of type: STUNAttributeType) -> [UInt8]? {
        attributes.first { $0.type == type.rawValue }?.value
    }

    /// Whether a datagram on WireGuard's port is STUN: the cookie decides; kernel WireGuard never sends one there.
    public static func isSTUN(_ datagram: [UInt8]) -> Bool {
        datagram.count >= headerLengthBytes && datagram[4..<8].elementsEqual(magicCookie)
    }
}

/// Why a datagram is no STUN message that we understand.
public enum STUNError: Error, Hashable, Sendable {
    case notSTUN
    case truncated(String)
    case tooLong(String)
    case unknownType(UInt16)
    /// An attribute's value has a wrong size or content.
    case malformed(STUNAttributeType, String)
}

func bigEndian16(_ bytes: [UInt8], _ offset: Int) -> UInt16 { UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1]) }

func bigEndianBytes<I: FixedWidthInteger>(_ value: I) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

func bigEndian<I: FixedWidthInteger>(_ bytes: [UInt8], as type: I.Type) -> I? {
    guard bytes.count == I.bitWidth / 8 else { return nil }
    return bytes.reduce(0) { $0 << 8 | I($1) }
}
