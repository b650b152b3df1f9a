import MeshModel
import Routing

/// What `doctor` looks at: the host at one moment.
struct HostPicture {
    struct File: Hashable {
        var path: String
        /// Permission bits.
        var mode: UInt32
        /// The most that it should have.
        var allowed: UInt32
    }

    struct Clock: Hashable {
        /// Seconds since 1970.
        var nowSeconds: Int64
        /// `nil`: the kernel did not say.
        var isSynchronised: Bool?
    }

    /// As uname(1) has it.
    var kernelRelease = ""
    var hasWireGuard = true
    var hasNftables = true
    var links: [LinkSnapshot] = []
    var addresses: [AddressSnapshot] = []
    var rules: [RoutingRule] = []
    var routes: [Route] = []
    /// Of every table.
    var chains: [NftablesChain] = []
    /// `rp_filter` in force, by link: 0 off, 1 strict, 2 loose.
    var reversePathFilters: [String: Int] = [:]
    var forwardsV4 = false
    var forwardsV6 = false
    var clock: Clock
    /// Those of the agent that are there.
    var files: [File] = []
    /// `nil`: none answers; `agentProblem` says why.
    var agent: AgentFacts?
    var agentProblem = ""
}

/// Something that keeps the mesh from working, or will.
struct Finding: Hashable {
    enum Severity: String, Hashable, CaseIterable {
        /// Something does not work.
        case problem
        /// Something will not work as soon as it is used.
        case warning
        /// Worth knowing when something else does not work.
        case note
    }

    var severity: Severity
    var what: String
    var evidence: String
    var remedy: String

    init(_ severity: Severity, _ what: String, evidence: String, remedy: String) {
        self.severity = severity
        self.what = what
        self.evidence = evidence
        self.remedy = remedy
    }
}

extension HostPicture {
    /// All that is found, problems first, otherwise in the order of the checks. Pure.
    var findings: [Finding] {
        let all =
            kernel + agentState + ownFiles + time + otherNetworks + filters + forwarding + firewalls + overlaps + widths
        return Finding.Severity.allCases.flatMap { severity in all.filter { $0.severity == severity } }
    }

    // MARK: - This host's own state

    private var kernel: [Finding] {
        var found: [Finding] = []
        if !hasWireGuard {
            found.append(
                Finding(
                    .problem,
                    "the kernel has no WireGuard",
                    evidence: "kernel \(kernelRelease), no generic netlink family wireguard",
                    remedy: "modprobe wireguard; kernels before 5.6 need the package wireguard-dkms"
                )
            )
        }
        if !hasNftables {
            found.append(
                Finding(
                    .warning,
                    "the kernel has no nftables",
                    evidence: "kernel \(kernelRelease) does not list its chains, or the caller is not root",
                    remedy: "modprobe nf_tables: without it this host serves no routes and is no exit node"
                )
            )
        }
        return found
    }

    private var agentState: [Finding] {
        guard let agent else {
            return [
                Finding(
                    .problem,
                    "no agent answers",
                    evidence: agentProblem,
                    remedy: "systemctl start wgmesh-agent, or name its --socket or --instance"
                )
            ]
        }
        var found: [Finding] = []
        for (name, state) in [("management", agent.management), ("signal", agent.signal)] where state != "Connected" {
            found.append(
                Finding(
                    .problem,
                    "\(name) is not connected",
                    evidence: state,
                    remedy: "check the server, its name and the way there: wgctl why ADDRESS --mark MARK"
                )
            )
        }
        if let since = agent.mapStaleSince {
            found.append(
                Finding(
                    .warning,
                    "the network map is the stored one",
                    evidence: "stale since \(since)",
                    remedy: "nothing while the servers are away: peers that did not move are reached"
                )
            )
        }
        return found
    }

    private var ownFiles: [Finding] {
        files.filter { $0.mode & ~$0.allowed != 0 }.map { file in
            Finding(
                .problem,
                "others may get at \(file.path)",
                evidence: "mode 0\(String(file.mode, radix: 8))",
                remedy: "chmod 0\(String(file.allowed, radix: 8)) \(file.path)"
            )
        }
    }

    /// 2026-01-01: before this program was written.
    static let earliestSeconds: Int64 = 1_767_225_600

    private var time: [Finding] {
        if clock.nowSeconds < Self.earliestSeconds {
            return [
                Finding(
                    .problem,
                    "the clock is years behind",
                    evidence: "\(clock.nowSeconds) s since 1970",
                    remedy: "set it (timedatectl set-ntp true): TLS and WireGuard's handshakes refuse old times"
                )
            ]
        }
        guard clock.isSynchronised == false else { return [] }
        return [
            Finding(
                .note,
                "the clock is not synchronised",
                evidence: "the kernel's clock status says unsynchronised",
                remedy: "timedatectl set-ntp true; a clock that is set back keeps WireGuard from new handshakes"
            )
        ]
    }

    // MARK: - Conflicts

    private var otherNetworks: [Finding] {
        var found: [Finding] = []
        let netbird = rules.filter { $0.action == .lookUp(table: 7120) }
        if !netbird.isEmpty || links.contains(where: { $0.name == "wt0" }) {
            found.append(
                Finding(
                    .warning,
                    "NetBird is active on this host",
                    evidence: evidence("wt0", netbird),
                    remedy: "leave one of the two without exit nodes and overlapping routes, or netbird down"
                )
            )
        }
        let tailscale = rules.filter { (5210...5270).contains($0.priority) }
        if !tailscale.isEmpty || links.contains(where: { $0.name == "tailscale0" }) {
            found.append(
                Finding(
                    .warning,
                    "Tailscale is active on this host",
                    evidence: evidence("tailscale0", tailscale),
                    remedy: "both use 100.64.0.0/10: give this mesh another range, or tailscale down"
                )
            )
        }
        // wg-quick(8) takes the table's number for the mark: `not fwmark 51820 lookup 51820`.
        for rule in rules where rule.isInverted {
            guard let mark = rule.fwmark, rule.action == .lookUp(table: mark), rule.ruleProtocol != ownRouteProtocol
            else { continue }
            found.append(
                Finding(
                    .warning,
                    "wg-quick has taken the default route",
                    evidence: "\(rule)",
                    remedy: "wg-quick down its interface, or give it AllowedIPs other than 0.0.0.0/0 and ::/0"
                )
            )
        }
        return found
    }

    private func evidence(_ link: String, _ rules: [RoutingRule]) -> String {
        let link = links.first { $0.name == link }.map { "link \($0.name) \($0.isUp ? "up" : "down")" }
        return ([link].compactMap { $0 } + rules.map { "rule \($0)" }).joined(separator: "; ")
    }

    /// Whether the map sends packets of this host to networks behind peers.
    private var usesRoutes: Bool { agent?.routes.contains { $0.routingPeer != agent?.key } ?? false }

    private var filters: [Finding] {
        let strict = reversePathFilters.filter { $0.value == 1 && $0.key != "lo" }.keys.sorted()
        guard !strict.isEmpty else { return [] }
        return [
            Finding(
                usesRoutes ? .warning : .note,
                "strict reverse path filtering",
                evidence: "rp_filter is 1 on \(strict.joined(separator: ", "))",
                remedy: "sysctl net.ipv4.conf.all.rp_filter=2: strict drops answers that come by another link"
            )
        ]
    }

    private var served: [AgentFacts.MapRoute] {
        agent.map { agent in agent.routes.filter { $0.routingPeer == agent.key } } ?? []
    }

    private var forwarding: [Finding] {
        [true, false].compactMap { isV4 in
            guard let route = served.first(where: { $0.prefix.isV4 == isV4 }) else { return nil }
            if isV4 ? forwardsV4 : forwardsV6 { return nil }
            let setting = isV4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
            return Finding(
                .problem,
                "this host serves routes but does not forward",
                evidence: "\(setting) is 0, and the map makes us router of \(route.prefix)",
                remedy: "sysctl \(setting)=1; if it falls back, another program resets it: see wgctl history"
            )
        }
    }

    private var firewalls: [Finding] {
        chains.compactMap { chain in
            guard let base = chain.base, base.kind == .filter, base.policy == .drop,
                !chain.name.table.name.hasPrefix("wgmesh")
            else { return nil }
            let evidence = "chain \(chain.name.name) of table \(chain.name.table) at priority \(base.priority)"
            switch base.hook {
            case .forward:
                return Finding(
                    served.isEmpty ? .note : .warning,
                    "a firewall drops what it does not know of forwarded packets",
                    evidence: evidence,
                    remedy: Self.forwardRemedy(chain)
                )
            case .input:
                return Finding(
                    .note,
                    "a firewall drops what it does not know of incoming packets",
                    evidence: evidence,
                    remedy: "let WireGuard's UDP port in, and what peers may reach on the tunnel's link"
                )
            case .prerouting, .output, .postrouting, .ingress: return nil
            }
        }
    }

    private static func forwardRemedy(_ chain: NftablesChain) -> String {
        switch chain.name.table.name {
        case "firewalld": "firewall-cmd --permanent --zone=trusted --add-interface=wgm0, then --reload"
        case "filter": "iptables -I FORWARD -i wgm0 -j ACCEPT (Docker: in DOCKER-USER; ufw: ufw route allow in on wgm0)"
        default: "accept packets from and to the tunnel's link in that chain"
        }
    }

    private var overlaps: [Finding] {
        guard let agent else { return [] }
        let wanted =
            agent.own.map { (prefix: $0.network, what: "the overlay") }
            + agent.routes.filter { $0.routingPeer != agent.key && $0.prefix.length > 0 }
            .map { (prefix: $0.prefix, what: "the map's route \($0.name)") }
        return wanted.compactMap { prefix, what in
            let rival = routes.first { route in
                guard route.kind == .unicast, route.table == 254, route.routeProtocol != ownRouteProtocol,
                    route.destination.length > 0, route.destination.overlaps(prefix)
                else { return false }
                let link = links.first { $0.index == route.linkIndex }
                return link?.name != agent.interface
            }
            guard let rival else { return nil }
            let name = links.first { $0.index == rival.linkIndex }.map { "\($0.name), " } ?? ""
            return Finding(
                .warning,
                "\(prefix), \(what), overlaps a network of this host",
                evidence: "\(name)\(rival)",
                remedy: "renumber one of them, or deselect the route: this host's own network wins where both match"
            )
        }
    }

    private var widths: [Finding] {
        guard let tunnel = links.first(where: { $0.name == agent?.interface }) else { return [] }
        var found: [Finding] = []
        for isV4 in [true, false] {
            let ways = routes.filter { $0.destination.isV4 == isV4 && $0.destination.length == 0 && $0.table == 254 }
            for way in ways {
                guard let link = links.first(where: { $0.index == way.linkIndex }), link.name != tunnel.name else {
                    continue
                }
                let mtu = min(link.mtuBytes, way.mtuBytes ?? link.mtuBytes)
                let needed = tunnel.mtuBytes + PacketPath.overheadBytes(isV4: isV4)
                guard mtu < needed else { continue }
                found.append(
                    Finding(
                        .problem,
                        "the uplink \(link.name) is too narrow for the tunnel",
                        evidence: "mtu \(tunnel.mtuBytes) inside needs \(needed) outside over IPv\(isV4 ? 4 : 6), "
                            + "\(link.name) has \(mtu)",
                        remedy: "start the agent with --mtu \(max(1280, mtu - min(mtu, 80))), or raise the uplink's"
                    )
                )
            }
        }
        return found
    }
}
