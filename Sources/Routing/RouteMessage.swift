import CNetlink
import MeshModel
import NetlinkWire

/// `struct rtmsg` and its attributes.
enum RouteMessage {
    /// A dump of the routes through one link, in all tables; kernels before 4.20 ignore the filter.
    static func dump(isV4: Bool, linkIndex: UInt32) -> [UInt8] {
        let family = UInt8(isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6)
        var message = AttributeEncoder(header: [family] + [UInt8](repeating: 0, count: headerBytes - 1))
        message.append(outputLink, integer: linkIndex)
        return message.bytes
    }

    static func encode(_ route: RouteConfiguration, linkIndex: UInt32) -> [UInt8] {
        let isV4 = route.destination.isV4
        let family = UInt8(isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6)
        // No gateway: whatever the prefix matches is on the link itself. IPv6 has no scopes of this kind.
        let scope = UInt8(isV4 ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        let tableByte = UInt8(exactly: route.table) ?? UInt8(RT_TABLE_COMPAT.rawValue)
        let length = UInt8(route.destination.length)
        var header: [UInt8] = [family, length, 0, 0, tableByte, route.routeProtocol, scope, UInt8(RTN_UNICAST)]
        header.appendInteger(UInt32(0))  // rtm_flags
        var message = AttributeEncoder(header: header)
        if length > 0 { message.append(destination, bytes: route.destination.network.address.bytes) }
        message.append(outputLink, integer: linkIndex)
        message.append(table, integer: route.table)
        if route.metric != 0 { message.append(priority, integer: route.metric) }
        return message.bytes
    }

    /// - Returns: `nil` for what is no route to IP networks (cloned entries, other families).
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> RouteSnapshot? {
        guard payload.count >= headerBytes, let family = payload.integer(at: 0, as: UInt8.self),
            let length = payload.integer(at: 1, as: UInt8.self), let tableByte = payload.integer(at: 4, as: UInt8.self),
            let routeProtocol = payload.integer(at: 5, as: UInt8.self),
            let flags = payload.integer(at: 8, as: UInt32.self)
        else { throw DecodeError("rtmsg: \(payload.count) bytes, expected at least \(headerBytes)") }
        let isV4 = family == UInt8(CNETLINK_AF_INET)
        guard isV4 || family == UInt8(CNETLINK_AF_INET6), flags & UInt32(RTM_F_CLONED) == 0 else { return nil }
        var address = IPAddress(bytes: [UInt8](repeating: 0, count: isV4 ? 4 : 16))
        var tableNumber = UInt32(tableByte)
        var metric: UInt32 = 0
        var linkIndex: UInt32?
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            switch attribute.type {
            case destination: address = try attribute.address("RTA_DST")
            case outputLink: linkIndex = try attribute.integer("RTA_OIF")
            case table: tableNumber = try attribute.integer("RTA_TABLE")
            case priority: metric = try attribute.integer("RTA_PRIORITY")
            default: break
            }
        }
        guard let address, address.isV4 == isV4, let prefix = IPPrefix(address: address, length: Int(length)) else {
            throw DecodeError("rtmsg: prefix length \(length) in family \(family)")
        }
        return RouteSnapshot(
            destination: prefix,
            table: tableNumber,
            metric: metric,
            routeProtocol: routeProtocol,
            linkIndex: linkIndex
        )
    }

    private static let headerBytes = 12
    private static let destination = Int(RTA_DST.rawValue)
    private static let outputLink = Int(RTA_OIF.rawValue)
    private static let priority = Int(RTA_PRIORITY.rawValue)
    private static let table = Int(RTA_TABLE.rawValue)
}
