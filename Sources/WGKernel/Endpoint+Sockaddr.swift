import MeshModel
import NetlinkWire

extension Endpoint {
    /// `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes), port and address big endian.
    ///
    /// The kernel ignores any other length silently. Source: `set_peer`, drivers/net/wireguard/netlink.c.
    ///
    /// - Parameter scope: link index of a link-local address; it means nothing to v4.
    func sockaddr(scope: UInt32 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendInteger(address.isV4 ? WireGuardFamily.familyV4 : WireGuardFamily.familyV6)
        bytes.appendInteger(port.bigEndian)
        if address.isV4 { return bytes + address.bytes + Array(repeating: 0, count: 8) }
        let noFlowInformation: [UInt8] = [0, 0, 0, 0]
        bytes += noFlowInformation + address.bytes
        bytes.appendInteger(scope)
        return bytes
    }

    /// The endpoint, and the scope of a v6 one (0 otherwise).
    ///
    /// - Parameter name: of the attribute, for errors.
    static func decode(
        sockaddr: RawSpan,
        name: StaticString
    ) throws(DecodeError) -> (endpoint: Endpoint, scope: UInt32) {
        let count = sockaddr.byteCount
        guard count == 16 || count == 28 else {
            throw DecodeError("\(count) bytes, expected 16 or 28", path: ["\(name)"])
        }
        let isV4 = count == 16
        let family = sockaddr.unsafeLoadUnaligned(as: UInt16.self)
        let port = sockaddr.unsafeLoadUnaligned(fromByteOffset: 2, as: UInt16.self)
        let address = IPAddress(bytes: sockaddr.extracting(isV4 ? 4..<8 : 8..<24))
        guard family == (isV4 ? WireGuardFamily.familyV4 : WireGuardFamily.familyV6), let address else {
            throw DecodeError("family \(family) in \(count) bytes", path: ["\(name)"])
        }
        let scope = isV4 ? 0 : sockaddr.unsafeLoadUnaligned(fromByteOffset: 24, as: UInt32.self)
        return (Endpoint(address: address, port: UInt16(bigEndian: port)), scope)
    }
}
