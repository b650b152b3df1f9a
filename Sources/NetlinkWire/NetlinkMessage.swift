import CNetlink

/// One netlink message: `struct nlmsghdr` and what follows it.
public struct NetlinkMessage: Hashable, Sendable {
    public var type: UInt16
    public var flags: UInt16
    /// Chosen by the requester; replies repeat it.
    public var sequence: UInt32
    /// Without the header and without padding.
    public var payload: [UInt8]

    public init(type: UInt16, flags: UInt16 = 0, sequence: UInt32 = 0, payload: [UInt8]) {
        self.type = type
        self.flags = flags
        self.sequence = sequence
        self.payload = payload
    }

    public var isDone: Bool { Int32(type) == NLMSG_DONE }
    /// An error, or with code 0 an acknowledgement.
    public var isError: Bool { Int32(type) == NLMSG_ERROR }
    /// The objects changed while the kernel listed them, so some may be missing.
    public var isDumpInterrupted: Bool { flags & UInt16(NLM_F_DUMP_INTR) != 0 }

    /// Header (port 0: the kernel fills it in) and payload, in host byte order as netlink wants it.
    public func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + payload.count)
        append(to: &bytes)
        return bytes
    }

    /// Appends `encode()` and what it takes to go on with another message, which must start at a multiple of 4.
    public func append(to datagram: inout [UInt8]) {
        Self.appendHeader(type, flags, sequence: sequence, payloadBytes: payload.count, to: &datagram)
        datagram += payload
    }

    /// Appends the header of a message, and before it what it takes to start at a multiple of 4.
    public static func appendHeader(
        _ type: UInt16,
        _ flags: UInt16,
        sequence: UInt32,
        payloadBytes: Int,
        to datagram: inout [UInt8]
    ) {
        while datagram.count & 3 != 0 { datagram.append(0) }
        datagram.appendInteger(UInt32(headerBytes + payloadBytes))
        datagram.appendInteger(type)
        datagram.appendInteger(flags)
        datagram.appendInteger(sequence)
        datagram.appendInteger(UInt32(0))
    }

    /// The messages of one received datagram.
    ///
    /// - Throws: `DecodeError` if a header or a length does not fit the bytes; then none of them can be trusted.
    public static func decode(datagram: ArraySlice<UInt8>) throws(DecodeError) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var cursor = NetlinkMessageCursor(datagram.count)
        while let place = try cursor.next(in: datagram.span.bytes) {
            messages.append(NetlinkMessage(place, in: datagram.span.bytes))
        }
        return messages
    }

    /// `NLMSG_HDRLEN`.
    public static let headerBytes = 16
}

/// The next multiple of 4: `NLMSG_ALIGN` and `NLA_ALIGN`.
func aligned(_ count: Int) -> Int { (count + 3) & ~3 }
