import MeshModel
import Routing
import TestSupport
import Testing

private let marks = OwnerMarks(instance: nil)
private let localRule = RoutingRule(isV4: true, priority: 0, .lookUp(table: 255), ruleProtocol: 2)
private let localRuleV6 = RoutingRule(isV4: false, priority: 0, .lookUp(table: 255), ruleProtocol: 2)

private func policy(hasExitNode: Bool) -> PolicyRouting {
    PolicyRouting(
        table: marks.table,
        priority: marks.rulePriority,
        fwmark: marks.fwmark,
        hasExitNode: hasExitNode
    )
}

struct PolicyPlanTests {
    @Test func `guards come before the rules that make them count, and both families alike`() {
        let current = PolicySnapshot(rules: [localRule, localRuleV6])
        let result = plan(current: current, desired: policy(hasExitNode: true), marks: marks)
        #expect(result.removals.isEmpty)
        #expect(
            result.additions.map(\.description) == [
                "ip route add unreachable 0.0.0.0/0 table 7946 proto 77 metric 4294967294",
                "ip -6 route add unreachable ::/0 table 7946 proto 77 metric 4294967294",
                "ip rule add priority 7947 from all protocol 77 lookup 254 suppress_prefixlength 0",
                "ip rule add priority 7948 not from all fwmark 0x7946 protocol 77 lookup 7946",
                "ip -6 rule add priority 7947 from all protocol 77 lookup 254 suppress_prefixlength 0",
                "ip -6 rule add priority 7948 not from all fwmark 0x7946 protocol 77 lookup 7946",
            ]
        )
    }

    @Test func `a host with VRFs gets a rule for its own addresses before ours`() {
        var moved = localRule
        moved.priority = 32_765
        let current = PolicySnapshot(rules: [moved, localRuleV6])
        let result = plan(current: current, desired: policy(hasExitNode: false), marks: marks)
        let first = result.additions.first?.description
        #expect(first == "ip rule add priority 7946 from all protocol 77 lookup 255")
        #expect(result.additions.count == 5)
    }

    @Test func `what is there needs nothing, and what is not wanted goes, rules first`() throws {
        let wanted = policy(hasExitNode: true)
        let empty = PolicySnapshot(rules: [localRule, localRuleV6])
        var held = empty
        for operation in plan(current: empty, desired: wanted, marks: marks).additions {
            switch operation {
            case .addRule(let rule): held.rules.append(rule)
            case .addRoute(var route):
                route.scope = 1
                held.guards.append(route)
            default: Issue.record("\(operation)")
            }
        }
        #expect(plan(current: held, desired: wanted, marks: marks).operations.isEmpty)
        let removal = plan(current: held, desired: nil, marks: marks)
        #expect(removal.additions.isEmpty && removal.removals.count == 6)
        #expect(removal.removals.map { "\($0)".contains("rule") } == [true, true, true, true, false, false])
    }

    @Test func `rules and guards of others stay, those of another instance too`() {
        let other = OwnerMarks(instance: "lab")
        #expect(other.table != marks.table && other.fwmark != marks.fwmark)
        #expect(other.nftablesTable.description == "inet wgmesh_lab")
        let others = PolicyRouting(table: other.table, priority: other.rulePriority, fwmark: other.fwmark)
        let theirs = plan(
            current: PolicySnapshot(rules: [localRule, localRuleV6]),
            desired: others,
            marks: other
        ).additions
        var held = PolicySnapshot(rules: [localRule, localRuleV6])
        for case .addRule(let rule) in theirs { held.rules.append(rule) }
        // Somebody's rule at our priority, without our mark.
        held.rules.append(RoutingRule(isV4: true, priority: 7947, .lookUp(table: 100), ruleProtocol: 3))
        #expect(plan(current: held, desired: nil, marks: marks).operations.isEmpty)
        #expect(plan(current: held, desired: nil, marks: other).removals.count == 4)
    }
}

struct SysctlPlanTests {
    private let forward = SysctlRequirement(["ipv4", "ip_forward"], "1")

    @Test func `a value is written once, noted, and put back`() {
        let off = [["ipv4", "ip_forward"]: "0"], on = [["ipv4", "ip_forward"]: "1"]
        let (writes, journal) = plan(current: off, required: [forward], journal: SysctlJournal())
        #expect(writes == [.write(forward)])
        #expect(journal.text == "ipv4/ip_forward\t0\t1\n")
        #expect(SysctlJournal(text: journal.text) == journal)
        #expect(plan(current: on, required: [forward], journal: journal).changes.isEmpty)
        let (restores, empty) = plan(current: on, required: [], journal: journal)
        #expect(restores.map(\.description) == ["sysctl -w net/ipv4/ip_forward=0"])
        #expect(empty.entries.isEmpty)
    }

    @Test func `what was so before is nobody's to restore, and what somebody changed since stays`() {
        let on = [["ipv4", "ip_forward"]: "1"], two = [["ipv4", "ip_forward"]: "2"]
        let none = plan(current: on, required: [forward], journal: SysctlJournal())
        #expect(none.changes.isEmpty && none.journal.entries.isEmpty)
        let noted = SysctlJournal(entries: [.init(path: forward.path, old: "0", written: "1")])
        let left = plan(current: two, required: [], journal: noted)
        #expect(left.changes.isEmpty && left.journal.entries.isEmpty)
        // Needed still: written again, and the first old value is the one to put back.
        let again = plan(current: two, required: [forward], journal: noted)
        #expect(again.changes == [.write(forward)] && again.journal == noted)
    }

    @Test func `strict filters become loose, and only those`() throws {
        let host = HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
            policy: policy(hasExitNode: true)
        )
        let links = ["lo", "eth0", "eth1", "wgm0"].enumerated().map { index, name in
            LinkSnapshot(index: UInt32(index + 1), name: name, mtuBytes: 1500, isLoopback: name == "lo")
        }
        let required = sysctlRequirements(of: host, links: links)
        let filter = { (link: String) in ["ipv4", "conf", link, "rp_filter"] }
        let current = [
            ["ipv4", "conf", "all", "src_valid_mark"]: "0", filter("all"): "0", filter("default"): "1",
            filter("eth0"): "1", filter("eth1"): "0",
        ]
        #expect(
            plan(current: current, required: required, journal: SysctlJournal()).changes.map(\.description) == [
                "sysctl -w net/ipv4/conf/all/src_valid_mark=1", "sysctl -w net/ipv4/conf/default/rp_filter=2",
                "sysctl -w net/ipv4/conf/eth0/rp_filter=2",
            ]
        )
    }

    @Test(arguments: ["a\tb", "a//b\t0\t1", "\t0\t1", "a\t0\t1\t2", "x"])
    func `a damaged journal is refused`(text: String) { #expect(SysctlJournal(text: text) == nil) }
}

struct FirewallPlanTests {
    private func host(exit: Bool = false, gateway: GatewayConfiguration? = nil) throws -> HostConfiguration {
        HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
            addresses: [try #require(IPPrefix("100.64.0.1/16"))],
            policy: exit ? policy(hasExitNode: true) : nil,
            gateway: gateway
        )
    }

    @Test func `a host that forwards nothing and has no exit node has no table`() throws {
        #expect(firewall(of: try host(), marks: marks) == nil)
    }

    @Test func `the longest prefix decides about translation`() throws {
        let served: Set<GatewayConfiguration.Served> = [
            .init(prefix: try #require(IPPrefix("0.0.0.0/0")), masquerade: true),
            .init(prefix: try #require(IPPrefix("10.1.0.0/16")), masquerade: false),
        ]
        let table = try #require(firewall(of: host(gateway: GatewayConfiguration(served: served)), marks: marks))
        let rules = table.rules(in: "masquerade").map(\.description)
        #expect(rules.count == 4)
        #expect(rules[0].contains("10.1.0.0/16") && rules[0].hasSuffix("accept"))
        #expect(rules[1].hasSuffix("masquerade"))
    }

    @Test func `an exit node for the internet alone still serves its other networks`() throws {
        let served: Set<GatewayConfiguration.Served> = [
            .init(prefix: try #require(IPPrefix("0.0.0.0/0")), masquerade: true),
            .init(prefix: try #require(IPPrefix("10.1.0.0/16")), masquerade: true),
        ]
        var gateway = GatewayConfiguration(served: served)
        let rules = try #require(firewall(of: host(gateway: gateway), marks: marks)).rules(in: "forward")
        let texts = rules.map(\.description)
        let allowed = try #require(texts.firstIndex { $0.contains("10.1.0.0/16") && $0.hasSuffix("accept") })
        let refused = try #require(texts.firstIndex { $0.contains("10.0.0.0/8") && $0.hasSuffix("drop") })
        #expect(allowed < refused)
        gateway.isInternetOnly = false
        #expect(try #require(firewall(of: host(gateway: gateway), marks: marks)).rules(in: "forward").isEmpty)
    }
}
