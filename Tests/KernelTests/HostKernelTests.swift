import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing

/// Ring 4: links, addresses and routes on a real kernel, with `ip` as the witness.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct HostKernelTests {
    @Test func `a link is made, filled, changed and removed, and nothing is left`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let before = try namespace.run("ip", "route", "show", "table", "all")
        try await reach(try configuration(), on: host)
        #expect(try namespace.run("ip", "link", "show", "wgm0").contains("alias wgmesh"))
        #expect(try namespace.run("ip", "-details", "link", "show", "wgm0").contains("wireguard"))
        #expect(!(try namespace.run("ip", "link", "show", "wgm0").contains("group 77")))
        #expect(try namespace.run("ip", "-o", "-4", "address", "show", "wgm0").contains("100.92.10.5/16"))
        let v6 = try namespace.run("ip", "-o", "-6", "address", "show", "wgm0")
        #expect(v6.contains("fd00:1::5/64") && !v6.contains("tentative") && !v6.contains("fe80"))
        let routes = try namespace.run("ip", "route", "show", "dev", "wgm0")
        #expect(
            routes.split(separator: "\n").map { $0.trimmingSuffix(" ") } == [
                "10.7.0.0/16 proto 77 scope link", "100.92.0.0/16 proto 77 scope link metric 50",
            ]
        )
        #expect(try namespace.run("ip", "-6", "route", "show", "dev", "wgm0", "proto", "77").contains("fd00:1::/64"))
        #expect(try namespace.run("ip", "route", "show", "table", "7007").contains("192.0.2.0/24 dev wgm0 proto 77"))

        var changed = try configuration()
        changed.link.mtuBytes = 1300
        changed.addresses = [try prefix("100.92.10.6/16")]
        changed.routes = [RouteConfiguration(destination: try prefix("0.0.0.0/0"), metric: 9, routeProtocol: 77)]
        try await reach(changed, on: host)
        #expect(
            try namespace.run("ip", "route", "show", "dev", "wgm0").hasPrefix("default proto 77 scope link metric 9")
        )

        let last = try await host.snapshot(linkName: "wgm0")
        try await host.apply(plan(current: last, desired: nil).operations)
        #expect(try await host.snapshot(linkName: "wgm0").link == nil)
        #expect(try namespace.run("ip", "route", "show", "table", "all") == before)
    }

    @Test func `a foreign link of our name is a conflict`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "wgm0", "type", "dummy")
        let host = HostNetwork(transport: namespace.transport)
        let result = plan(current: try await host.snapshot(linkName: "wgm0"), desired: try configuration())
        #expect(result.operations.isEmpty)
        #expect(result.conflicts == [LinkConflict(name: "wgm0", kind: "dummy", alias: nil)])
    }

    @Test func `the kernel's own words come with its errors`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let link = LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280)
        try await host.apply([.createLink(link)])
        let again = await #expect(throws: NetlinkError.self) { try await host.apply([.createLink(link)]) }
        #expect(again?.isExists == true)
        let route = RouteConfiguration(destination: try prefix("10.0.0.0/8"), metric: 0, routeProtocol: 77)
        let down = await #expect(throws: NetlinkError.self) {
            try await host.apply([.addRoute(link: "wgm0", route)])
        }
        #expect(down?.description.hasSuffix("Network is down (kernel: Device for nexthop is not up)") == true)
    }

    @Test func `changes of links, addresses and routes are seen`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        try await reach(try configuration(), on: host)
        var missing: Set<NetlinkMonitor.Event> = [.changed(.link), .changed(.address), .changed(.route)]
        for await event in namespace.monitor.events {
            missing.remove(event)
            if missing.isEmpty { break }
        }
        #expect(missing.isEmpty)
    }

    @Test func `a slow reader is told that events were lost`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "noise0", "type", "dummy")
        // Each batch makes far more events than the monitor keeps; none is read meanwhile.
        let lines =
            "link set noise0 mtu $((1400 + i % 2))\\naddress add 10.0.$((i / 256)).$((i % 256))/32 dev noise0\\n"
        let loop = "i=0; while [ $i -lt 3000 ]; do printf \"\(lines)\"; i=$((i + 1)); done"
        try runProgram(["sh", "-c", "(\(loop)) | ip -n \(namespace.name) -batch -"])
        var isTold = false
        for await event in namespace.monitor.events where event == .overrun {
            isTold = true
            break
        }
        #expect(isTold)
    }

    /// Applies the plan and checks that a second one is empty.
    private func reach(_ desired: HostConfiguration, on host: HostNetwork<NetlinkSocket>) async throws {
        let current = try await host.snapshot(linkName: desired.link.name)
        try await host.apply(plan(current: current, desired: desired).operations)
        let result = try await host.snapshot(linkName: desired.link.name)
        #expect(plan(current: result, desired: desired).operations.map(\.description) == [])
    }

    private func configuration() throws -> HostConfiguration {
        HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
            addresses: [try prefix("100.92.10.5/16"), try prefix("fd00:1::5/64")],
            routes: [
                RouteConfiguration(destination: try prefix("100.92.0.0/16"), metric: 50, routeProtocol: 77),
                RouteConfiguration(destination: try prefix("10.7.0.0/16"), metric: 0, routeProtocol: 77),
                RouteConfiguration(destination: try prefix("fd00:1::/64"), metric: 0, routeProtocol: 77),
                RouteConfiguration(destination: try prefix("192.0.2.0/24"), table: 7007, metric: 0, routeProtocol: 77),
            ]
        )
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}

extension Substring {
    fileprivate func trimmingSuffix(_ suffix: Character) -> String {
        var text = self
        while text.last == suffix { text.removeLast() }
        return String(text)
    }
}
