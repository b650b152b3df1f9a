import CNetlink

/// Walks over the messages of one received datagram in place. Total: any bytes give messages or an error, never a trap.
public struct NetlinkMessageCursor: Sendable {
    private var position = 0
    private let end: Int

    /// - Parameter size: of the datagram, which may stand in a larger buffer.
    public init(_ size: Int) { end = size }

    /// - Parameter bytes: the same each time.
    /// - Returns: `nil` at the end.
    /// - Throws: `DecodeError` if a header or a length does not fit the bytes; then no message can be trusted.
    public mutating func next(in bytes: RawSpan) throws(DecodeError) -> NetlinkMessagePlace? {
        let left = min(end, bytes.byteCount) - position
        if left <= 0 { return nil }
        guard left >= NetlinkMessage.headerBytes else {
            throw DecodeError("nlmsghdr: \(left) bytes, expected at least \(NetlinkMessage.headerBytes)")
        }
        let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt32.self))
        guard length >= NetlinkMessage.headerBytes, length <= left else {
            throw DecodeError("nlmsghdr: length \(length), expected \(NetlinkMessage.headerBytes) to \(left)")
        }
        let place = NetlinkMessagePlace(
            type: bytes.unsafeLoadUnaligned(fromByteOffset: position + 4, as: UInt16.self),
            flags: bytes.unsafeLoadUnaligned(fromByteOffset: position + 6, as: UInt16.self),
            sequence: bytes.unsafeLoadUnaligned(fromByteOffset: position + 8, as: UInt32.self),
            payload: position + NetlinkMessage.headerBytes..<position + length
        )
        position += aligned(length)
        return place
    }
}

/// Where one message stands in its datagram; otherwise as `NetlinkMessage`.
public struct NetlinkMessagePlace: Hashable, Sendable {
    public let type: UInt16
    public let flags: UInt16
    public let sequence: UInt32
    public let payload: Range<Int>

    public var isDone: Bool { Int32(type) == NLMSG_DONE }
    public var isError: Bool { Int32(type) == NLMSG_ERROR }
    public var isDumpInterrupted: Bool { flags & UInt16(NLM_F_DUMP_INTR) != 0 }
}

extension NetlinkMessage {
    /// A copy of a message that was found in `bytes`.
    public init(_ place: NetlinkMessagePlace, in bytes: RawSpan) {
        let payload = bytes.extracting(place.payload).withUnsafeBytes { Array($0) }
        self.init(type: place.type, flags: place.flags, sequence: place.sequence, payload: payload)
    }
}
