import CNetlink
import MeshModel
import NetlinkWire
import Routing
import WGKernel

/// Links, addresses and routes, after net/core/rtnetlink.c, devinet.c, addrconf.c and the fib.
extension FakeKernel {
    func changeHost(type: Int, payload: ArraySlice<UInt8>) throws(Refusal) {
        switch type {
        case RTM_NEWLINK: try createLink(payload)
        case RTM_SETLINK: try setLink(payload)
        case RTM_DELLINK: removeLink(index: links[try position(of: payload)].index)
        case RTM_NEWADDR, RTM_DELADDR: try changeAddress(payload, isRemoval: type == RTM_DELADDR)
        case RTM_NEWROUTE, RTM_DELROUTE: try changeRoute(payload, isRemoval: type == RTM_DELROUTE)
        default: throw Refusal(EOPNOTSUPP)
        }
    }

    func removeLink(index: UInt32) {
        for link in links where link.index == index { devices[link.name] = nil }
        links.removeAll { $0.index == index }
        addresses.removeAll { $0.linkIndex == index }
        routes.removeAll { $0.linkIndex == index }
    }

    private func createLink(_ payload: ArraySlice<UInt8>) throws(Refusal) {
        let values = try attributes(payload.dropFirst(16))
        guard let name = values[IFLA_IFNAME].map(text) else { throw Refusal(EINVAL) }
        guard !links.contains(where: { $0.name == name }) else { throw Refusal(EEXIST) }
        let index = payload.integer(at: 4, as: UInt32.self) ?? 0
        // The kernel looks for a link with the index first, and finds that it need not make one.
        guard index == 0 || !links.contains(where: { $0.index == index }) else { throw Refusal(EEXIST) }
        let info = try attributes(values[IFLA_LINKINFO] ?? [])
        guard info[IFLA_INFO_KIND].map(text) == "wireguard", traits.hasWireGuard else {
            throw Refusal(EOPNOTSUPP, "Unknown device type")
        }
        var link = LinkSnapshot(index: index == 0 ? nextIndex : index, name: name, kind: "wireguard", mtuBytes: 1420)
        nextIndex = max(nextIndex, link.index) + 1
        if let mtu = values[IFLA_MTU]?.integer(at: 0, as: UInt32.self) { link.mtuBytes = mtu }
        if let group = values[IFLA_GROUP]?.integer(at: 0, as: UInt32.self) { link.group = group }
        // An alias is not read here: `rtnl_create_link` knows none.
        links.append(link)
        devices[name] = DeviceSnapshot(name: name, index: link.index)
    }

    private func setLink(_ payload: ArraySlice<UInt8>) throws(Refusal) {
        let position = try position(of: payload)
        let values = try attributes(payload.dropFirst(16))
        if values[IFLA_NET_NS_PID] != nil || values[IFLA_NET_NS_FD] != nil {
            removeLink(index: links[position].index)
            return
        }
        if let name = values[IFLA_IFNAME].map(text) { try rename(position, to: name) }
        if let mtu = values[IFLA_MTU]?.integer(at: 0, as: UInt32.self) { links[position].mtuBytes = mtu }
        if let group = values[IFLA_GROUP]?.integer(at: 0, as: UInt32.self) { links[position].group = group }
        if let alias = values[IFLA_IFALIAS].map(text) { links[position].alias = alias.isEmpty ? nil : alias }
        let state = payload.integer(at: 8, as: UInt32.self) ?? 0
        let mask = payload.integer(at: 12, as: UInt32.self) ?? 0
        guard mask & UInt32(CNETLINK_IFF_UP) != 0 else { return }
        let goesUp = state & UInt32(CNETLINK_IFF_UP) != 0
        let link = links[position]
        if goesUp, !link.isUp, let port = devices[link.name]?.listenPort {
            guard port == 0 || !takenPorts.contains(port) else { throw Refusal(EADDRINUSE) }
            if port == 0 { devices[link.name]?.listenPort = 40_000 + UInt16(truncatingIfNeeded: link.index) }
        }
        links[position].isUp = goesUp
        // The fib drops the routes of a link that goes down.
        if !goesUp { routes.removeAll { $0.linkIndex == link.index } }
    }

    /// `dev_change_name` before kernel 6.2: not while the link is up.
    private func rename(_ position: Int, to name: String) throws(Refusal) {
        let link = links[position]
        guard !link.isUp else { throw Refusal(EBUSY) }
        guard !links.contains(where: { $0.name == name }) else { throw Refusal(EEXIST) }
        links[position].name = name
        if var device = devices.removeValue(forKey: link.name) {
            device.name = name
            devices[name] = device
        }
    }

    private func changeAddress(_ payload: ArraySlice<UInt8>, isRemoval: Bool) throws(Refusal) {
        let values = try attributes(payload.dropFirst(8))
        guard let length = payload.integer(at: 1, as: UInt8.self), let index = payload.integer(at: 4, as: UInt32.self),
            let bytes = values[IFA_LOCAL] ?? values[IFA_ADDRESS], let address = IPAddress(bytes: bytes),
            let prefix = IPPrefix(address: address, length: Int(length))
        else { throw Refusal(EINVAL) }
        guard let link = links.first(where: { $0.index == index }) else { throw Refusal(ENODEV) }
        let isPresent = addresses.contains { $0.linkIndex == index && $0.prefix == prefix }
        if isRemoval {
            guard isPresent else { throw Refusal(EADDRNOTAVAIL) }
            removeAddress(prefix, linkIndex: index)
            return
        }
        guard !isPresent else { throw Refusal(EEXIST) }
        var flags = values[IFA_FLAGS]?.integer(at: 0, as: UInt32.self) ?? 0
        let isSecondary = addresses.contains { $0.linkIndex == index && $0.prefix.network == prefix.network }
        if prefix.isV4, isSecondary { flags |= UInt32(IFA_F_SECONDARY) }
        addresses.append(AddressSnapshot(linkIndex: index, prefix: prefix, flags: flags))
        guard flags & UInt32(IFA_F_NOPREFIXROUTE) == 0, link.isUp, !prefix.isHost else { return }
        let prefixRoute = RouteSnapshot(
            destination: prefix.network,
            table: 254,
            metric: prefix.isV4 ? 0 : 256,
            routeProtocol: 2,  // RTPROT_KERNEL
            linkIndex: index
        )
        routes.append(prefixRoute)
    }

    /// The first v4 address of a network takes the others along, and the last v4 address of a link the v4 routes.
    private func removeAddress(_ prefix: IPPrefix, linkIndex: UInt32) {
        let isPrimary = addresses.contains { address in
            address.linkIndex == linkIndex && address.prefix == prefix && address.flags & UInt32(IFA_F_SECONDARY) == 0
        }
        addresses.removeAll { address in
            guard address.linkIndex == linkIndex else { return false }
            return address.prefix == prefix
                || (isPrimary && prefix.isV4 && address.prefix.network == prefix.network)
        }
        let hasV4 = addresses.contains { $0.linkIndex == linkIndex && $0.prefix.isV4 }
        if prefix.isV4, !hasV4 { routes.removeAll { $0.linkIndex == linkIndex && $0.destination.isV4 } }
    }

    private func changeRoute(_ payload: ArraySlice<UInt8>, isRemoval: Bool) throws(Refusal) {
        let route = try decodeRoute(payload)
        let isSame = { (other: RouteSnapshot) in
            other.destination == route.destination && other.table == route.table && other.metric == route.metric
        }
        if isRemoval {
            let isMeant = { (other: RouteSnapshot) in
                isSame(other) && other.linkIndex == route.linkIndex && other.routeProtocol == route.routeProtocol
            }
            guard routes.contains(where: isMeant) else { throw Refusal(ESRCH) }
            routes.removeAll(where: isMeant)
            return
        }
        guard let link = links.first(where: { $0.index == route.linkIndex }) else { throw Refusal(ENODEV) }
        guard link.isUp else { throw Refusal(ENETDOWN, "Device for nexthop is not up") }
        // NLM_F_EXCL: the kernel tells routes apart by destination, table and metric, not by link.
        guard !routes.contains(where: isSame) else { throw Refusal(EEXIST) }
        routes.append(route)
    }

    private func decodeRoute(_ payload: ArraySlice<UInt8>) throws(Refusal) -> RouteSnapshot {
        let values = try attributes(payload.dropFirst(12))
        guard let family = payload.first, let length = payload.integer(at: 1, as: UInt8.self),
            let tableByte = payload.integer(at: 4, as: UInt8.self),
            let routeProtocol = payload.integer(at: 5, as: UInt8.self),
            let index = values[Int(RTA_OIF.rawValue)]?.integer(at: 0, as: UInt32.self)
        else { throw Refusal(EINVAL) }
        let isV4 = family == UInt8(CNETLINK_AF_INET)
        let zero = [UInt8](repeating: 0, count: isV4 ? 4 : 16)[...]
        guard let address = IPAddress(bytes: values[Int(RTA_DST.rawValue)] ?? zero), address.isV4 == isV4,
            let destination = IPPrefix(address: address, length: Int(length)), destination.network == destination
        else { throw Refusal(EINVAL, "Invalid prefix for given prefix length") }
        var metric = values[Int(RTA_PRIORITY.rawValue)]?.integer(at: 0, as: UInt32.self) ?? 0
        if metric == 0, !isV4 { metric = 1024 }  // IP6_RT_PRIO_USER
        let table = values[Int(RTA_TABLE.rawValue)]?.integer(at: 0, as: UInt32.self) ?? UInt32(tableByte)
        return RouteSnapshot(
            destination: destination,
            table: table,
            metric: metric,
            routeProtocol: routeProtocol,
            linkIndex: index
        )
    }

    private func position(of payload: ArraySlice<UInt8>) throws(Refusal) -> Int {
        guard let index = payload.integer(at: 4, as: UInt32.self), payload.count >= 16 else { throw Refusal(EINVAL) }
        guard let position = links.firstIndex(where: { $0.index == index }) else { throw Refusal(ENODEV) }
        return position
    }
}

/// Dumps.
extension FakeKernel {
    /// One link by its name.
    func readLink(_ payload: ArraySlice<UInt8>) throws(Refusal) -> [NetlinkMessage] {
        let name = try attributes(payload.dropFirst(16))[IFLA_IFNAME].map(text)
        guard let position = links.firstIndex(where: { $0.name == name }) else { throw Refusal(ENODEV) }
        return [dumpLinks()[position]]
    }

    func dumpLinks() -> [NetlinkMessage] {
        links.map { link in
            var header: [UInt8] = [0, 0, 0, 0]
            header.appendInteger(link.index)
            let up = link.isUp ? CNETLINK_IFF_UP : 0
            let loopback = link.isLoopback ? CNETLINK_IFF_LOOPBACK : 0
            header.appendInteger(UInt32(up | loopback))
            var encoder = AttributeEncoder(header: header + [0, 0, 0, 0])
            encoder.append(IFLA_IFNAME, string: link.name)
            encoder.append(IFLA_MTU, integer: link.mtuBytes)
            encoder.append(IFLA_GROUP, integer: link.group)
            if let alias = link.alias { encoder.append(IFLA_IFALIAS, string: alias) }
            if let kind = link.kind { encoder.nest(IFLA_LINKINFO) { $0.append(IFLA_INFO_KIND, string: kind) } }
            return reply(RTM_NEWLINK, encoder)
        }
    }

    func dumpAddresses() -> [NetlinkMessage] {
        addresses.map { address in
            var header = [family(of: address.prefix), UInt8(address.prefix.length), 0, 0]
            header.appendInteger(address.linkIndex)
            var encoder = AttributeEncoder(header: header)
            encoder.append(IFA_ADDRESS, bytes: address.prefix.address.bytes)
            if address.prefix.isV4 { encoder.append(IFA_LOCAL, bytes: address.prefix.address.bytes) }
            encoder.append(IFA_FLAGS, integer: address.flags)
            return reply(RTM_NEWADDR, encoder)
        }
    }

    func dumpRoutes(_ payload: ArraySlice<UInt8>) throws(Refusal) -> [NetlinkMessage] {
        guard let wanted = payload.first, payload.count >= 12 else { throw Refusal(EINVAL) }
        // rtm_type: strict checking lets the kernel filter by it.
        if Array(payload)[7] == UInt8(RTN_UNREACHABLE) { return dumpGuards(payload) }
        let filter = try attributes(payload.dropFirst(12))[Int(RTA_OIF.rawValue)]?.integer(at: 0, as: UInt32.self)
        let matching = routes.filter { route in
            family(of: route.destination) == wanted && (filter == nil || filter == route.linkIndex)
        }
        return matching.map { route in
            let table = UInt8(exactly: route.table) ?? UInt8(RT_TABLE_COMPAT.rawValue)
            let length = UInt8(route.destination.length)
            let header = [family(of: route.destination), length, 0, 0, table, route.routeProtocol, 0, 1, 0, 0, 0, 0]
            var encoder = AttributeEncoder(header: header)
            encoder.append(Int(RTA_TABLE.rawValue), integer: route.table)
            if length > 0 { encoder.append(Int(RTA_DST.rawValue), bytes: route.destination.address.bytes) }
            if route.metric != 0 { encoder.append(Int(RTA_PRIORITY.rawValue), integer: route.metric) }
            if let index = route.linkIndex { encoder.append(Int(RTA_OIF.rawValue), integer: index) }
            return reply(RTM_NEWROUTE, encoder)
        }
    }
}

private func attributes(_ bytes: ArraySlice<UInt8>) throws(Refusal) -> [Int: ArraySlice<UInt8>] {
    try Refusal.reading { () throws(DecodeError) in
        var values: [Int: ArraySlice<UInt8>] = [:]
        try AttributeDecoder.forEach(bytes) { values[$0.type] = $0.payload }
        return values
    }
}

private func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }

private func family(of prefix: IPPrefix) -> UInt8 {
    UInt8(prefix.isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6)
}

private func reply(_ type: Int, _ encoder: AttributeEncoder) -> NetlinkMessage {
    NetlinkMessage(type: UInt16(type), flags: UInt16(NLM_F_MULTI), payload: encoder.bytes)
}
