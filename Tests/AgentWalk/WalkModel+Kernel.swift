import MeshModel
import NetlinkWire
import Routing
import WGKernel

extension WalkModel {
    /// Compares what the kernel holds, as anybody reads it, with what it must hold.
    ///
    /// - Returns: one line for each difference.
    func differences(
        from transport: some NetlinkTransport,
        settings: [[String]: String]
    ) async throws(NetlinkError) -> [String] {
        var problems: [String] = []
        func expect(_ what: String, _ held: Set<String>, _ wanted: Set<String>) {
            let (more, less) = (held.subtracting(wanted).sorted(), wanted.subtracting(held).sorted())
            if !more.isEmpty { problems.append("\(what): too much: \(more)") }
            if !less.isEmpty { problems.append("\(what): missing: \(less)") }
        }
        let host = HostNetwork(transport: transport)
        let isThere = isEnabled && hasMap
        let carriers = carriers

        let snapshot = try await host.snapshot(linkName: Self.link)
        let links = snapshot.link.map { ["\($0.alias ?? "-") mtu \($0.mtuBytes) \($0.isUp ? "up" : "down")"] } ?? []
        expect("link", Set(links), isThere ? ["wgmesh mtu \(Self.mtuBytes) up"] : [])
        let addresses = snapshot.link.map { snapshot.addresses(of: $0).map { "\($0.prefix)" } } ?? []
        expect("addresses", Set(addresses), isThere ? ["100.64.0.99/16", "fd00:1::99/64"] : [])

        let routes = snapshot.routes.filter { $0.routeProtocol == 77 }.map { "\($0.destination) table \($0.table)" }
        let routed = carriers.keys.map { "\($0) table 7946" }
        expect(
            "routes",
            Set(routes),
            isThere ? Set(routed + ["100.64.0.0/16 table 254", "fd00:1::/64 table 254"]) : []
        )

        let policy = try await host.policySnapshot(table: Self.marks.table)
        let rules = policy.rules.filter { $0.ruleProtocol == 77 && $0.priority != 7946 }
            .map { "\($0.isV4 ? 4 : 6) \($0.priority)" }
        expect("rules", Set(rules), carriers.isEmpty ? [] : ["4 7947", "4 7948", "6 7947", "6 7948"])
        let hasExit = carriers.keys.contains { $0.hasSuffix("/0") }
        let guards = policy.guards.filter { $0.routeProtocol == 77 }.map { "\($0.destination)" }
        expect("guards", Set(guards), hasExit ? ["0.0.0.0/0", "::/0"] : [])

        let tables = try await host.nftablesTables().map(\.name.name)
        expect("nftables", Set(tables), isThere && (hasExit || servesNetwork) ? ["wgmesh"] : [])
        let ruleset = try await host.nftablesRuleset(Self.marks.nftablesTable)
        let chains = Set(ruleset?.chains.map(\.name.name) ?? [])
        let isServing = isThere && servesNetwork
        expect("drain", chains.intersection(["drain"]), isServing && isDraining ? ["drain"] : [])
        let forwarding = settings[["ipv4", "ip_forward"]] ?? "-"
        expect("ip_forward", [forwarding], [isServing ? "1" : "0"])
        let filter = settings[["ipv4", "conf", "all", "rp_filter"]] ?? "-"
        expect("rp_filter", [filter], [hasExit ? "2" : "1"])
        if isThere { try await comparePeers(transport, carriers, expect) }
        return problems
    }

    private func comparePeers(
        _ transport: some NetlinkTransport,
        _ carriers: [String: UInt8],
        _ expect: (String, Set<String>, Set<String>) -> Void
    ) async throws(NetlinkError) {
        let device = try await WireGuardDevice(name: Self.link, transport: transport).snapshot()
        let held = device.peers.map { peer in
            "\(peer.publicKey.bytes.first ?? 0): \(Set(peer.allowedIPs.map(\.description)).sorted())"
                + " keepalive \(peer.persistentKeepaliveSeconds)"
        }
        // None of these peers is ever found, so there is nowhere to send keepalives.
        let wanted = Self.peers.filter { $0 != 4 || hasPeer4 }.map { number in
            let carried = carriers.filter { $0.value == number }.keys
            return "\(number): \(Set(Self.addresses(of: number) + carried).sorted()) keepalive 0"
        }
        expect("peers", Set(held), Set(wanted))
        let key = device.privateKey == Self.privateKey ? "ours" : "not ours"
        expect(
            "device",
            ["port \(device.listenPort) fwmark \(device.fwmark) key \(key)"],
            ["port \(Self.port) fwmark \(Self.marks.fwmark) key ours"]
        )
    }
}
