import CNetlink
import Foundation
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing

/// Ring 4: where the kernel sends a packet, and what `wgctl why` and `wgctl doctor` make of it.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct RouteLookupKernelTests {
    private let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("wgctl").path

    @Test func `the kernel's answer and our walk of its rules agree, in both families`() async throws {
        let namespace = try network()
        try namespace.run("ip", "route", "add", "default", "via", "192.0.2.254")
        try namespace.run("ip", "route", "add", "default", "dev", "d0", "table", "7120")
        try namespace.run("ip", "-6", "route", "add", "default", "via", "2001:db8::fe")
        try namespace.run("ip", "-6", "route", "add", "2001:db8:7::/48", "dev", "d0", "table", "7120")
        for family in ["-4", "-6"] {
            for rule in ["pref 105 lookup main suppress_prefixlength 0", "pref 110 not fwmark 0x7946 lookup 7120"] {
                try namespace.run("sh", "-c", "ip \(family) rule add \(rule)")
            }
        }
        for kind in ["unreachable", "blackhole", "prohibit"] {
            let number = ["unreachable": "1", "blackhole": "2", "prohibit": "3"][kind] ?? ""
            try namespace.run("ip", "route", "add", kind, "10.\(number).0.0/16")
        }
        let host = HostNetwork(transport: namespace.transport)
        let (rules, routes) = (try await host.rules(), try await host.routes())
        let questions = try [
            ("192.0.2.1", 0), ("192.0.2.77", 0), ("203.0.113.1", 0), ("203.0.113.1", 0x7946), ("2001:db8::1", 0),
            ("2001:db8::77", 0), ("2001:db8:7::1", 0), ("2001:db8:7::1", 0x7946), ("2001:db8:9::1", 0),
        ].map { RouteLookup(to: try #require(IPAddress($0.0)), fwmark: UInt32($0.1)) }
        for question in questions {
            let ours = try #require(question.decide(rules: rules, routes: routes)?.route)
            guard case .route(let route) = try await host.lookUp(question) else {
                Issue.record("\(question) is refused")
                continue
            }
            #expect(route.destination == ours.destination, "\(question)")
            #expect(route.table == ours.table, "\(question)")
            #expect(route.linkIndex == ours.linkIndex, "\(question)")
        }
        for (text, code) in [("10.1.0.1", EHOSTUNREACH), ("10.2.0.1", EINVAL), ("10.3.0.1", EACCES)] {
            let answer = try await host.lookUp(RouteLookup(to: try #require(IPAddress(text))))
            #expect(answer == .refused(code: code), "\(text)")
        }
        try namespace.run("ip", "route", "del", "default")
        try namespace.run("ip", "route", "flush", "table", "7120")
        let nowhere = try await host.lookUp(RouteLookup(to: try #require(IPAddress("203.0.113.1"))))
        #expect(nowhere == .refused(code: ENETUNREACH))
    }

    @Test func `why follows a packet into a tunnel and out of it`() throws {
        let namespace = try network()
        try namespace.run("ip", "link", "add", "wgm0", "type", "wireguard")
        try namespace.run("ip", "address", "add", "100.64.0.1/16", "dev", "wgm0")
        try namespace.run("ip", "link", "set", "wgm0", "up")
        let script = "wg set wgm0 fwmark 0x7946 peer $(wg genkey | wg pubkey) allowed-ips 100.64.0.2/32"
        try namespace.run("sh", "-c", "\(script) endpoint 192.0.2.77:51820")
        let path = try why(namespace, "100.64.0.2")
        #expect(path.contains("  rule: priority 32766 from all protocol 2 lookup 254\n"))
        #expect(path.contains("  route: 100.64.0.0/16 dev wgm0 "))
        #expect(path.contains("  endpoint: 192.0.2.77:51820, no handshake yet\n"))
        #expect(path.contains("  outer: 192.0.2.77 mark 0x7946: 192.0.2.0/24 dev d0 "))
        #expect(path.contains("=> may not arrive: there was no handshake"))
        #expect(path.hasSuffix("status 5\n"))
        #expect(try why(namespace, "100.64.0.3").contains("nowhere: no peer of wgm0 has 100.64.0.3 among"))
        #expect(try why(namespace, "100.64.0.1").contains("=> is delivered to this host\nstatus 0\n"))
        #expect(try why(namespace, "203.0.113.1").contains("nowhere: no rule leads to a route for it\nstatus 1\n"))
        #expect(try why(namespace, "192.0.2.9 --json").contains(#""verdict":"goes""#))
        #expect(try why(namespace, "nowhere.example").contains("status 2\n"))
        try namespace.run("ip", "link", "set", "d0", "down")
        #expect(try why(namespace, "100.64.0.2").contains("nowhere: its endpoint is not reached"))
    }

    @Test func `doctor names each of several conflicts, and none on a plain host`() throws {
        let namespace = try network()
        let folder = "/tmp/\(namespace.name)"
        try namespace.run("mkdir", "-m", "700", folder)
        func doctor() throws -> String {
            let options = "--state-dir \(folder) --socket /nowhere"
            return try namespace.run("sh", "-c", "\(program) doctor \(options) 2>&1; echo status $?")
        }
        let plain = try doctor()
        #expect(plain.contains("problem: no agent answers\n"))
        #expect(plain.contains("\n1 problem, 0 warnings, "))
        #expect(plain.hasSuffix("status 5\n"))
        try namespace.run("ip", "rule", "add", "pref", "110", "not", "fwmark", "0x1bd00", "lookup", "7120")
        try namespace.run("ip", "rule", "add", "pref", "5210", "fwmark", "0x80000", "lookup", "main")
        try namespace.run("ip", "rule", "add", "pref", "99", "not", "fwmark", "51820", "lookup", "51820")
        try namespace.run("sysctl", "-qw", "net.ipv4.conf.d0.rp_filter=1")
        let chain = "{ type filter hook forward priority 0; policy drop; }"
        try namespace.run("nft", "add table ip filter; add chain ip filter FORWARD \(chain)")
        try namespace.run("chmod", "755", folder)
        let sick = try doctor()
        for line in [
            "problem: others may get at \(folder)", "  remedy: chmod 0700 \(folder)",
            "warning: NetBird is active on this host", "warning: Tailscale is active on this host",
            "warning: wg-quick has taken the default route", "note: strict reverse path filtering",
            "  seen: rp_filter is 1 on d0", "note: a firewall drops what it does not know of forwarded packets",
            "  seen: chain FORWARD of table ip filter at priority 0",
        ] {
            #expect(sick.contains("\(line)\n"), "\(line)")
        }
        #expect(!sick.contains("the kernel has no"))
    }

    /// What it prints, and its status as a last line.
    private func why(_ namespace: KernelNamespace, _ arguments: String) throws -> String {
        try namespace.run("sh", "-c", "\(program) why \(arguments) --socket /nowhere 2>&1; echo status $?")
    }

    private func network() throws -> KernelNamespace {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "d0", "type", "dummy")
        try namespace.run("ip", "link", "set", "d0", "up")
        try namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "d0")
        try namespace.run("ip", "address", "add", "2001:db8::1/64", "dev", "d0", "nodad")
        return namespace
    }
}
