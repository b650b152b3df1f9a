import CNetlink
import MeshModel
import NetlinkWire

/// `struct rtmsg` and its attributes.
enum RouteMessage {
    /// A dump of routes of one family; kernels before 4.20 ignore the filters.
    ///
    /// - Parameters:
    ///   - linkIndex: only routes through this link; `nil`: all.
    ///   - table: only routes of this table; `nil`: all.
    ///   - kind: only routes of this kind; `nil`: all.
    static func dump(
        isV4: Bool,
        linkIndex: UInt32? = nil,
        table: UInt32? = nil,
        kind: Route.Kind? = nil
    ) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: headerBytes)
        header[0] = family(isV4: isV4)
        if let table { header[4] = tableByte(table) }
        if let kind { header[7] = kind.rawValue }
        var message = AttributeEncoder(header: header)
        if let linkIndex { message.append(RTA_OIF.rawValue, linkIndex) }
        if let table { message.append(RTA_TABLE.rawValue, table) }
        return message.bytes
    }

    static func encode(_ route: RouteConfiguration, linkIndex: UInt32) -> [UInt8] {
        encode(
            Route(
                to: route.destination,
                table: route.table,
                metric: route.metric,
                routeProtocol: route.routeProtocol,
                // No gateway: whatever the prefix matches is on the link itself. IPv6 has no scopes of this kind.
                scope: UInt8(route.destination.isV4 ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue),
                target: .hop(Route.Hop(linkIndex: linkIndex))
            )
        )
    }

    static func encode(_ route: Route) -> [UInt8] {
        let isV4 = route.destination.isV4
        var header: [UInt8] = [
            family(isV4: isV4), UInt8(route.destination.length), UInt8(route.source?.length ?? 0), route.typeOfService,
            tableByte(route.table), route.routeProtocol, route.scope, route.kind.rawValue,
        ]
        var flags: UInt32 = 0
        if case .hop(let hop) = route.target, hop.isOnLink { flags = UInt32(RTNH_F_ONLINK) }
        header.appendInteger(flags)
        var message = AttributeEncoder(header: header)
        if route.destination.length > 0 {
            let address = route.destination.network.address
            message.append(Int(RTA_DST.rawValue), count: address.bitWidth / 8) { address.append(to: &$0) }
        }
        if let source = route.source, source.length > 0 {
            message.append(Int(RTA_SRC.rawValue), bytes: source.network.address.bytes)
        }
        switch route.target {
        case .none: break
        case .hop(let hop):
            if let gateway = hop.gateway { message.append(gateway: gateway, isV4: isV4) }
            if let index = hop.linkIndex { message.append(RTA_OIF.rawValue, index) }
        case .multipath(let hops): message.append(Int(RTA_MULTIPATH.rawValue), bytes: encode(hops, isV4: isV4))
        case .nexthop(let id): message.append(RTA_NH_ID.rawValue, id)
        }
        message.append(RTA_TABLE.rawValue, route.table)
        if route.metric != 0 { message.append(RTA_PRIORITY.rawValue, route.metric) }
        if let source = route.preferredSource { message.append(Int(RTA_PREFSRC.rawValue), bytes: source.bytes) }
        guard route.mtuBytes != nil || route.advertisedMSSBytes != nil else { return message.bytes }
        message.nest(Int(RTA_METRICS.rawValue)) { metrics in
            if route.isMTULocked { metrics.append(metricLock, integer: UInt32(1) << UInt32(metricMTU)) }
            if let mtu = route.mtuBytes { metrics.append(metricMTU, integer: mtu) }
            if let mss = route.advertisedMSSBytes { metrics.append(metricAdvertisedMSS, integer: mss) }
        }
        return message.bytes
    }

    /// - Returns: `nil` for what is no route to IP networks (cloned entries, other families, unknown kinds).
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> RouteSnapshot? {
        guard let route = try decodeRoute(payload) else { return nil }
        return RouteSnapshot(
            destination: route.destination,
            table: route.table,
            metric: route.metric,
            routeProtocol: route.routeProtocol,
            linkIndex: route.linkIndex
        )
    }

    /// - Returns: as `decode`.
    static func decodeRoute(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> Route? {
        guard payload.count >= headerBytes, let flags = payload.integer(at: 8, as: UInt32.self) else {
            throw DecodeError("rtmsg: \(payload.count) bytes, expected at least \(headerBytes)")
        }
        let header = Array(payload.prefix(headerBytes))
        let isV4 = header[0] == family(isV4: true)
        guard isV4 || header[0] == family(isV4: false), flags & UInt32(RTM_F_CLONED) == 0,
            let kind = Route.Kind(rawValue: header[7])
        else { return nil }
        var fields = RouteFields()
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            try fields.read(attribute, isV4: isV4)
        }
        var route = Route(
            kind,
            to: try prefix(fields.destination, length: header[1], isV4: isV4, "RTA_DST"),
            table: fields.table ?? UInt32(header[4]),
            metric: fields.metric,
            routeProtocol: header[5],
            scope: header[6],
            typeOfService: header[3]
        )
        if header[2] > 0 { route.source = try prefix(fields.source, length: header[2], isV4: isV4, "RTA_SRC") }
        route.preferredSource = fields.preferredSource
        route.mtuBytes = fields.mtuBytes
        route.isMTULocked = fields.isMTULocked
        route.advertisedMSSBytes = fields.advertisedMSSBytes
        // IPv6 reports the loopback link for kinds that send nowhere.
        let isDeadEnd = [.blackhole, .unreachable, .prohibit, .throw].contains(kind)
        if !isDeadEnd { route.target = fields.target(isOnLink: flags & UInt32(RTNH_F_ONLINK) != 0) }
        return route
    }

    static func family(isV4: Bool) -> UInt8 { UInt8(isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6) }

    /// The header has one byte for a table; `RTA_TABLE` says the number.
    static func tableByte(_ table: UInt32) -> UInt8 { UInt8(exactly: table) ?? UInt8(RT_TABLE_COMPAT.rawValue) }

    /// - Parameter address: `nil`: all zero, which the kernel leaves out.
    static func prefix(
        _ address: IPAddress?,
        length: UInt8,
        isV4: Bool,
        _ name: String
    ) throws(DecodeError) -> IPPrefix {
        let address = address ?? IPAddress(bytes: [UInt8](repeating: 0, count: isV4 ? 4 : 16))
        guard let address, address.isV4 == isV4, let prefix = IPPrefix(address: address, length: Int(length)) else {
            throw DecodeError("prefix length \(length) in family \(family(isV4: isV4))", path: [name])
        }
        return prefix
    }

    /// `struct rtnexthop` (8 bytes) and attributes for each.
    private static func encode(_ hops: [Route.Hop], isV4: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for hop in hops {
            var attributes = AttributeEncoder()
            if let gateway = hop.gateway { attributes.append(gateway: gateway, isV4: isV4) }
            bytes.appendInteger(UInt16(hopBytes + attributes.bytes.count))
            bytes.append(hop.isOnLink ? UInt8(RTNH_F_ONLINK) : 0)
            // rtnh_hops is one less than the weight.
            bytes.append(UInt8(truncatingIfNeeded: min(max(hop.weight, 1), 256) - 1))
            bytes.appendInteger(hop.linkIndex ?? 0)
            bytes += attributes.bytes
        }
        return bytes
    }

    static let hopBytes = 8
    static let metricLock = Int(RTAX_LOCK)
    static let metricMTU = Int(RTAX_MTU)
    static let metricAdvertisedMSS = Int(RTAX_ADVMSS)
    private static let headerBytes = 12
}

/// The attributes of a route while they are read.
private struct RouteFields {
    var destination: IPAddress?
    var source: IPAddress?
    var preferredSource: IPAddress?
    var table: UInt32?
    var metric: UInt32 = 0
    var gateway: IPAddress?
    var linkIndex: UInt32?
    var hops: [Route.Hop]?
    var nexthopID: UInt32?
    var mtuBytes: UInt32?
    var isMTULocked = false
    var advertisedMSSBytes: UInt32?

    mutating func read(_ attribute: Attribute, isV4: Bool) throws(DecodeError) {
        switch UInt32(attribute.type) {
        case RTA_DST.rawValue: destination = try attribute.address("RTA_DST")
        case RTA_SRC.rawValue: source = try attribute.address("RTA_SRC")
        case RTA_PREFSRC.rawValue: preferredSource = try attribute.address("RTA_PREFSRC")
        case RTA_GATEWAY.rawValue: gateway = try attribute.address("RTA_GATEWAY")
        case RTA_VIA.rawValue: gateway = try attribute.via("RTA_VIA")
        case RTA_OIF.rawValue: linkIndex = try attribute.integer("RTA_OIF")
        case RTA_TABLE.rawValue: table = try attribute.integer("RTA_TABLE")
        case RTA_PRIORITY.rawValue: metric = try attribute.integer("RTA_PRIORITY")
        case RTA_NH_ID.rawValue: nexthopID = try attribute.integer("RTA_NH_ID")
        case RTA_MULTIPATH.rawValue:
            do throws(DecodeError) {
                hops = try decodeHops(attribute.payload)
            } catch {
                throw error.inside("RTA_MULTIPATH")
            }
        case RTA_METRICS.rawValue:
            try attribute.forEachNested("RTA_METRICS") { metric throws(DecodeError) in
                switch metric.type {
                case RouteMessage.metricMTU: mtuBytes = try metric.integer("RTAX_MTU")
                case RouteMessage.metricAdvertisedMSS: advertisedMSSBytes = try metric.integer("RTAX_ADVMSS")
                case RouteMessage.metricLock:
                    let locked: UInt32 = try metric.integer("RTAX_LOCK")
                    isMTULocked = locked & 1 << UInt32(RouteMessage.metricMTU) != 0
                default: break
                }
            }
        default: break
        }
    }

    /// With a nexthop object the kernel reports what is in it too; the object is what the route was made with.
    func target(isOnLink: Bool) -> Route.Target {
        if let nexthopID { return .nexthop(id: nexthopID) }
        if let hops { return .multipath(hops) }
        if linkIndex == nil, gateway == nil { return .none }
        return .hop(Route.Hop(linkIndex: linkIndex, gateway: gateway, isOnLink: isOnLink))
    }
}

private func decodeHops(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> [Route.Hop] {
    var hops: [Route.Hop] = []
    var rest = payload
    while !rest.isEmpty {
        guard let length = rest.integer(at: 0, as: UInt16.self), let flags = rest.integer(at: 2, as: UInt8.self),
            let lessOne = rest.integer(at: 3, as: UInt8.self), let index = rest.integer(at: 4, as: UInt32.self),
            Int(length) >= RouteMessage.hopBytes, Int(length) <= rest.count
        else { throw DecodeError("rtnexthop: \(rest.count) bytes, or a length that does not fit them") }
        var hop = Route.Hop(linkIndex: index == 0 ? nil : index, weight: Int(lessOne) + 1)
        hop.isOnLink = UInt32(flags) & UInt32(RTNH_F_ONLINK) != 0
        let attributes = rest.prefix(Int(length)).dropFirst(RouteMessage.hopBytes)
        do throws(DecodeError) {
            try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
                switch UInt32(attribute.type) {
                case RTA_GATEWAY.rawValue: hop.gateway = try attribute.address("RTA_GATEWAY")
                case RTA_VIA.rawValue: hop.gateway = try attribute.via("RTA_VIA")
                default: break
                }
            }
        } catch {
            throw error.inside("[\(hops.count)]")
        }
        hops.append(hop)
        rest = rest.dropFirst(paddedToWord(Int(length)))
    }
    return hops
}

extension AttributeEncoder {
    mutating func append(_ type: UInt32, _ number: UInt32) { append(Int(type), integer: number) }

    /// A gateway of the other family travels with its family (`struct rtvia`).
    mutating func append(gateway: IPAddress, isV4: Bool) {
        if gateway.isV4 == isV4 {
            append(Int(RTA_GATEWAY.rawValue), bytes: gateway.bytes)
        } else {
            var via: [UInt8] = []
            via.appendInteger(UInt16(RouteMessage.family(isV4: gateway.isV4)))
            append(Int(RTA_VIA.rawValue), bytes: via + gateway.bytes)
        }
    }
}

extension Attribute {
    /// `struct rtvia`: a family of two bytes and an address.
    fileprivate func via(_ name: String) throws(DecodeError) -> IPAddress {
        guard let address = IPAddress(bytes: payload.dropFirst(2)) else {
            throw DecodeError("\(payload.count) bytes, expected 6 or 18", path: [name])
        }
        return address
    }
}
