import CNetlink
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing

/// Ring 4: routes, rules, nexthops, neighbours and settings on a real kernel, with `ip` as the witness.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct RoutingKernelTests {
    @Test func `routes of every kind come back as they were added, and ip lists them`() async throws {
        let (namespace, host) = try await network()
        let (d0, d1) = (try await index("d0", host), try await index("d1", host))
        let hop = Route.Hop(linkIndex: d0, gateway: try address("192.0.2.9"))
        let routes = [
            Route(
                to: try prefix("10.1.0.0/16"),
                metric: 5,
                target: .hop(hop),
                preferredSource: try address("192.0.2.1"),
                mtuBytes: 1400,
                isMTULocked: true,
                advertisedMSSBytes: 1300
            ),
            Route(
                to: try prefix("10.2.0.0/16"),
                table: 70_007,
                target: .multipath([
                    Route.Hop(linkIndex: d0, gateway: try address("192.0.2.9"), weight: 3),
                    Route.Hop(linkIndex: d1, gateway: try address("203.0.113.9"), weight: 256, isOnLink: true),
                ])
            ),
            Route(.unreachable, to: try prefix("10.3.0.0/16"), metric: 9),
            Route(.blackhole, to: try prefix("10.4.0.0/16")),
            Route(.throw, to: try prefix("10.5.0.0/16"), table: 100), Route(.prohibit, to: try prefix("10.6.0.0/16")),
            Route(.unreachable, to: try prefix("2001:db8:3::/48"), metric: 1024),
            Route(
                to: try prefix("10.7.0.0/16"),
                target: .hop(Route.Hop(linkIndex: d0, gateway: try address("fe80::7")))
            ),
            Route(to: try prefix("10.8.0.0/16"), scope: 253, target: .hop(Route.Hop(linkIndex: d1))),
            Route(
                to: try prefix("2001:db8:1::/48"),
                metric: 7,
                target: .hop(Route.Hop(linkIndex: d0, gateway: try address("2001:db8::9"))),
                mtuBytes: 1280
            ),
            Route(
                to: try prefix("2001:db8:2::/48"),
                source: try prefix("2001:db8:f::/48"),
                metric: 1024,
                target: .hop(Route.Hop(linkIndex: d1))
            ),
        ]
        try await host.apply(routes.map { .addRoute($0) })
        let read = try await host.routes()
        for route in routes { #expect(read.contains(route), "\(route)") }
        #expect(try await host.routes(table: 70_007) == [routes[1]])
        #expect(try await host.routes(table: 4711).isEmpty)
        let listed = try namespace.run("ip", "route", "show", "table", "all")
        #expect(
            listed.contains(
                "10.1.0.0/16 via 192.0.2.9 dev d0 proto 77 src 192.0.2.1 metric 5 mtu lock 1400 advmss 1300"
            )
        )
        #expect(listed.contains("throw 10.5.0.0/16 table 100 proto 77"))
        #expect(listed.contains("10.7.0.0/16 via inet6 fe80::7 dev d0"))
        let json = try namespace.run("ip", "-j", "route", "show", "table", "70007")
        #expect(json.contains("\"gateway\":\"203.0.113.9\",\"dev\":\"d1\",\"weight\":256,\"flags\":[\"onlink\"]"))
        #expect(try namespace.run("ip", "-6", "route").contains("2001:db8:2::/48 from 2001:db8:f::/48 dev d1"))
        // ip reads our text: it takes away what we added.
        for route in routes {
            let words = RoutingOperation.removeRoute(route).description
            try namespace.run("sh", "-c", words)
        }
        #expect(try await host.routes().filter { $0.routeProtocol == ownRouteProtocol }.isEmpty)
    }

    @Test func `what ip adds is read`() async throws {
        let (namespace, host) = try await network()
        let d0 = try await index("d0", host)
        try namespace.run("ip", "nexthop", "add", "id", "11", "via", "192.0.2.9", "dev", "d0", "proto", "77")
        try namespace.run("ip", "nexthop", "add", "id", "12", "via", "192.0.2.10", "dev", "d0")
        try namespace.run("ip", "nexthop", "add", "id", "20", "group", "11,5/12")
        try namespace.run("ip", "route", "add", "10.9.0.0/16", "nhid", "20", "table", "900")
        let expected = [
            Nexthop(id: 11, isV4: true, .hop(linkIndex: d0, gateway: try address("192.0.2.9"))),
            Nexthop(id: 12, isV4: true, .hop(linkIndex: d0, gateway: try address("192.0.2.10")), nexthopProtocol: 0),
            Nexthop(id: 20, isV4: true, .group([.init(id: 11, weight: 5), .init(id: 12)]), nexthopProtocol: 0),
        ]
        #expect(try await host.nexthops() == expected)
        #expect(try await host.routes(table: 900).map(\.target) == [.nexthop(id: 20)])
        try namespace.run("ip", "neigh", "add", "192.0.2.77", "lladdr", "02:00:00:00:00:01", "dev", "d0")
        let neighbour = Neighbour(linkIndex: d0, address: try address("192.0.2.77"), linkAddress: [2, 0, 0, 0, 0, 1])
        #expect(try await host.neighbours().contains(neighbour))
    }

    @Test func `nexthops and neighbours are added, changed and removed`() async throws {
        let (namespace, host) = try await network()
        let d0 = try await index("d0", host)
        let gateway = try address("192.0.2.9")
        let first = Nexthop(id: 11, isV4: true, .hop(linkIndex: d0, gateway: gateway))
        let group = Nexthop(id: 20, isV4: true, .group([.init(id: 11, weight: 256)]))
        let neighbour = Neighbour(linkIndex: d0, address: gateway, linkAddress: [2, 0, 0, 0, 0, 9])
        let route = Route(to: try prefix("10.9.0.0/16"), target: .nexthop(id: 20))
        try await host.apply([
            .addNexthop(first), .addNexthop(group), .addRoute(route), .setNeighbour(neighbour),
            .addNexthop(Nexthop(id: 30, isV4: false, .blackhole)),
        ])
        #expect(try await host.routes(table: 254).contains(route))
        let listed = try namespace.run("ip", "nexthop")
        #expect(listed.contains("id 11 via 192.0.2.9 dev d0 scope link proto 77"))
        #expect(listed.contains("id 20 group 11,256 proto 77"))
        #expect(try namespace.run("ip", "neigh").contains("192.0.2.9 dev d0 lladdr 02:00:00:00:00:09 PERMANENT"))
        let moved = Nexthop(id: 11, isV4: true, .hop(linkIndex: d0, gateway: try address("192.0.2.10")))
        try await host.apply([.replaceNexthop(moved), .removeNeighbour(neighbour)])
        #expect(try await host.nexthops().first == moved)
        #expect(!(try namespace.run("ip", "neigh").contains("PERMANENT")))
        try await host.apply([.removeNexthop(id: 20), .removeNexthop(id: 20)])
        #expect(!(try await host.routes(table: 254).contains(route)))
    }

    @Test func `rules come back as they were added, and foreign ones stay`() async throws {
        let (namespace, host) = try await network()
        try namespace.run("ip", "rule", "add", "priority", "50", "lookup", "50")
        let rules: Set<RoutingRule> = [
            RoutingRule(
                isV4: true,
                priority: 100,
                .lookUp(table: 7007),
                isInverted: true,
                fwmark: 0x77,
                fwmarkMask: 0xff
            ),
            RoutingRule(isV4: true, priority: 101, .lookUp(table: 254), suppressPrefixLength: 0),
            RoutingRule(
                isV4: true,
                priority: 102,
                .lookUp(table: 70_000),
                source: try prefix("10.0.0.0/8"),
                destination: try prefix("192.0.2.0/24"),
                inputLink: "lo",
                outputLink: "d0",
                userIDs: 1000...2000
            ),
            RoutingRule(isV4: true, priority: 104, .goto(priority: 32_766)),
            RoutingRule(isV4: true, priority: 105, .blackhole, source: try prefix("10.9.9.9/32")),
            RoutingRule(isV4: false, priority: 100, .lookUp(table: 7007), fwmark: 0x77),
            RoutingRule(isV4: false, priority: 103, .lookUp(table: 0), isL3Master: true),
        ]
        try await host.apply(plan(current: try await host.rules(), desired: rules))
        let read = try await host.rules()
        #expect(Set(read.filter { $0.ruleProtocol == ownRouteProtocol }) == rules)
        #expect(plan(current: read, desired: rules).isEmpty)
        let listed = try namespace.run("ip", "rule")
        #expect(listed.contains("100:\tnot from all fwmark 0x77/0xff lookup 7007 proto 77"))
        #expect(listed.contains("101:\tfrom all lookup main suppress_prefixlength 0 proto 77"))
        #expect(
            listed.contains(
                "102:\tfrom 10.0.0.0/8 to 192.0.2.0/24 iif lo oif d0 uidrange 1000-2000 lookup 70000 proto 77"
            )
        )
        #expect(listed.contains("104:\tfrom all goto 32766 proto 77"))
        #expect(try namespace.run("ip", "-6", "rule").contains("103:\tfrom all lookup [l3mdev-table] proto 77"))
        for rule in rules { try namespace.run("sh", "-c", RoutingOperation.removeRule(rule).description) }
        #expect(try await host.rules().filter { $0.ruleProtocol == ownRouteProtocol }.isEmpty)
        #expect(try namespace.run("ip", "rule").contains("50:\tfrom all lookup 50"))
    }

    @Test func `ten thousand routes go in batches, and a refused one is named`() async throws {
        let (namespace, host) = try await network()
        let d0 = try await index("d0", host)
        func route(_ number: Int) throws -> Route {
            let bytes: [UInt8] = [10, UInt8(number >> 16), UInt8(number >> 8 & 0xff), UInt8(number & 0xff)]
            let destination = IPPrefix(host: try #require(IPAddress(bytes: bytes)))
            return Route(to: destination, table: 7007, scope: 253, target: .hop(Route.Hop(linkIndex: d0)))
        }
        let routes = try (0..<10_000).map(route)
        try await host.apply(routes.map { .addRoute($0) })
        #expect(Set(try await host.routes(table: 7007)) == Set(routes))
        let count = try namespace.run("sh", "-c", "ip route show table 7007 | wc -l")
        #expect(count == "10000\n")

        let batch = [try route(20_000), routes[5], try route(20_001)].map { RoutingOperation.addRoute($0) }
        let error = await #expect(throws: NetlinkError.self) { try await host.apply(batch) }
        #expect(error?.isExists == true && error?.operation == batch[1].description)
        #expect(try await host.routes(table: 7007).count == 10_002)
        // Every one of a whole datagram and more is refused, each by its own number.
        let refused = await #expect(throws: NetlinkError.self) { try await host.apply(routes.map { .addRoute($0) }) }
        #expect(refused?.operation == RoutingOperation.addRoute(routes[0]).description)
        try await host.apply(routes.map { .removeRoute($0) } + [.removeRoute(routes[0])])
        #expect(try await host.routes(table: 7007).count == 2)
    }

    @Test func `an error names the attribute that the kernel points at`() async throws {
        let (_, host) = try await network()
        var route = Route(
            to: try prefix("10.9.0.0/16"),
            target: .hop(Route.Hop(linkIndex: try await index("d0", host)))
        )
        route.preferredSource = try address("198.51.100.77")
        let error = await #expect(throws: NetlinkError.self) { try await host.apply([.addRoute(route)]) }
        #expect(error?.code == EINVAL)
        #expect(error?.detail == "Invalid prefsrc address")
    }

    @Test func `a batch whose task is cancelled stops, one that a cancelled task begins does not`() async throws {
        let (namespace, host) = try await network()
        let d0 = try await index("d0", host)
        let witness = HostNetwork(transport: try NetlinkSocket(namespace: "/run/netns/\(namespace.name)"))
        var operations: [RoutingOperation] = []
        for number in 0..<50_000 {
            let bytes: [UInt8] = [10, UInt8(number >> 16), UInt8(number >> 8 & 0xff), UInt8(number & 0xff)]
            let destination = IPPrefix(host: try #require(IPAddress(bytes: bytes)))
            let target = Route.Target.hop(Route.Hop(linkIndex: d0))
            operations.append(.addRoute(Route(to: destination, table: 7007, scope: 253, target: target)))
        }
        let all = operations
        let error = await withTaskGroup(of: NetlinkError?.self) { group in
            group.addTask { await failure(of: all, on: host) }
            // The first routes are there: so it has begun. A dump that fails ends the wait, and the test below.
            while let routes = try? await witness.routes(table: 7007), routes.isEmpty {}
            group.cancelAll()
            return await group.next() ?? nil
        }
        #expect(error?.code == ECANCELED)
        let added = try await host.routes(table: 7007).count
        #expect((1..<50_000).contains(added))

        let removals = all.prefix(added).compactMap { operation in
            if case .addRoute(let route) = operation { RoutingOperation.removeRoute(route) } else { nil }
        }
        let refused = await withTaskGroup(of: NetlinkError?.self) { group in
            group.cancelAll()
            group.addTask { await failure(of: removals, on: host) }
            return await group.next() ?? nil
        }
        #expect(refused == nil)
        #expect(try await host.routes(table: 7007).isEmpty)
    }

    @Test func `a socket is opened in a namespace, and the caller stays where it was`() async throws {
        let (namespace, host) = try await network()
        let socket = try NetlinkSocket(namespace: "/run/netns/\(namespace.name)")
        let names = try await HostNetwork(transport: socket).links().map(\.name)
        #expect(names.contains("d0"))
        #expect(try await host.links().map(\.name) == names)
        #expect(!(try await HostNetwork(transport: NetlinkSocket()).links().map(\.name).contains("d0")))
        #expect(try await HostNetwork(transport: socket).nftablesTables().isEmpty)
        let error = #expect(throws: NetlinkError.self) { _ = try NetlinkSocket(namespace: "/run/netns/none") }
        #expect(error?.description == "open a routing netlink socket: No such file or directory")
    }

    @Test func `settings of a link are written with their old value, and restored only if still ours`() async throws {
        let (namespace, _) = try await network()
        let path = "/run/netns/\(namespace.name)"
        let setting = try #require(Sysctl(link: "d0", isV4: true, "rp_filter"))
        let old = try setting.read(namespace: path)
        let new = old == "2" ? "0" : "2"
        #expect(try setting.write(new, namespace: path) == old)
        #expect(try setting.write(new, namespace: path) == nil)
        #expect(try namespace.run("cat", setting.description) == new + "\n")
        #expect(try setting.restore(old, written: new, namespace: path))
        #expect(try setting.read(namespace: path) == old)
        try namespace.run("sh", "-c", "echo 1 >\(setting)")
        #expect(try !setting.restore(old, written: new, namespace: path))
        #expect(try setting.read(namespace: path) == "1")
        let refused = #expect(throws: NetlinkError.self) { _ = try setting.write("nonsense", namespace: path) }
        #expect(refused?.code == EINVAL)
        let missing = try #require(Sysctl(link: "none", isV4: true, "rp_filter"))
        let error = #expect(throws: NetlinkError.self) { _ = try missing.read(namespace: path) }
        #expect(error?.code == ENOENT)
    }
}

extension RoutingKernelTests {
    /// A namespace with two links, one of them with addresses of both families.
    private func network() async throws -> (KernelNamespace, HostNetwork<NetlinkSocket>) {
        let namespace = try KernelNamespace()
        for link in ["d0", "d1"] {
            try namespace.run("ip", "link", "add", link, "type", "dummy")
            try namespace.run("ip", "link", "set", link, "up")
        }
        try namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "d0")
        try namespace.run("ip", "address", "add", "2001:db8::1/64", "dev", "d0", "nodad")
        return (namespace, HostNetwork(transport: namespace.transport))
    }

    private func index(_ name: String, _ host: HostNetwork<NetlinkSocket>) async throws -> UInt32 {
        try #require(try await host.links().first { $0.name == name }).index
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
}

/// The error that applying the operations ends with; `nil`: none.
private func failure(
    of operations: [RoutingOperation],
    on host: HostNetwork<NetlinkSocket>
) async -> NetlinkError? {
    do throws(NetlinkError) {
        try await host.apply(operations)
        return nil
    } catch {
        return error
    }
}
