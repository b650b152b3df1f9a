import MapCompiler
import MeshModel
import TestSupport
import Testing

/// Peers 1 and 2 lead to the subnet `lan`, which is in the group `lans`; 3 may go there by tcp/443, 4 may not.
struct ResourceDistributionTests {
    private var directory: Directory {
        var directory = Directory.sample(
            peers: 4,
            groups: ["clients": [3], "lans": []],
            policies: [
                "p": Policy(rules: [
                    PolicyRule(
                        id: "p",
                        sources: .named("clients"),
                        destinations: .named("lans"),
                        transport: .tcp,
                        ports: [443]
                    )
                ])
            ]
        )
        directory.groups[.named("lans")]?.resources = ["lan"]
        directory.networks["office"] = Network(
            resources: ["lan": Resource(name: "lan", destination: .prefix(IPPrefix("10.7.0.0/16")!))],
            routers: [
                NetworkRouter(peers: .peer(.number(1)), metric: 10, masquerade: false),
                NetworkRouter(peers: .peer(.number(2)), metric: 20),
            ]
        )
        return directory
    }

    private func map(_ directory: Directory, _ number: Int) throws -> NetworkMap {
        try #require(compile(directory, for: .number(number)))
    }

    @Test func `a client gets the way by each router, and the routers as peers without access to them`() throws {
        let map = try map(directory, 3)
        #expect(map.routes.map(\.id) == ["lan:peer-1", "lan:peer-2"])
        #expect(map.routes.map(\.metric) == [10, 20])
        #expect(map.routes.map(\.masquerade) == [false, true])
        #expect(map.routes.map(\.keepRoute) == [true, true])
        #expect(map.peers.map(\.fqdn) == ["p1.mesh.example", "p2.mesh.example"])
        #expect(map.firewallRules.isEmpty && map.routeFirewallRules.isEmpty)
        #expect(map.dns?.zones.first?.records.allSatisfy { $0.name == "p3.mesh.example" } == true)
    }

    @Test func `a router gets its own way, its clients as peers, and who may pass`() throws {
        let map = try map(directory, 1)
        #expect(map.routes.map(\.id) == ["lan:peer-1"])
        #expect(map.peers.map(\.fqdn) == ["p3.mesh.example"])
        let rule = RouteFirewallRule(
            sources: [IPPrefix("100.64.0.3/32")!],
            destination: IPPrefix("10.7.0.0/16"),
            transport: .tcp,
            ports: .one(443),
            policyID: "p",
            routeID: "lan:peer-1"
        )
        #expect(map.routeFirewallRules == [rule])
    }

    @Test func `without a policy, or where anything is switched off, there is nothing`() throws {
        #expect(try map(directory, 4).routes.isEmpty && map(directory, 4).peers.isEmpty)
        let changes: [(inout Directory) -> Void] = [
            { $0.policies["p"]?.isEnabled = false },
            { $0.networks["office"]?.resources["lan"]?.isEnabled = false },
            { for index in 0...1 { $0.networks["office"]?.routers[index].isEnabled = false } },
            { $0.groups[.named("lans")]?.resources = [] },
        ]
        for change in changes {
            var changed = directory
            change(&changed)
            for number in 1...4 {
                let map = try map(changed, number)
                #expect(map.routes.isEmpty && map.peers.isEmpty && map.routeFirewallRules.isEmpty)
            }
        }
    }

    @Test func `a policy may name the resource itself, and a resource may be a domain`() throws {
        var directory = directory
        directory.groups[.named("lans")]?.resources = []
        directory.policies["p"]?.rules[0].destinations = .resource("lan")
        directory.networks["office"]?.resources["lan"]?.destination = .domains(["db.example"])
        #expect(try map(directory, 3).routes.map(\.domains) == [["db.example"], ["db.example"]])
        let rules = try map(directory, 2).routeFirewallRules
        #expect(rules.map(\.sources) == [[IPPrefix("100.64.0.3/32")!], [IPPrefix("fd00::3/128")!]])
        #expect(rules.allSatisfy { $0.destination == nil && $0.domains == ["db.example"] })
    }

    @Test func `of two ways by one peer the lower metric counts`() throws {
        var directory = directory
        directory.networks["office"]?.routers.append(NetworkRouter(peers: .groups([.named("All")]), metric: 15))
        let routes = try map(directory, 1).routes
        #expect(routes.map(\.metric) == [10] && routes.map(\.masquerade) == [false])
        #expect(try map(directory, 2).routes.map(\.metric) == [15])
    }
}
