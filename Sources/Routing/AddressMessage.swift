import CNetlink
import MeshModel
import NetlinkWire

/// `struct ifaddrmsg` and its attributes.
enum AddressMessage {
    static func dump() -> [UInt8] { header(family: UInt8(CNETLINK_AF_UNSPEC), length: 0, index: 0) }

    /// Adds without the kernel's own prefix route, since our routes carry our mark; a v6 address is usable at once, since
    /// no neighbour on a WireGuard link could answer duplicate address detection.
    static func addition(_ prefix: IPPrefix, index: UInt32) -> [UInt8] {
        let noDuplicateDetection = prefix.isV4 ? 0 : UInt32(IFA_F_NODAD)
        return encode(prefix, index: index, flags: UInt32(IFA_F_NOPREFIXROUTE) | noDuplicateDetection)
    }

    static func removal(_ prefix: IPPrefix, index: UInt32) -> [UInt8] { encode(prefix, index: index, flags: nil) }

    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> AddressSnapshot {
        guard payload.count >= headerBytes, let index = payload.integer(at: 4, as: UInt32.self),
            let length = payload.integer(at: 1, as: UInt8.self), let flagBits = payload.integer(at: 2, as: UInt8.self)
        else { throw DecodeError("ifaddrmsg: \(payload.count) bytes, expected at least \(headerBytes)") }
        var flags = UInt32(flagBits)
        var local: IPAddress?
        var address: IPAddress?
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            switch attribute.type {
            case IFA_LOCAL: local = try attribute.address("IFA_LOCAL")
            case IFA_ADDRESS: address = try attribute.address("IFA_ADDRESS")
            case IFA_FLAGS: flags = try attribute.integer("IFA_FLAGS")
            default: break
            }
        }
        // On a point-to-point link IFA_ADDRESS is the other side and IFA_LOCAL is ours; v6 mostly has IFA_ADDRESS alone.
        guard let own = local ?? address else { throw DecodeError("missing", path: ["IFA_ADDRESS"]) }
        guard let prefix = IPPrefix(address: own, length: Int(length)) else {
            throw DecodeError("ifaddrmsg: prefix length \(length), expected 0 to \(own.bitWidth)")
        }
        return AddressSnapshot(linkIndex: index, prefix: prefix, flags: flags)
    }

    private static func encode(_ prefix: IPPrefix, index: UInt32, flags: UInt32?) -> [UInt8] {
        let family = prefix.isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6
        var message = AttributeEncoder(
            header: header(family: UInt8(family), length: UInt8(prefix.length), index: index)
        )
        message.append(IFA_LOCAL, bytes: prefix.address.bytes)
        message.append(IFA_ADDRESS, bytes: prefix.address.bytes)
        if let flags { message.append(IFA_FLAGS, integer: flags) }
        return message.bytes
    }

    private static func header(family: UInt8, length: UInt8, index: UInt32) -> [UInt8] {
        let noFlags: UInt8 = 0
        let universalScope: UInt8 = 0
        var bytes = [family, length, noFlags, universalScope]
        bytes.appendInteger(index)
        return bytes
    }

    static let secondary = UInt32(IFA_F_SECONDARY)
    static let tentative = UInt32(IFA_F_TENTATIVE)
    static let dadFailed = UInt32(IFA_F_DADFAILED)
    static let deprecated = UInt32(IFA_F_DEPRECATED)
    static let temporary = UInt32(IFA_F_TEMPORARY)
    private static let headerBytes = 8
}

extension Attribute {
    func address(_ name: String) throws(DecodeError) -> IPAddress {
        guard let address = IPAddress(bytes: payload) else {
            throw DecodeError("\(payload.count) bytes, expected 4 or 16", path: [name])
        }
        return address
    }
}
