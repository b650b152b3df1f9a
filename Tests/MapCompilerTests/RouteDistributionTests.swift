import MapCompiler
import MeshModel
import TestSupport
import Testing

/// Peers 1 and 2 carry routes, 3 and 4 are clients, 5 is neither; everybody may talk to everybody.
struct RouteDistributionTests {
    private static let all = PolicyRule(id: "all", sources: .named("All"), destinations: .named("All"))

    private func directory(policies: [PolicyID: Policy] = ["all": Policy(rules: [all])], _ routes: Route...)
        -> Directory
    {
        var directory = Directory.sample(
            peers: 5,
            groups: ["routers": [1, 2], "clients": [3, 4], "servers": []],
            policies: policies
        )
        for (index, route) in routes.enumerated() { directory.routes[RouteID(rawValue: "r\(index)")] = route }
        return directory
    }

    private func route(
        _ destination: RouteDestination = .prefix(IPPrefix("10.1.0.0/16")!),
        networkID: String = "net",
        isEnabled: Bool = true,
        by routers: RouterSelection = .peer(.number(1)),
        accessGroups: Set<GroupID> = [],
        skipAutoApply: Bool = false
    ) -> Route {
        Route(
            networkID: networkID,
            isEnabled: isEnabled,
            destination: destination,
            routers: routers,
            distributionGroups: [.named("clients")],
            accessGroups: accessGroups,
            metric: 100,
            masquerade: true,
            skipAutoApply: skipAutoApply
        )
    }

    private func map(_ directory: Directory, _ number: Int) throws -> NetworkMap {
        try #require(compile(directory, for: .number(number)))
    }

    @Test func `clients and the routing peer get a route, others do not`() throws {
        let directory = directory(route())
        for number in 1...5 {
            let routes = try map(directory, number).routes
            #expect(routes.map(\.id) == ([1, 3, 4].contains(number) ? ["r0"] : []))
            #expect(routes.allSatisfy { $0.routingPeer == directory.peers[.number(1)]?.publicKey })
        }
    }

    @Test func `a route of a group comes from each member, and no member gets the others'`() throws {
        let directory = directory(route(by: .groups([.named("routers")])), route(by: .peer(.number(5))))
        #expect(try map(directory, 3).routes.map(\.id) == ["r0:peer-1", "r0:peer-2", "r1"])
        #expect(try map(directory, 1).routes.map(\.id) == ["r0:peer-1"])
    }

    @Test func `a router that is also a client does not get other ways to what it carries, switched off or not`() throws
    {
        var directory = directory(
            route(isEnabled: false, by: .peer(.number(3))),
            route(by: .peer(.number(1))),
            route(networkID: "other", by: .peer(.number(1)))
        )
        #expect(try map(directory, 3).routes.map(\.id) == ["r2"])
        #expect(try map(directory, 4).routes.map(\.id) == ["r1", "r2"])
        directory.routes["r0"] = nil
        #expect(try map(directory, 3).routes.map(\.id) == ["r1", "r2"])
    }

    @Test func `without a policy between them a client learns the routing peer's name and nothing else`() throws {
        let map = try map(directory(policies: [:], route()), 3)
        #expect(map.routes.isEmpty && map.peers.isEmpty)
        #expect(Set(map.dns?.zones.first?.records.map(\.name) ?? []) == ["p1.mesh.example", "p3.mesh.example"])
    }

    @Test func `a route that is switched off is nobody's`() throws {
        let directory = directory(policies: [:], route(isEnabled: false))
        let router = try map(directory, 1)
        #expect(router.routes.isEmpty && router.routeFirewallRules.isEmpty)
        #expect(try map(directory, 3).dns?.zones.first?.records.allSatisfy { $0.name == "p3.mesh.example" } == true)
    }

    @Test func `an exit node has an IPv6 twin for those who take IPv6`() throws {
        var directory = directory(route(.prefix(IPPrefix("0.0.0.0/0")!), networkID: "exit", skipAutoApply: true))
        directory.peers[.number(4)]?.meta.isIPv6Disabled = true
        let routes = try map(directory, 3).routes
        #expect(routes.map(\.id) == ["r0", "r0-v6-default"])
        #expect(routes.map(\.networkID) == ["exit", "exit-v6"])
        #expect(routes.map(\.prefix) == [IPPrefix("0.0.0.0/0"), IPPrefix("::/0")])
        #expect(routes.map(\.skipAutoApply) == [true, true])
        #expect(try map(directory, 4).routes.map(\.id) == ["r0"])
        let rules = try map(directory, 1).routeFirewallRules
        #expect(rules.map(\.routeID) == ["r0", "r0-v6-default"])
        #expect(rules.map(\.destination) == [IPPrefix("0.0.0.0/0"), IPPrefix("::/0")])
    }

    @Test func `an IPv6 route is kept from those who do not take IPv6`() throws {
        var directory = directory(route(.prefix(IPPrefix("2001:db8::/32")!)))
        #expect(try map(directory, 3).routes.count == 1)
        #expect(try map(directory, 1).routeFirewallRules.map(\.sources) == [[IPPrefix("::/0")!]])
        for number in [1, 3] { directory.peers[.number(number)]?.meta.isIPv6Disabled = true }
        #expect(try map(directory, 3).routes.isEmpty)
        #expect(try map(directory, 1).routeFirewallRules.isEmpty)
    }

    @Test func `access groups open a route to the sources of their policies, as far as they are clients`() throws {
        let rule = PolicyRule(
            id: "web",
            sources: .groups([.named("clients"), .named("routers")]),
            destinations: .named("servers"),
            isBidirectional: false,
            transport: .tcp,
            ports: [80, 443]
        )
        let directory = directory(policies: ["web": Policy(rules: [rule])], route(accessGroups: [.named("servers")]))
        let rules = try map(directory, 1).routeFirewallRules
        #expect(rules.map(\.ports) == [.one(80), .one(443)])
        #expect(rules.allSatisfy { $0.sources == [IPPrefix("100.64.0.3/32"), IPPrefix("100.64.0.4/32")] })
        #expect(rules.allSatisfy { $0.policyID == "web" && $0.routeID == "r0" && $0.transport == .tcp })
        #expect(try map(directory, 3).routeFirewallRules.isEmpty)
    }

    @Test func `a policy without a client among its sources leaves a rule that opens nothing`() throws {
        let rule = PolicyRule(id: "p", sources: .named("routers"), destinations: .named("servers"))
        let directory = directory(policies: ["p": Policy(rules: [rule])], route(accessGroups: [.named("servers")]))
        #expect(try map(directory, 1).routeFirewallRules.map(\.sources) == [[]])
    }

    @Test func `an exit node or a domain opens to the clients in both families, a prefix in its own`() throws {
        let rule = PolicyRule(id: "p", sources: .named("clients"), destinations: .named("servers"))
        func sources(_ destination: RouteDestination) throws -> [Int] {
            let route = route(destination, accessGroups: [.named("servers")])
            let map = try map(directory(policies: ["p": Policy(rules: [rule])], route), 1)
            return map.routeFirewallRules.flatMap(\.sources).map(\.length)
        }
        #expect(try sources(.prefix(IPPrefix("10.0.0.0/8")!)) == [32, 32])
        #expect(try sources(.prefix(IPPrefix("2001:db8::/32")!)) == [128, 128])
        #expect(try sources(.prefix(IPPrefix("0.0.0.0/0")!)) == [32, 32, 128, 128])
        #expect(try sources(.domains(["a.example"])) == [32, 32, 128, 128])
    }

    @Test func `a change of a route touches its routing peers and its clients`() {
        func affected(_ change: (inout Directory) -> Void) -> Set<PeerID> {
            let before = directory(route(accessGroups: [.named("servers")]))
            var after = before
            change(&after)
            return affectedPeers(from: before, to: after)
        }
        let ends: Set<PeerID> = [.number(1), .number(3), .number(4)]
        #expect(affected { $0.routes["r0"]?.metric = 5 } == ends)
        #expect(affected { $0.routes["r0"] = nil } == ends)
        #expect(affected { $0.groups[.named("clients")]?.members.insert(.number(5)) } == [.number(5)])
        let new = PolicyRule(id: "p", sources: .named("clients"), destinations: .named("servers"))
        #expect(affected { $0.policies["p"] = Policy(rules: [new]) } == ends)
    }
}
