import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import TestSupport
import Testing

/// Ring 4: policy routing and our nftables table on a real kernel.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct PolicyKernelTests {
    private let marks = OwnerMarks(instance: nil)

    private func host() throws -> HostConfiguration {
        let served: Set<GatewayConfiguration.Served> = [
            .init(prefix: try prefix("0.0.0.0/0"), masquerade: true),
            .init(prefix: try prefix("::/0"), masquerade: true),
            .init(prefix: try prefix("10.1.0.0/16"), masquerade: false),
            .init(prefix: try prefix("192.0.2.7/32"), masquerade: true),
            .init(prefix: try prefix("10.3.128.0/17"), masquerade: true),
        ]
        return HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: marks.alias, mtuBytes: 1280),
            addresses: [try prefix("100.64.0.1/16"), try prefix("fd00:1::1/64")],
            policy: PolicyRouting(
                table: marks.table,
                priority: marks.rulePriority,
                fwmark: marks.fwmark,
                hasExitNode: true
            ),
            gateway: GatewayConfiguration(
                served: served,
                blockedNetworks: [try prefix("192.168.7.0/24")],
                isDraining: true
            )
        )
    }

    @Test func `rules and guards come, are adopted, and go without a trace`() async throws {
        let namespace = try KernelNamespace()
        let network = HostNetwork(transport: namespace.transport)
        let before = try witness(namespace)
        let wanted = try host().policy
        let additions = plan(
            current: try await network.policySnapshot(table: marks.table),
            desired: wanted,
            marks: marks
        ).additions
        try await network.apply(additions)
        let read = try await network.policySnapshot(table: marks.table)
        #expect(plan(current: read, desired: wanted, marks: marks).operations.isEmpty)
        let rules = try namespace.run("ip", "rule")
        #expect(rules.contains("7947:\tfrom all lookup main suppress_prefixlength 0 proto 77"))
        #expect(rules.contains("7948:\tnot from all fwmark 0x7946 lookup 7946 proto 77"))
        #expect(
            try namespace.run("ip", "-6", "rule").contains("7948:\tnot from all fwmark 0x7946 lookup 7946 proto 77")
        )
        #expect(try namespace.run("ip", "route", "show", "table", "7946").contains("unreachable default proto 77"))
        let removals = plan(current: read, desired: nil, marks: marks).removals
        try await network.apply(removals)
        #expect(try witness(namespace) == before)
    }

    @Test func `the table is what the kernel gives back, and nft reads it`() async throws {
        let namespace = try KernelNamespace()
        let network = HostNetwork(transport: namespace.transport)
        let wanted = try #require(firewall(of: host(), marks: marks))
        // Twice: the second takes the first one's place.
        for _ in 0..<2 {
            try await network.commit(wanted.replacement)
            let read = try #require(try await network.nftablesRuleset(marks.nftablesTable))
            #expect(read.withoutHandles == wanted)
            #expect(marks.own(read.table))
        }
        let text = try namespace.run("nft", "list", "ruleset")
        for line in [
            "type route hook output priority mangle; policy accept;",
            "iifname != \"wgm0\" iifname != \"lo\" ct state new ct mark 0x00000000 ct mark set 0x00007946",
            "ct direction reply ct mark 0x00007946 meta mark set 0x00007946",
            "iifname \"wgm0\" ip daddr 10.0.0.0/8 drop", "iifname \"wgm0\" ip daddr 192.168.7.0/24 drop",
            "iifname \"wgm0\" oifname != \"wgm0\" ip daddr 10.1.0.0/16 accept",
            "type filter hook input priority mangle; policy accept;", "update @drain_users { ip saddr }",
            "update @drain_users6 { ip6 saddr }", "@th,112,16 set 0x1",
        ] {
            #expect(text.contains(line), "\(text)")
        }
        #expect(text.contains("tcp option maxseg size set 1240") && text.contains("tcp option maxseg size set 1220"))
        try await network.commit([.removeTable(marks.nftablesTable)])
        #expect(try namespace.run("nft", "list", "ruleset").isEmpty)
    }

    private func witness(_ namespace: KernelNamespace) throws -> String {
        try namespace.run("ip", "rule") + namespace.run("ip", "-6", "rule")
            + namespace.run("ip", "route", "show", "table", "all")
            + namespace.run("ip", "-6", "route", "show", "table", "all")
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}
