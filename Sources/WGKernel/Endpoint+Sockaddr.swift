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
    static func decode(
        sockaddr: ArraySlice<UInt8>,
        name: String
    ) throws(DecodeError) -> (endpoint: Endpoint, scope: UInt32) {
        guard let family = sockaddr.integer(at: 0, as: UInt16.self),
            let port = sockaddr.integer(at: 2, as: UInt16.self), sockaddr.count == 16 || sockaddr.count == 28
        else { throw DecodeError("\(sockaddr.count) bytes, expected 16 or 28", path: [name]) }
        let expected = sockaddr.count == 16 ? WireGuardFamily.familyV4 : WireGuardFamily.familyV6
        let addressBytes = sockaddr.count == 16 ? sockaddr.dropFirst(4).prefix(4) : sockaddr.dropFirst(8).prefix(16)
        guard family == expected, let address = IPAddress(bytes: addressBytes) else {
            throw DecodeError("family \(family) in \(sockaddr.count) bytes", path: [name])
        }
        let scope = sockaddr.integer(at: 24, as: UInt32.self) ?? 0
        return (Endpoint(address: address, port: UInt16(bigEndian: port)), scope)
    }
}
