import MeshModel
import Routing
import Testing
import WGTool

@testable import wgctl

private let own = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
private let other = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

/// A host on which all is well.
private func healthy() throws -> HostPicture {
    var picture = HostPicture(clock: .init(nowSeconds: 1_800_000_000, isSynchronised: true))
    picture.kernelRelease = "6.1.0"
    picture.links = [
        LinkSnapshot(index: 2, name: "eth0", mtuBytes: 1500, isUp: true),
        LinkSnapshot(index: 3, name: "wgm0", kind: "wireguard", mtuBytes: 1280, isUp: true),
    ]
    picture.rules = [RoutingRule(isV4: true, priority: 32766, .lookUp(table: 254), ruleProtocol: 2)]
    picture.routes = [
        Route(to: try #require(IPPrefix("0.0.0.0/0")), routeProtocol: 4, target: .hop(.init(linkIndex: 2))),
        Route(to: try #require(IPPrefix("100.64.0.0/16")), routeProtocol: 77, target: .hop(.init(linkIndex: 3))),
    ]
    picture.reversePathFilters = ["all": 0, "eth0": 2, "lo": 1]
    picture.files = [.init(path: "/var/lib/wgmesh", mode: 0o700, allowed: 0o700)]
    picture.agent = agent()
    return picture
}

private func agent(_ more: String = "") -> AgentFacts {
    let lines = [
        "key\t\(own)", "own\t100.64.0.1/16", "interface\twgm0", "map\tfresh", "management\tConnected",
        "signal\tConnected", "peer\t\(other)\tb.mesh\tConnected", more,
    ]
    return AgentFacts(lines.joined(separator: "\n"))
}

/// `SEVERITY: WHAT` of what a changed host shows.
private func found(_ change: (inout HostPicture) throws -> Void) throws -> [String] {
    var picture = try healthy()
    try change(&picture)
    return picture.findings.map { "\($0.severity): \($0.what)" }
}

private func chain(_ table: NftablesTableName, _ hook: NftablesChain.Hook) -> NftablesChain {
    let base = NftablesChain.Base(kind: .filter, hook: hook, priority: 0, policy: .drop)
    return NftablesChain(NftablesName(table, "FORWARD"), base: base)
}

@Suite struct HostPictureTests {
    @Test func `a healthy host has nothing`() throws {
        #expect(try found { _ in } == [])
        #expect(text(of: []) == "0 problems, 0 warnings, 0 notes\n")
    }

    @Test func `kernel, files, clock and agent are looked at`() throws {
        #expect(try found { $0.hasWireGuard = false } == ["problem: the kernel has no WireGuard"])
        #expect(try found { $0.hasNftables = false } == ["warning: the kernel has no nftables"])
        #expect(try found { $0.files[0].mode = 0o755 } == ["problem: others may get at /var/lib/wgmesh"])
        #expect(try found { $0.clock.nowSeconds = 86_400 } == ["problem: the clock is years behind"])
        #expect(try found { $0.clock.isSynchronised = false } == ["note: the clock is not synchronised"])
        #expect(try found { $0.clock.isSynchronised = nil } == [])
        #expect(try found { $0.agent = nil } == ["problem: no agent answers"])
        #expect(
            try found { $0.agent = agent("management\tDisconnected, reason: x\nmap\tstale\t2026-01-01T00:00:00Z") } == [
                "problem: management is not connected", "warning: the network map is the stored one",
            ]
        )
    }

    @Test func `other networks' links and rules are named`() throws {
        let netbird = RoutingRule(isV4: true, priority: 110, .lookUp(table: 7120), ruleProtocol: 0)
        #expect(try found { $0.rules.append(netbird) } == ["warning: NetBird is active on this host"])
        let tailscale = LinkSnapshot(index: 9, name: "tailscale0", mtuBytes: 1280, isUp: true)
        #expect(try found { $0.links.append(tailscale) } == ["warning: Tailscale is active on this host"])
        let quick = RoutingRule(
            isV4: true,
            priority: 32764,
            .lookUp(table: 51820),
            isInverted: true,
            fwmark: 51820,
            ruleProtocol: 0
        )
        #expect(try found { $0.rules.append(quick) } == ["warning: wg-quick has taken the default route"])
        var ours = quick
        ours.ruleProtocol = ownRouteProtocol
        #expect(try found { $0.rules.append(ours) } == [])
    }

    @Test func `strict filters matter where routes are used`() throws {
        #expect(try found { $0.reversePathFilters["eth0"] = 1 } == ["note: strict reverse path filtering"])
        let routed = agent("route\t10.1.0.0/16\t\(other)\t100\toffice")
        let change: (inout HostPicture) -> Void = { picture in
            picture.reversePathFilters["eth0"] = 1
            picture.agent = routed
        }
        #expect(try found(change) == ["warning: strict reverse path filtering"])
    }

    @Test func `a router that does not forward, and firewalls in its way`() throws {
        let serving = agent("route\t192.168.0.0/16\t\(own)\t100\toffice\nroute\tfd01::/64\t\(own)\t100\toffice")
        let silent = try found { $0.agent = serving }
        #expect(silent == Array(repeating: "problem: this host serves routes but does not forward", count: 2))
        let docker = chain(NftablesTableName(.ip, "filter"), .forward)
        let change: (inout HostPicture) -> Void = { picture in
            picture.agent = serving
            (picture.forwardsV4, picture.forwardsV6) = (true, true)
            picture.chains = [docker, chain(NftablesTableName(.inet, "wgmesh"), .forward)]
        }
        #expect(try found(change) == ["warning: a firewall drops what it does not know of forwarded packets"])
        #expect(try found { $0.chains = [docker] }.allSatisfy { $0.hasPrefix("note: ") })
        let input = chain(NftablesTableName(.inet, "firewalld"), .input)
        #expect(try found { $0.chains = [input] }.count == 1)
    }

    @Test func `a network of this host that the mesh wants, too`() throws {
        let lan = Route(
            to: try #require(IPPrefix("10.1.2.0/24")),
            routeProtocol: 2,
            target: .hop(.init(linkIndex: 2))
        )
        let routed = agent("route\t10.1.0.0/16\t\(other)\t100\toffice")
        let change: (inout HostPicture) -> Void = { picture in
            picture.agent = routed
            picture.routes.append(lan)
        }
        #expect(
            try found(change) == ["warning: 10.1.0.0/16, the map's route office, overlaps a network of this host"]
        )
        #expect(try found { $0.routes.append(lan) } == [])
    }

    @Test func `an uplink that is too narrow for the tunnel`() throws {
        #expect(try found { $0.links[0].mtuBytes = 1339 } == ["problem: the uplink eth0 is too narrow for the tunnel"])
        #expect(try found { $0.links[0].mtuBytes = 1340 } == [])
    }

    @Test func `problems come first, each with evidence and remedy`() throws {
        var picture = try healthy()
        picture.clock.isSynchronised = false
        picture.files[0].mode = 0o777
        let shown = text(of: picture.findings)
        #expect(
            shown.hasPrefix(
                "problem: others may get at /var/lib/wgmesh\n  seen: mode 0777\n  remedy: chmod 0700 /var/lib/wgmesh\nnote:"
            )
        )
        #expect(shown.hasSuffix("\n1 problem, 0 warnings, 1 note\n"))
        #expect(json(of: picture.findings).text.hasPrefix(#"[{"severity":"problem","what":"others may get at"#))
    }
}
