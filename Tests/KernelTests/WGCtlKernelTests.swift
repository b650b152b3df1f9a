import Foundation
import MeshModel
import NetlinkSocket
import Routing
import Testing

/// Ring 4: the program `wgctl` as people run it; it stands beside the test bundle.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct WGCtlKernelTests {
    private let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("wgctl").path

    @Test func `show says what wg says`() throws {
        let namespace = try KernelNamespace()
        for (name, port) in [("wgm0", "51820"), ("other", "51821")] {
            try namespace.run("ip", "link", "add", name, "type", "wireguard")
            try namespace.run("sh", "-c", "wg genkey | wg set \(name) private-key /dev/stdin listen-port \(port)")
        }
        for name in ["wgm0", "other"] {
            let peer = "endpoint 192.0.2.1:7 allowed-ips 10.0.0.0/8,fd00::/64"
            try namespace.run("sh", "-c", "wg set \(name) peer $(wg genkey | wg pubkey) \(peer)")
        }
        let fields = [
            "public-key", "private-key", "listen-port", "fwmark", "peers", "preshared-keys", "endpoints", "allowed-ips",
            "latest-handshakes", "transfer", "persistent-keepalive", "dump",
        ]
        #expect(try namespace.run(program, "show") == (try namespace.run("wg", "show")))
        #expect(try namespace.run(program, "show", "wgm0") == (try namespace.run("wg", "show", "wgm0")))
        let names = try namespace.run(program, "show", "interfaces")
        #expect(names == (try namespace.run("wg", "show", "interfaces")))
        for interface in ["wgm0", "all"] {
            for field in fields {
                let ours = try namespace.run(program, "show", interface, field)
                #expect(ours == (try namespace.run("wg", "show", interface, field)), "\(interface) \(field)")
            }
        }
    }

    @Test func `down without an agent removes what is ours and nothing else`() async throws {
        let namespace = try KernelNamespace()
        let links = try namespace.run("ip", "-o", "link")
        let routes = try namespace.run("ip", "route", "show", "table", "all")
        let host = HostNetwork(transport: namespace.transport)
        let prefix = try #require(IPPrefix("100.92.0.1/16"))
        let desired = HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: linkAlias(instance: nil), mtuBytes: 1280),
            addresses: [prefix],
            routes: [RouteConfiguration(destination: prefix.network, metric: 0, routeProtocol: ownRouteProtocol)]
        )
        let current = try await host.snapshot(linkName: "wgm0")
        try await host.apply(plan(current: current, desired: desired).operations)

        let noAgent = ["--socket", "/run/no-agent.sock"]
        let done = try namespace.run(program, "down", noAgent[0], noAgent[1])
        #expect(done == "removed the link wgm0 and all else that is ours; no agent runs\n")
        #expect(try namespace.run("ip", "-o", "link") == links)
        #expect(try namespace.run("ip", "route", "show", "table", "all") == routes)
        let again = try namespace.run(program, "down", noAgent[0], noAgent[1])
        #expect(again == "nothing to remove: no agent runs, and there is no link wgm0\n")

        try namespace.run("ip", "link", "add", "wgm0", "type", "wireguard")
        let script = "\(program) down --socket /run/no-agent.sock 2>&1; echo $?"
        let refused = try namespace.run("sh", "-c", script)
        #expect(refused.hasPrefix("wgctl: link wgm0 exists and is not ours (kind wireguard, alias none)"))
        #expect(refused.hasSuffix("\n17\n"))
    }

    @Test func `who may not take the tunnel down is told so`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "wgm0", "alias", "wgmesh", "type", "wireguard")
        try namespace.run("ip", "link", "set", "wgm0", "alias", "wgmesh")
        let asNobody = "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all"
        let command = "\(asNobody) \(program) down --socket /run/no-agent.sock 2>&1; echo $?"
        let output = try namespace.run("sh", "-c", command)
        let lines = output.split(separator: "\n")
        #expect(lines.count == 2 && lines.first?.hasPrefix("wgctl: ") == true, "\(output)")
        #expect(lines.last == "10", "\(output)")
    }
}
