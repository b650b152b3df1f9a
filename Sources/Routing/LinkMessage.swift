import CNetlink
import NetlinkWire

/// `struct ifinfomsg` and its attributes.
enum LinkMessage {
    static let wireGuardKind = "wireguard"

    /// A dump of every link without its counters, which are most of its bytes.
    static func dump() -> [UInt8] {
        var message = AttributeEncoder(header: header())
        message.append(IFLA_EXT_MASK, integer: UInt32(RTEXT_FILTER_SKIP_STATS))
        return message.bytes
    }

    /// One link by its name, without its counters.
    static func query(name: String) -> [UInt8] {
        var message = AttributeEncoder(header: header())
        message.append(IFLA_IFNAME, string: name)
        message.append(IFLA_EXT_MASK, integer: UInt32(RTEXT_FILTER_SKIP_STATS))
        return message.bytes
    }

    /// A new link of kind wireguard, in the group that says it is not finished.
    static func creation(name: String, mtuBytes: UInt32) -> [UInt8] {
        var message = AttributeEncoder(header: header())
        message.append(IFLA_IFNAME, string: name)
        message.append(IFLA_MTU, integer: mtuBytes)
        message.append(IFLA_GROUP, integer: unfinishedLinkGroup)
        message.nest(IFLA_LINKINFO) { $0.append(IFLA_INFO_KIND, string: wireGuardKind) }
        return message.bytes
    }

    /// Sets the alias and goes back to the default group, in one step.
    static func alias(_ alias: String, index: UInt32) -> [UInt8] {
        var message = AttributeEncoder(header: header(index: index))
        message.append(IFLA_IFALIAS, string: alias)
        message.append(IFLA_GROUP, integer: UInt32(0))
        return message.bytes
    }

    static func mtu(_ mtuBytes: UInt32, index: UInt32) -> [UInt8] {
        var message = AttributeEncoder(header: header(index: index))
        message.append(IFLA_MTU, integer: mtuBytes)
        return message.bytes
    }

    static func up(index: UInt32) -> [UInt8] { header(index: index, flags: up, changed: up) }

    static func down(index: UInt32) -> [UInt8] { header(index: index, flags: 0, changed: up) }

    static func removal(index: UInt32) -> [UInt8] { header(index: index) }

    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> LinkSnapshot {
        guard payload.count >= headerBytes, let index = payload.integer(at: 4, as: Int32.self), index > 0,
            let flags = payload.integer(at: 8, as: UInt32.self)
        else { throw DecodeError("ifinfomsg: \(payload.count) bytes, or no index") }
        var link = LinkSnapshot(index: UInt32(index), name: "", mtuBytes: 0)
        link.isUp = flags & up != 0
        link.isLoopback = flags & UInt32(CNETLINK_IFF_LOOPBACK) != 0
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            switch attribute.type {
            case IFLA_IFNAME: link.name = try attribute.string("IFLA_IFNAME")
            case IFLA_MTU: link.mtuBytes = try attribute.integer("IFLA_MTU")
            case IFLA_GROUP: link.group = try attribute.integer("IFLA_GROUP")
            case IFLA_IFALIAS:
                let alias = try attribute.string("IFLA_IFALIAS")
                link.alias = alias.isEmpty ? nil : alias
            case IFLA_LINKINFO:
                try attribute.forEachNested("IFLA_LINKINFO") { info throws(DecodeError) in
                    if info.type == IFLA_INFO_KIND { link.kind = try info.string("IFLA_INFO_KIND") }
                }
            default: break
            }
        }
        guard !link.name.isEmpty else { throw DecodeError("missing", path: ["IFLA_IFNAME"]) }
        return link
    }

    static func header(index: UInt32 = 0, flags: UInt32 = 0, changed: UInt32 = 0) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(CNETLINK_AF_UNSPEC), 0]
        bytes.appendInteger(UInt16(0))  // ifi_type
        bytes.appendInteger(index)
        bytes.appendInteger(flags)
        bytes.appendInteger(changed)
        return bytes
    }

    /// `IFALIASZ` with its NUL.
    static let aliasLimitBytes = 256
    private static let headerBytes = 16
    private static let up = UInt32(CNETLINK_IFF_UP)
}
