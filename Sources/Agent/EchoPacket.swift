package import MeshModel

/// The bytes of an ICMP echo as raw sockets show them: the ICMP message on the way out, with an IPv4 header on the way in.
///
/// Sources: RFC 792 (ICMP), RFC 4443 section 4 (ICMPv6), RFC 791.
package enum EchoPacket {
    /// What an answer says.
    package struct Reply: Hashable, Sendable {
        package var remote: IPAddress
        package var sequence: UInt16
        /// The gateway asks its clients to go elsewhere.
        package var isDraining = false
    }

    private static let headerBytes = 8
    private static let minimumIPv4HeaderBytes = 20
    private static let protocolNumber: UInt8 = 1
    private static let requestType: (v4: UInt8, v6: UInt8) = (8, 128)
    private static let replyType: (v4: UInt8, v6: UInt8) = (0, 129)

    /// An echo request with our payload (`EchoPayload`); for IPv6 the kernel fills the checksum in.
    package static func encodeRequest(identifier: UInt16, sequence: UInt16, isV4: Bool) -> [UInt8] {
        var message: [UInt8] = [isV4 ? requestType.v4 : requestType.v6, 0, 0, 0]
        for field in [identifier, sequence] { message += [UInt8(field >> 8), UInt8(field & 0xff)] }
        message += EchoPayload.mark + EchoPayload.plain
        guard isV4 else { return message }
        let sum = checksum(message)
        message[2] = UInt8(sum >> 8)
        message[3] = UInt8(sum & 0xff)
        return message
    }

    /// Reads an IPv4 packet, options included.
    ///
    /// - Returns: `nil` unless it is a whole, unfragmented echo reply with a right checksum that carries `identifier`.
    package static func decodeIPv4(_ packet: some Collection<UInt8>, identifier: UInt16) -> Reply? {
        let bytes = Array(packet)
        guard bytes.count >= minimumIPv4HeaderBytes, bytes[0] >> 4 == 4, bytes[9] == protocolNumber else { return nil }
        let headerLength = Int(bytes[0] & 0x0f) * 4
        let totalLength = word(bytes[2...])
        let fragment = word(bytes[6...]) & 0x3fff  // more-fragments bit and offset
        guard headerLength >= minimumIPv4HeaderBytes, totalLength >= headerLength + headerBytes,
            totalLength <= bytes.count, fragment == 0, let remote = IPAddress(bytes: bytes[12..<16])
        else { return nil }
        let message = bytes[headerLength..<totalLength]
        guard checksum(Array(message)) == 0 else { return nil }
        return decode(message, type: replyType.v4, from: remote, identifier: identifier)
    }

    /// Reads an ICMPv6 message, whose checksum the kernel has verified.
    ///
    /// - Returns: `nil` unless it is an echo reply that carries `identifier`.
    package static func decodeICMPv6(
        _ message: some Collection<UInt8>,
        from remote: IPAddress,
        identifier: UInt16
    ) -> Reply? {
        decode(Array(message)[...], type: replyType.v6, from: remote, identifier: identifier)
    }

    private static func decode(
        _ message: ArraySlice<UInt8>,
        type: UInt8,
        from remote: IPAddress,
        identifier: UInt16
    ) -> Reply? {
        guard message.count >= headerBytes, message.starts(with: [type, 0]),
            word(message.dropFirst(4)) == Int(identifier)
        else { return nil }
        return Reply(
            remote: remote,
            sequence: UInt16(word(message.dropFirst(6))),
            isDraining: message.dropFirst(headerBytes).elementsEqual(EchoPayload.mark + EchoPayload.draining)
        )
    }

    /// The first two bytes of at least two, big endian.
    private static func word(_ bytes: ArraySlice<UInt8>) -> Int {
        Int(bytes[bytes.startIndex]) << 8 | Int(bytes[bytes.startIndex + 1])
    }

    /// The Internet checksum of RFC 1071; over a message with its checksum it is 0.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }
}
