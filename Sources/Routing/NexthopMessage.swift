import CNetlink
import MeshModel
import NetlinkWire

/// `struct nhmsg` and its attributes.
enum NexthopMessage {
    static func dump() -> [UInt8] { [UInt8](repeating: 0, count: headerBytes) }

    static func encode(_ nexthop: Nexthop) -> [UInt8] {
        var family = RouteMessage.family(isV4: nexthop.isV4)
        var flags: UInt32 = 0
        switch nexthop.target {
        case .hop(_, _, let isOnLink): if isOnLink { flags = UInt32(RTNH_F_ONLINK) }
        case .blackhole: break
        case .group: family = UInt8(CNETLINK_AF_UNSPEC)  // members have families, a group must not
        }
        var header: [UInt8] = [family, 0, nexthop.nexthopProtocol, 0]
        header.appendInteger(flags)
        var message = AttributeEncoder(header: header)
        message.append(Int(NHA_ID), integer: nexthop.id)
        switch nexthop.target {
        case .hop(let index, let gateway, _):
            message.append(Int(NHA_OIF), integer: index)
            if let gateway { message.append(Int(NHA_GATEWAY), bytes: gateway.bytes) }
        case .blackhole: message.append(Int(NHA_BLACKHOLE), bytes: [])
        case .group(let members):
            var group: [UInt8] = []
            for member in members {
                group.appendInteger(member.id)
                // The kernel's number is one less than the weight.
                group.append(UInt8(truncatingIfNeeded: min(max(member.weight, 1), 256) - 1))
                group += [0, 0, 0]
            }
            message.append(Int(NHA_GROUP), bytes: group)
        }
        return message.bytes
    }

    static func removal(id: UInt32) -> [UInt8] {
        var message = AttributeEncoder(header: dump())
        message.append(Int(NHA_ID), integer: id)
        return message.bytes
    }

    /// - Returns: `nil` for kinds we do not know, such as bridge entries.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> Nexthop? {
        guard payload.count >= headerBytes, let family = payload.integer(at: 0, as: UInt8.self),
            let nexthopProtocol = payload.integer(at: 2, as: UInt8.self),
            let flags = payload.integer(at: 4, as: UInt32.self)
        else { throw DecodeError("nhmsg: \(payload.count) bytes, expected at least \(headerBytes)") }
        var id: UInt32?
        var index: UInt32?
        var gateway: IPAddress?
        var members: [Nexthop.Member]?
        var isBlackhole = false
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            switch Int32(attribute.type) {
            case Int32(NHA_ID): id = try attribute.integer("NHA_ID")
            case Int32(NHA_OIF): index = try attribute.integer("NHA_OIF")
            case Int32(NHA_GATEWAY): gateway = try attribute.address("NHA_GATEWAY")
            case Int32(NHA_BLACKHOLE): isBlackhole = true
            case Int32(NHA_GROUP): members = try decodeGroup(attribute.payload)
            default: break
            }
        }
        guard let id else { throw DecodeError("missing", path: ["NHA_ID"]) }
        let target: Nexthop.Target
        if let members {
            target = .group(members)
        } else if isBlackhole {
            target = .blackhole
        } else if let index {
            let isOnLink = flags & UInt32(RTNH_F_ONLINK) != 0
            target = .hop(linkIndex: index, gateway: gateway, isOnLink: isOnLink)
        } else {
            return nil
        }
        let isV4 = family != RouteMessage.family(isV4: false)
        return Nexthop(id: id, isV4: isV4, target, nexthopProtocol: nexthopProtocol)
    }

    /// `struct nexthop_grp`: 8 bytes each.
    private static func decodeGroup(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> [Nexthop.Member] {
        var members: [Nexthop.Member] = []
        var rest = payload
        while !rest.isEmpty {
            guard rest.count >= 8, let id = rest.integer(at: 0, as: UInt32.self),
                let lessOne = rest.integer(at: 4, as: UInt8.self)
            else { throw DecodeError("\(payload.count) bytes, expected a multiple of 8", path: ["NHA_GROUP"]) }
            members.append(Nexthop.Member(id: id, weight: Int(lessOne) + 1))
            rest = rest.dropFirst(8)
        }
        return members
    }

    private static let headerBytes = 8
}
