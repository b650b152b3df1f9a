import Agent
import MeshModel
import Routing
import TestSupport
import Testing

@Suite struct LinkMonitorTests {
    @Test func `only addresses that lead to this host from outside are candidates`() async throws {
        let kernel = FakeKernel()
        let tentative: UInt32 = 0x40
        let links: [(name: String, kind: String?, isUp: Bool, address: String)] = [
            ("eth1", nil, true, "192.0.2.2/24"), ("eth0", nil, true, "192.0.2.1/24"),
            ("eth2", nil, false, "192.0.2.3/24"), ("wgm0", "wireguard", true, "100.64.0.1/16"),
            ("home", "wireguard", true, "100.65.0.1/16"), ("docker0", "bridge", true, "172.17.0.1/16"),
            ("veth7", "veth", true, "172.18.0.1/16"), ("tailscale0", "tun", true, "100.66.0.1/32"),
            ("br-lan", "bridge", true, "172.19.0.1/16"),
        ]
        for link in links {
            let index = await kernel.addLink(link.name, kind: link.kind, isUp: link.isUp)
            await kernel.addAddress(try #require(IPPrefix(link.address)), link: index)
            guard link.name == "eth0" else { continue }
            for text in ["fe80::1/64", "2001:db8::1/64", "169.254.1.1/16"] {
                await kernel.addAddress(try #require(IPPrefix(text)), link: index)
            }
            await kernel.addAddress(try #require(IPPrefix("2001:db8::2/64")), link: index, flags: tentative)
        }
        let host = try await HostNetwork(transport: kernel).snapshot(linkName: "wgm0")
        let found = LinkMonitor.candidateAddresses(of: host).map { "\($0.address) \($0.link)" }
        #expect(found == ["192.0.2.1 eth0", "192.0.2.2 eth1", "2001:db8::1 eth0"])
        let blocked = LinkMonitor.candidateAddresses(of: host, blocklist: ["ppp", "eth0"]).map { "\($0.address)" }
        #expect(blocked == ["192.0.2.2"])
        #expect(LinkMonitor.candidateAddresses(of: host, blocklist: ["eth"]).isEmpty)
        // Whom the mesh may reach behind us is another matter: a network is not opened to it because its link is blocked.
        #expect(LinkMonitor.localNetworks(of: host).contains(try #require(IPPrefix("192.0.2.0/24"))))
    }
}
