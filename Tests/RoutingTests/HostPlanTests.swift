import MeshModel
import NetlinkWire
import Routing
import TestSupport
import Testing

struct HostPlanTests {
    @Test func `a new link is made, marked, addressed, switched on and routed, in this order`() throws {
        let result = plan(current: HostSnapshot(linkName: "wgm0"), desired: try configuration())
        #expect(
            result.operations.map(\.description) == [
                "ip link add dev wgm0 mtu 1280 type wireguard",
                "ip link set dev wgm0 alias wgmesh",
                "ip address add 100.92.10.5/16 dev wgm0 noprefixroute",
                "ip address add fd00:1::5/64 dev wgm0 noprefixroute nodad",
                "ip link set dev wgm0 up",
                "ip route add 100.92.0.0/16 dev wgm0 table 254 proto 77 metric 50",
                "ip route add fd00:1::/64 dev wgm0 table 254 proto 77",
            ]
        )
        #expect(result.operations.map(\.phase) == [.link, .link] + [.network, .network, .network, .network, .network])
    }

    @Test func `applying gives what is desired, and then nothing is left to do`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        let desired = try configuration()
        try await host.apply(plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired).operations)
        let expected = """
            link wgm0 mtu 1280 up kind wireguard alias wgmesh group 0
            address 100.92.10.5/16 dev wgm0
            address fd00:1::5/64 dev wgm0
            route 100.92.0.0/16 dev wgm0 table 254 proto 77 metric 50
            route fd00:1::/64 dev wgm0 table 254 proto 77 metric 1024
            """
        #expect(await kernel.ipText() == expected)
        #expect(plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired).operations.isEmpty)
    }

    @Test func `any state of ours becomes any other, and foreign objects stay`() async throws {
        var generator = SeededGenerator(seed: 11)
        for round in 0..<300 {
            let kernel = FakeKernel()
            let foreign = await kernel.addLink("eth0")
            await kernel.addAddress(try prefix("192.0.2.7/24"), link: foreign)
            await kernel.addRoute(
                RouteSnapshot(
                    destination: try prefix("0.0.0.0/0"),
                    table: 254,
                    metric: 0,
                    routeProtocol: 16,
                    linkIndex: foreign
                )
            )
            let host = HostNetwork(transport: kernel)
            let old = try randomConfiguration(using: &generator)
            let new = try randomConfiguration(using: &generator)
            for desired in [old, new] {
                let current = try await host.snapshot(linkName: "wgm0")
                try await host.apply(plan(current: current, desired: desired).operations)
            }
            let result = try await host.snapshot(linkName: "wgm0")
            let link = try #require(result.link)
            #expect(link.alias == "wgmesh" && link.isUp && link.mtuBytes == new.link.mtuBytes)
            #expect(Set(result.addresses(of: link).map(\.prefix)) == new.addresses, "round \(round)")
            #expect(Set(result.routes.map(\.destination)) == Set(new.routes.map(\.destination)), "round \(round)")
            #expect(plan(current: result, desired: new).operations.isEmpty)

            try await host.apply(plan(current: result, desired: nil).operations)
            let expected = """
                link eth0 mtu 1500 up kind - alias - group 0
                address 192.0.2.7/24 dev eth0
                route 0.0.0.0/0 dev eth0 table 254 proto 16 metric 0
                """
            #expect(await kernel.ipText() == expected)
        }
    }

    @Test(
        arguments: [("dummy", "wgmesh"), ("wireguard", "other"), ("wireguard", nil), (nil, nil)] as [(String?, String?)]
    )
    func `a link of our name that is not ours is reported and not touched`(kind: String?, alias: String?) async throws {
        let kernel = FakeKernel()
        await kernel.addLink("wgm0", kind: kind, alias: alias)
        let current = try await HostNetwork(transport: kernel).snapshot(linkName: "wgm0")
        for desired in [try configuration(), nil] {
            let result = plan(current: current, desired: desired)
            #expect(result.operations.isEmpty)
            #expect(result.conflicts == [LinkConflict(name: "wgm0", kind: kind, alias: alias)])
        }
    }

    @Test func `a link that lost its maker before it was marked is finished`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        let desired = try configuration()
        let first = plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired)
        try await host.apply(Array(first.operations.prefix(1)))
        #expect(await kernel.ipText() == "link wgm0 mtu 1280 down kind wireguard alias - group 77")
        let second = plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired)
        #expect(second.operations.first?.description == "ip link set dev wgm0 alias wgmesh")
        try await host.apply(second.operations)
        #expect(plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired).operations.isEmpty)
    }

    @Test func `an address gives way to another of its network, and the routes come back`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        var desired = try configuration()
        try await host.apply(plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired).operations)
        desired.addresses = [try prefix("100.92.10.6/16"), try prefix("fd00:1::5/64")]
        let result = plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired)
        #expect(
            result.operations.map(\.description) == [
                "ip address del 100.92.10.5/16 dev wgm0", "ip address add 100.92.10.6/16 dev wgm0 noprefixroute",
                "ip route add 100.92.0.0/16 dev wgm0 table 254 proto 77 metric 50",
            ]
        )
        try await host.apply(result.operations)
        #expect(plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired).operations.isEmpty)
    }

    @Test func `routes of others through our link stay`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        try await host.apply(
            plan(current: try await host.snapshot(linkName: "wgm0"), desired: try configuration()).operations
        )
        let index = try #require(await kernel.links.last?.index)
        await kernel.addRoute(
            RouteSnapshot(
                destination: try prefix("10.9.0.0/16"),
                table: 254,
                metric: 0,
                routeProtocol: 4,
                linkIndex: index
            )
        )
        var desired = try configuration()
        desired.routes = []
        let result = plan(current: try await host.snapshot(linkName: "wgm0"), desired: desired)
        #expect(result.operations.count == 2)
        try await host.apply(result.operations)
        #expect(await kernel.routes.map(\.destination.description) == ["10.9.0.0/16"])
    }

    @Test func `what is already gone is no failure to remove`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        try await host.apply(
            plan(current: try await host.snapshot(linkName: "wgm0"), desired: try configuration()).operations
        )
        let removal = plan(current: try await host.snapshot(linkName: "wgm0"), desired: nil)
        await kernel.removeLink("wgm0")
        try await host.apply(removal.operations)
        #expect(await kernel.ipText().isEmpty)
    }

    @Test func `refusals carry the command`() async throws {
        var traits = FakeKernel.Traits()
        traits.hasWireGuard = false
        let host = HostNetwork(transport: FakeKernel(traits: traits))
        let operations = plan(current: HostSnapshot(linkName: "wgm0"), desired: try configuration()).operations
        let error = await #expect(throws: NetlinkError.self) { try await host.apply(operations) }
        let expected =
            "ip link add dev wgm0 mtu 1280 type wireguard: Operation not supported (kernel: Unknown device type)"
        #expect(error?.description == expected)
        #expect(error?.isNotSupported == true)
    }

    private func configuration() throws -> HostConfiguration {
        HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
            addresses: [try prefix("100.92.10.5/16"), try prefix("fd00:1::5/64")],
            routes: [
                RouteConfiguration(destination: try prefix("100.92.0.0/16"), metric: 50, routeProtocol: 77),
                RouteConfiguration(destination: try prefix("fd00:1::/64"), metric: 0, routeProtocol: 77),
            ]
        )
    }

    private func randomConfiguration(using generator: inout SeededGenerator) throws -> HostConfiguration {
        var result = HostConfiguration(
            link: LinkConfiguration(
                name: "wgm0",
                alias: "wgmesh",
                mtuBytes: .random(in: 1280...1282, using: &generator)
            )
        )
        for number in 0..<8 where Bool.random(using: &generator) {
            // Two v4 networks with two addresses each: the kernel treats the second of a network differently.
            let isV4 = number.isMultiple(of: 2)
            result.addresses.insert(try prefix(isV4 ? "10.\(number / 4).0.\(number)/16" : "fd00:\(number)::1/64"))
        }
        for number in 0..<8 where Bool.random(using: &generator) {
            let destination = try prefix(number.isMultiple(of: 2) ? "10.\(number).0.0/16" : "fd00:\(number)::/64")
            let table: UInt32 = Bool.random(using: &generator) ? 254 : 7007
            let metric: UInt32 = .random(in: 0...1, using: &generator)
            result.routes.insert(
                RouteConfiguration(destination: destination, table: table, metric: metric, routeProtocol: 77)
            )
        }
        return result
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}
