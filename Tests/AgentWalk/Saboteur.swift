import MeshModel
import NetlinkWire
import Routing
import TestSupport
import WGKernel

/// Another program of this host, which means well. It has the agent's own way to the kernel, so it is as thorough on a
/// kernel in memory as on a real one.
struct Saboteur<Transport: NetlinkTransport> {
    let transport: Transport
    let settings: FakeSysctls

    private var host: HostNetwork<Transport> { HostNetwork(transport: transport) }
    private var device: WireGuardDevice<Transport> { WireGuardDevice(name: WalkModel.link, transport: transport) }

    /// Breaks one thing, if there is something to break.
    ///
    /// - Returns: what.
    func strike(using random: inout SeededGenerator) async throws -> String {
        let snapshot = try await host.snapshot(linkName: WalkModel.link)
        guard let link = snapshot.link else { return "(nothing is there)" }
        switch Int.random(in: 0..<16, using: &random) {
        case 0:
            try await host.apply([.removeLink(link: link.name)])
            return "(ip link del)"
        case 1:
            try await host.apply(links: [.setDown(link: link.name)])
            return "(ip link set down)"
        case 2:
            try await host.apply([.setMTU(link: link.name, mtuBytes: 1400)])
            return "(ip link set mtu)"
        case 3:
            let prefixes = snapshot.addresses(of: link).map(\.prefix)
            guard let prefix = prefixes.randomElement(using: &random) else { return "(no address)" }
            try await host.apply([.removeAddress(link: link.name, prefix)])
            return "(ip addr del)"
        case 4:
            let prefixes = snapshot.addresses(of: link).map(\.prefix)
            try await host.apply(prefixes.map { .removeAddress(link: link.name, $0) })
            return "(ip addr flush)"
        case 5:
            guard let route = snapshot.routes.filter({ $0.routeProtocol == 77 }).randomElement(using: &random) else {
                return "(no route)"
            }
            try await host.apply([removal(of: route, link)])
            return "(ip route del)"
        case 6:
            try await host.apply(snapshot.routes.filter { $0.routeProtocol == 77 }.map { removal(of: $0, link) })
            return "(ip route flush)"
        case 7, 8:
            let ours = try await host.rules().filter { WalkModel.marks.own($0) }
            try await host.apply(ours.map { RoutingOperation.removeRule($0) })
            return "(ip rule flush)"
        case 9:
            let guards = try await host.policySnapshot(table: WalkModel.marks.table).guards
            try await host.apply(guards.map { RoutingOperation.removeRoute($0) })
            return "(ip route flush type unreachable)"
        case 10:
            let tables = try await host.nftablesTables().map(\.name)
            if !tables.isEmpty { try await host.commit(tables.map { .removeTable($0) }) }
            return "(nft flush ruleset)"
        case 11:
            let path =
                [["ipv4", "ip_forward"], ["ipv4", "conf", "all", "rp_filter"]].randomElement(using: &random) ?? []
            guard let value = await settings.values[path] else { return "(no setting)" }
            try await settings.write(path.last == "ip_forward" ? "0" : "1", to: path)
            return "(sysctl -w, was \(value))"
        default:
            return try await strikeDevice(using: &random)
        }
    }

    private func strikeDevice(using random: inout SeededGenerator) async throws -> String {
        let current = try await device.snapshot()
        guard let peer = current.peers.randomElement(using: &random) else { return "(no peer)" }
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            try await device.apply([.removePeer(peer.publicKey)])
            return "(wg set peer remove)"
        case 1:
            try await device.apply([.removeAllPeers])
            return "(wg syncconf of nothing)"
        case 2:
            var change = PeerChange(publicKey: peer.publicKey)
            change.replaceAllowedIPs = true
            change.addedAllowedIPs = ["192.0.2.0/24", "10.0.0.0/16"].compactMap { IPPrefix($0) }
            try await device.apply([.setPeer(change)])
            return "(wg set allowed-ips)"
        case 3:
            var change = PeerChange(publicKey: WalkModel.key(77))
            change.addedAllowedIPs = WalkModel.addresses(of: 1).compactMap { IPPrefix($0) }
            try await device.apply([.setPeer(change)])
            return "(wg set of a foreign peer)"
        case 4:
            try await device.apply([.setFwmark(1), .setListenPort(WalkModel.port + 1)])
            return "(wg set fwmark listen-port)"
        default:
            guard let key = PrivateKey(bytes: [UInt8](repeating: 17, count: 32)) else {
                preconditionFailure("32 bytes")
            }
            try await device.apply([.setPrivateKey(key)])
            return "(wg set private-key)"
        }
    }

    private func removal(of route: RouteSnapshot, _ link: LinkSnapshot) -> HostOperation {
        .removeRoute(
            link: link.name,
            RouteConfiguration(
                destination: route.destination,
                table: route.table,
                metric: route.metric,
                routeProtocol: route.routeProtocol
            )
        )
    }
}
