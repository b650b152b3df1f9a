/// `struct genlmsghdr`: the 4 bytes between the netlink header and a family's attributes.
public struct GenericNetlinkHeader: Hashable, Sendable {
    public var command: UInt8
    public var version: UInt8

    public init(command: UInt8, version: UInt8) {
        self.command = command
        self.version = version
    }

    public func encode() -> [UInt8] { [command, version, 0, 0] }

    /// The header, and the attributes after it.
    public static func decode(
        _ payload: ArraySlice<UInt8>
    ) throws(DecodeError) -> (header: GenericNetlinkHeader, attributes: ArraySlice<UInt8>) {
        guard payload.count >= sizeBytes else {
            throw DecodeError("genlmsghdr: \(payload.count) bytes, expected at least 4")
        }
        let start = payload.startIndex
        let header = GenericNetlinkHeader(command: payload[start], version: payload[start + 1])
        return (header, payload.dropFirst(sizeBytes))
    }

    /// The attributes after the header.
    public static func attributes(of payload: RawSpan) throws(DecodeError) -> AttributeCursor {
        guard payload.byteCount >= sizeBytes else {
            throw DecodeError("genlmsghdr: \(payload.byteCount) bytes, expected at least 4")
        }
        return AttributeCursor(sizeBytes..<payload.byteCount)
    }

    /// `GENL_HDRLEN`.
    static let sizeBytes = 4
}
