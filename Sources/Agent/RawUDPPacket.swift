package import MeshModel

/// The bytes of one UDP packet as raw sockets show them: IP and UDP headers on the way in, the UDP header on the way out.
package enum RawUDPPacket {
    /// `ihl`, UDP and STUN header sizes in bytes. Sources: RFC 791, RFC 768, RFC 8489 section 5.
    private static let minimumIPv4HeaderBytes = 20
    private static let headerBytes = 8
    private static let stunHeaderBytes = 20
    private static let protocolNumber: UInt8 = 17
    private static let magicCookie: [UInt8] = [0x21, 0x12, 0xa4, 0x42]

    /// Reads an IPv4 packet, options included.
    ///
    /// - Returns: `nil` unless it is a whole, unfragmented UDP packet to `port` that carries the STUN cookie. The socket
    ///   filter says the same; packets that arrived before it was attached have not passed it.
    package static func decodeIPv4(_ packet: some Collection<UInt8>, port: UInt16) -> Datagram? {
        let bytes = Array(packet)
        guard bytes.count >= minimumIPv4HeaderBytes, bytes[0] >> 4 == 4, bytes[9] == protocolNumber else { return nil }
        let headerLength = Int(bytes[0] & 0x0f) * 4
        let totalLength = Int(bytes[2]) << 8 | Int(bytes[3])
        let fragment = (UInt16(bytes[6]) << 8 | UInt16(bytes[7])) & 0x3fff  // more-fragments bit and offset
        guard headerLength >= minimumIPv4HeaderBytes, totalLength >= headerLength, totalLength <= bytes.count,
            fragment == 0, let remote = IPAddress(bytes: bytes[12..<16]), let local = IPAddress(bytes: bytes[16..<20])
        else { return nil }
        return decodeUDP(bytes[headerLength..<totalLength], from: remote, to: local, port: port)
    }

    /// Reads a UDP header and payload whose addresses are known from elsewhere.
    ///
    /// - Returns: `nil` unless it is whole, for `port`, and carries the STUN cookie.
    package static func decodeUDP(
        _ packet: some Collection<UInt8>,
        from remote: IPAddress,
        to local: IPAddress,
        port: UInt16
    ) -> Datagram? {
        let bytes = Array(packet)
        guard bytes.count >= headerBytes + stunHeaderBytes else { return nil }
        let source = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        let destination = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        let length = Int(bytes[4]) << 8 | Int(bytes[5])
        guard destination == port, source != 0, length >= headerBytes + stunHeaderBytes, length <= bytes.count,
            bytes[12..<16].elementsEqual(magicCookie)
        else { return nil }
        return Datagram(
            local: Endpoint(address: local, port: port),
            remote: Endpoint(address: remote, port: source),
            bytes: Array(bytes[headerBytes..<length])
        )
    }

    /// UDP header and payload of `datagram`, with the checksum for IPv4; for IPv6 the kernel fills it in.
    ///
    /// - Returns: `nil` if the payload does not fit one UDP packet or the two addresses differ in family.
    package static func encode(_ datagram: Datagram) -> [UInt8]? {
        let length = headerBytes + datagram.bytes.count
        let (local, remote) = (datagram.local, datagram.remote)
        guard length <= 0xffff, local.address.isV4 == remote.address.isV4 else { return nil }
        var packet: [UInt8] = []
        for field in [local.port, remote.port, UInt16(length), 0] {
            packet += [UInt8(field >> 8), UInt8(field & 0xff)]
        }
        packet += datagram.bytes
        guard local.address.isV4 else { return packet }
        let pseudoHeader =
            local.address.bytes + remote.address.bytes + [0, protocolNumber, UInt8(length >> 8), UInt8(length & 0xff)]
        let sum = checksum(pseudoHeader + packet)
        packet[6] = UInt8(sum >> 8)
        packet[7] = UInt8(sum & 0xff)
        return packet
    }

    /// The Internet checksum of RFC 1071; 0 is sent as 0xffff, since 0 means "none" in UDP (RFC 768).
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        let result = ~UInt16(sum)
        return result == 0 ? 0xffff : result
    }
}
