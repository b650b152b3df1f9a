import MapCompiler
import MeshModel
import TestSupport
import Testing

struct NetworkMapCompilerTests {
    /// Three peers; A = {1, 2}, B = {3}, All.
    private func directory(_ rules: PolicyRule...) -> Directory {
        Directory.sample(
            peers: 3,
            groups: ["A": [1, 2], "B": [3]],
            policies: ["p": Policy(rules: rules)]
        )
    }

    private func rule(
        _ id: String = "r",
        from source: PeerSelection = .named("A"),
        to destination: PeerSelection = .named("B"),
        isBidirectional: Bool = false,
        action: FirewallRule.Action = .accept,
        transport: FirewallRule.Transport = .all,
        ports: [UInt16] = [],
        portRanges: [ClosedRange<UInt16>] = []
    ) -> PolicyRule {
        PolicyRule(
            id: id,
            sources: source,
            destinations: destination,
            isBidirectional: isBidirectional,
            action: action,
            transport: transport,
            ports: ports,
            portRanges: portRanges
        )
    }

    @Test func `a one-way rule is outbound at its source and inbound at its destination`() throws {
        let directory = directory(rule(transport: .tcp, ports: [443]))
        let source = try #require(compile(directory, for: .number(1)))
        #expect(source.peers.map(\.fqdn) == ["p3.mesh.example"])
        #expect(source.summary == ["out 100.64.0.3/32 tcp one(443)", "out fd00::3/128 tcp one(443)"])
        let destination = try #require(compile(directory, for: .number(3)))
        #expect(destination.peers.map(\.fqdn) == ["p1.mesh.example", "p2.mesh.example"])
        #expect(
            destination.summary == [
                "in 100.64.0.1/32 tcp one(443)", "in fd00::1/128 tcp one(443)",
                "in 100.64.0.2/32 tcp one(443)", "in fd00::2/128 tcp one(443)",
            ]
        )
    }

    @Test func `a bidirectional rule opens both ways, a source's inbound rules first`() throws {
        let directory = directory(rule(isBidirectional: true, transport: .icmp))
        #expect(
            try #require(compile(directory, for: .number(1))).summary == [
                "in 100.64.0.3/32 icmp any", "in fd00::3/128 icmp any",
                "out 100.64.0.3/32 icmp any", "out fd00::3/128 icmp any",
            ]
        )
    }

    @Test func `a peer on both sides never meets itself`() throws {
        let directory = directory(rule(from: .named("All"), to: .named("All"), isBidirectional: true))
        for number in 1...3 {
            let map = try #require(compile(directory, for: .number(number)))
            #expect(map.peers.count == 2)
            #expect(Set(map.firewallRules).count == map.firewallRules.count)
            #expect(map.firewallRules.count == 8)  // two peers, two directions, two families
        }
    }

    @Test func `a drop rule connects the peers and drops`() throws {
        let map = try #require(compile(directory(rule(action: .drop)), for: .number(1)))
        #expect(map.peers.count == 1)
        #expect(map.firewallRules.map(\.action) == [.drop, .drop])
    }

    @Test func `disabled rules and policies do nothing`() throws {
        var off = rule()
        off.isEnabled = false
        #expect(try #require(compile(directory(off), for: .number(1))).peers.isEmpty)
        var directory = directory(rule())
        directory.policies["p"]?.isEnabled = false
        #expect(try #require(compile(directory, for: .number(1))).peers.isEmpty)
    }

    @Test func `ports beat ranges, and old agents get only ranges of one port`() throws {
        func ports(_ version: String, _ rule: PolicyRule) throws -> [FirewallRule.Ports] {
            var directory = directory(rule)
            directory.peers[.number(1)]?.meta.agentVersion = version
            directory.peers[.number(3)]?.addressV6 = nil
            return try #require(compile(directory, for: .number(1))).firewallRules.map(\.ports)
        }
        let ranges = rule(transport: .udp, portRanges: [80...90, 99...99])
        #expect(try ports("0.48.0", ranges) == [.range(80...90), .range(99...99)])
        #expect(try ports("development", ranges) == [.range(80...90), .range(99...99)])
        #expect(try ports("0.47.9", ranges) == [.one(99)])
        #expect(try ports("", ranges) == [.one(99)])
        #expect(
            try ports("0.60.0", rule(transport: .udp, ports: [5, 1], portRanges: [80...90])) == [.one(5), .one(1)]
        )
        #expect(try ports("0.60.0", rule(transport: .tcp)) == [.any])
        #expect(try ports("0.60.0", rule(transport: .all, ports: [5])) == [.any])
    }

    @Test func `an SSH rule covers the agent's own SSH server where there is one`() throws {
        func ports(_ change: (inout Peer) -> Void) throws -> [FirewallRule.Ports] {
            var directory = directory(rule(transport: .tcp, ports: [22]))
            directory.peers[.number(1)]?.addressV6 = nil
            directory.peers[.number(3)].map { peer in
                var changed = peer
                changed.addressV6 = nil
                changed.isSSHEnabled = true
                changed.meta.allowsSSHServer = true
                change(&changed)
                directory.peers[.number(3)] = changed
            }
            let map = try #require(compile(directory, for: .number(3)))
            return map.firewallRules.filter { $0.peer == IPPrefix("100.64.0.1/32") }.map(\.ports)
        }
        #expect(try ports { _ in } == [.one(22), .one(22022)])
        #expect(try ports { $0.isSSHEnabled = false } == [.one(22)])
        #expect(try ports { $0.meta.allowsSSHServer = false } == [.one(22)])
        #expect(try ports { $0.meta.agentVersion = "0.59.9" } == [.one(22)])
    }

    @Test func `the group of all peers counts alone among several`() throws {
        var directory = directory(rule(from: .groups([.named("A"), .named("All")])))
        directory.groups[.named("All")]?.members.remove(.number(2))
        #expect(try #require(compile(directory, for: .number(3))).peers.map(\.fqdn) == ["p1.mesh.example"])
    }

    @Test func `IPv6 goes to those who take it, about everybody who has it`() throws {
        var directory = directory(rule(from: .named("All"), to: .named("All"), isBidirectional: true))
        directory.peers[.number(2)]?.meta.isIPv6Disabled = true
        directory.peers[.number(3)]?.addressV6 = nil
        let first = try #require(compile(directory, for: .number(1)))
        #expect(first.own?.addressV6 == IPPrefix("fd00::1/64"))
        #expect(first.peers.map(\.allowedIPs.count) == [2, 1])
        let names = try #require(first.dns?.zones.first?.records.map { "\($0.name) \($0.data)" })
        #expect(names.count == 4)  // p1 has two, the others one: no AAAA for a peer that does not take IPv6
        let second = try #require(compile(directory, for: .number(2)))
        #expect(second.own?.addressV6 == nil)
        #expect(second.peers.map(\.allowedIPs.count) == [1, 1])
        #expect(second.firewallRules.allSatisfy { $0.peer.isV4 })
    }

    @Test func `an unapproved peer sees its own address and nobody, and nobody sees it`() throws {
        var directory = directory(rule(from: .named("All"), to: .named("All"), isBidirectional: true))
        directory.peers[.number(2)]?.isValidated = false
        let map = try #require(compile(directory, for: .number(2)))
        #expect(map.own != nil && map.peers.isEmpty && map.firewallRules.isEmpty && map.dns?.isEnabled == false)
        #expect(try #require(compile(directory, for: .number(1))).peers.map(\.fqdn) == ["p3.mesh.example"])
    }

    @Test func `a peer with an expired login is known, with rules and a name, but not connected`() throws {
        var directory = directory(rule(from: .named("All"), to: .named("All"), isBidirectional: true))
        let before = try #require(compile(directory, for: .number(1)))
        directory.peers[.number(2)]?.isLoginExpired = true
        let map = try #require(compile(directory, for: .number(1)))
        #expect(map.peers.map(\.fqdn) == ["p3.mesh.example"] && map.offlinePeers.map(\.fqdn) == ["p2.mesh.example"])
        #expect(map.firewallRules == before.firewallRules && map.dns == before.dns)
    }

    @Test func `an unknown peer has no map`() {
        #expect(compile(directory(), for: .number(9)) == nil)
    }

    @Test func `one old agent keeps everybody on the old forwarder port`() throws {
        var directory = directory(rule())
        #expect(try #require(compile(directory, for: .number(1))).dns?.forwarderPort == 22054)
        directory.peers[.number(3)]?.meta.agentVersion = "0.58.9"
        #expect(try #require(compile(directory, for: .number(1))).dns?.forwarderPort == 5353)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func `maps do not depend on the order of insertion`(seed: UInt64)
        throws
    {
        var generator = SeededGenerator(seed: seed)
        let directory = Directory.random(using: &generator)
        var shuffled = Directory(
            serial: directory.serial,
            network: directory.network,
            domain: directory.domain,
            settings: directory.settings
        )
        for (id, peer) in directory.peers.shuffled(using: &generator) { shuffled.peers[id] = peer }
        for (id, group) in directory.groups.shuffled(using: &generator) {
            shuffled.groups[id] = Group(
                isAll: group.isAll,
                members: group.members.refilled(using: &generator),
                resources: group.resources.refilled(using: &generator)
            )
        }
        for (id, policy) in directory.policies.shuffled(using: &generator) {
            shuffled.policies[id] = Policy(
                isEnabled: policy.isEnabled,
                rules: policy.rules.shuffled(using: &generator)
            )
        }
        for (id, route) in directory.routes.shuffled(using: &generator) {
            shuffled.routes[id] = Route(
                networkID: route.networkID,
                isEnabled: route.isEnabled,
                destination: route.destination,
                routers: route.routers.refilled(using: &generator),
                distributionGroups: route.distributionGroups.refilled(using: &generator),
                accessGroups: route.accessGroups.refilled(using: &generator),
                metric: route.metric,
                masquerade: route.masquerade,
                keepRoute: route.keepRoute,
                skipAutoApply: route.skipAutoApply
            )
        }
        for (id, network) in directory.networks.shuffled(using: &generator) {
            var copy = Network(routers: network.routers.shuffled(using: &generator))
            for (id, resource) in network.resources.shuffled(using: &generator) { copy.resources[id] = resource }
            shuffled.networks[id] = copy
        }
        shuffled.dns.unmanagedGroups = directory.dns.unmanagedGroups.refilled(using: &generator)
        for (id, servers) in directory.dns.nameServers.shuffled(using: &generator) {
            shuffled.dns.nameServers[id] = servers
        }
        for (id, zone) in directory.dns.zones.shuffled(using: &generator) { shuffled.dns.zones[id] = zone }
        for id in directory.peers.keys { #expect(compile(directory, for: id) == compile(shuffled, for: id)) }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func `two peers see each other or neither does`(seed: UInt64) throws
    {
        var generator = SeededGenerator(seed: seed)
        var directory = Directory.random(using: &generator)
        directory.networks = [:]  // Of two routers of a network, one may be a client of the other alone, as recorded.
        let compiler = NetworkMapCompiler(directory)
        var visible: Set<[PublicKey]> = []
        for (id, peer) in directory.peers {
            let map = try #require(compiler.map(for: id))
            for other in map.peers + map.offlinePeers {
                visible.insert([peer.publicKey, other.publicKey])
            }
        }
        #expect(visible.allSatisfy { visible.contains([$0[1], $0[0]]) })
    }
}

extension NetworkMap {
    fileprivate var summary: [String] {
        firewallRules.map { "\($0.direction == .inbound ? "in" : "out") \($0.peer) \($0.transport) \($0.ports)" }
    }
}

extension Set {
    /// The same elements, put in one after the other in another order.
    fileprivate func refilled(using generator: inout some RandomNumberGenerator) -> Set {
        shuffled(using: &generator).reduce(into: []) { $0.insert($1) }
    }
}

extension RouterSelection {
    fileprivate func refilled(using generator: inout some RandomNumberGenerator) -> RouterSelection {
        guard case .groups(let groups) = self else { return self }
        return .groups(groups.refilled(using: &generator))
    }
}
