import MapCompiler
import MeshModel

extension PeerID {
    static func number(_ number: Int) -> PeerID { PeerID(rawValue: "peer-\(number)") }
}

extension GroupID {
    static func named(_ name: String) -> GroupID { GroupID(rawValue: name) }
}

extension PeerSelection {
    static func named(_ group: String) -> PeerSelection { .groups([.named(group)]) }
}

extension RouteID: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(rawValue: text) }
}

extension NetworkID: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(rawValue: text) }
}

extension ResourceID: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(rawValue: text) }
}

extension PolicyID: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(rawValue: text) }
}

extension Directory {
    /// Peers 1 to `count` with the addresses 100.64.0.N and fd00::N and the names pN, all of them in `All`.
    static func sample(peers count: Int, groups: [String: [Int]], policies: [PolicyID: Policy]) -> Directory {
        var directory = Directory(
            serial: 7,
            network: OverlayNetwork(v4: IPPrefix("100.64.0.0/16")!, v6: IPPrefix("fd00::/64")!),
            domain: "mesh.example",
            policies: policies
        )
        for number in 1...count { directory.peers[.number(number)] = .sample(number) }
        directory.groups = groups.reduce(into: [:]) { result, group in
            result[.named(group.key)] = Group(members: Set(group.value.map { .number($0) }))
        }
        directory.groups[.named("All")] = Group(isAll: true, members: Set(directory.peers.keys))
        return directory
    }

    /// Up to 8 peers in 5 groups under 6 policies.
    static func random(using generator: inout some RandomNumberGenerator) -> Directory {
        let count = Int.random(in: 1...8, using: &generator)
        var groups: [String: [Int]] = [:]
        for name in ["A", "B", "C", "D"] {
            groups[name] = (1...count).filter { _ in Bool.random(using: &generator) }
        }
        var directory = sample(peers: count, groups: groups, policies: [:])
        for id in directory.peers.keys.sorted() {
            let versions = ["0.60.1", "0.40.0", "development"]
            directory.peers[id]?.meta.agentVersion = versions.randomElement(using: &generator) ?? ""
            directory.peers[id]?.meta.isIPv6Disabled = Int.random(in: 0..<4, using: &generator) == 0
            directory.peers[id]?.isValidated = Int.random(in: 0..<6, using: &generator) != 0
            directory.peers[id]?.isLoginExpired = Int.random(in: 0..<8, using: &generator) == 0
        }
        for number in 0..<Int.random(in: 0...6, using: &generator) {
            directory.policies[PolicyID(rawValue: "policy-\(number)")] = .random(
                number,
                peers: count,
                using: &generator
            )
        }
        for number in 0..<Int.random(in: 0...4, using: &generator) {
            directory.routes[RouteID(rawValue: "route-\(number)")] = .random(peers: count, using: &generator)
        }
        for number in 0..<Int.random(in: 0...2, using: &generator) {
            directory.networks[NetworkID(rawValue: "network-\(number)")] = .random(peers: count, using: &generator)
        }
        directory.dns = .random(using: &generator)
        for group in directory.groups.keys.sorted() where Bool.random(using: &generator) {
            directory.groups[group]?.resources = ["10.7.0.0/16", "db.example"]
        }
        return directory
    }
}

extension Peer {
    static func sample(_ number: Int) -> Peer {
        Peer(
            publicKey: PublicKey(bytes: [UInt8](repeating: UInt8(number), count: 32))!,
            address: IPAddress(bytes: [100, 64, 0, UInt8(number)])!,
            addressV6: IPAddress("fd00::\(number)"),
            label: "p\(number)",
            meta: PeerMeta(
                hostname: "p\(number)",
                agentVersion: "0.60.1",
                capabilities: [.sourcePrefixes, .ipv6Overlay]
            )
        )
    }
}

extension Route {
    static func random(peers: Int, using generator: inout some RandomNumberGenerator) -> Route {
        func groups(using generator: inout some RandomNumberGenerator) -> Set<GroupID> {
            Set(["A", "B", "C", "D", "All"].filter { _ in Bool.random(using: &generator) }.map { .named($0) })
        }
        let destinations: [RouteDestination] = [
            .prefix(IPPrefix("10.1.0.0/16")!), .prefix(IPPrefix("0.0.0.0/0")!), .prefix(IPPrefix("2001:db8::/32")!),
            .domains(["a.example", "*.b.example"]),
        ]
        return Route(
            networkID: ["one", "two"].randomElement(using: &generator) ?? "",
            isEnabled: Int.random(in: 0..<5, using: &generator) != 0,
            destination: destinations.randomElement(using: &generator) ?? destinations[0],
            routers: Bool.random(using: &generator)
                ? .peer(.number(Int.random(in: 1...peers, using: &generator)))
                : .groups(groups(using: &generator)),
            distributionGroups: groups(using: &generator),
            accessGroups: Bool.random(using: &generator) ? [] : groups(using: &generator),
            metric: Int.random(in: 1...9999, using: &generator),
            masquerade: Bool.random(using: &generator),
            keepRoute: Bool.random(using: &generator),
            skipAutoApply: Bool.random(using: &generator)
        )
    }
}

extension Network {
    static func random(peers: Int, using generator: inout some RandomNumberGenerator) -> Network {
        var network = Network()
        for name in ["10.7.0.0/16", "2001:db8:7::/48", "db.example"] where Bool.random(using: &generator) {
            network.resources[ResourceID(rawValue: name)] = Resource(
                name: name,
                isEnabled: Int.random(in: 0..<5, using: &generator) != 0,
                destination: IPPrefix(name).map { .prefix($0) } ?? .domains([name])
            )
        }
        for _ in 0...Int.random(in: 0...2, using: &generator) {
            network.routers.append(
                NetworkRouter(
                    isEnabled: Int.random(in: 0..<5, using: &generator) != 0,
                    peers: Bool.random(using: &generator)
                        ? .peer(.number(Int.random(in: 1...peers, using: &generator)))
                        : .groups([.named("A"), .named("B")]),
                    metric: Int.random(in: 1...3, using: &generator),
                    masquerade: Bool.random(using: &generator)
                )
            )
        }
        return network
    }
}

extension DNSSettings {
    static func random(using generator: inout some RandomNumberGenerator) -> DNSSettings {
        var settings = DNSSettings()
        for name in ["A", "B"] where Int.random(in: 0..<4, using: &generator) == 0 {
            settings.unmanagedGroups.insert(.named(name))
        }
        for name in ["A", "B", "C"] where Bool.random(using: &generator) {
            let server = Endpoint("100.64.0.\(Int.random(in: 1...4, using: &generator)):53")!
            settings.nameServers["servers-" + name] = DistributedNameServers(
                isEnabled: Bool.random(using: &generator),
                group: NameServerGroup(servers: [server], isPrimary: true, domains: [], areSearchDomains: false),
                distributionGroups: [.named(name), .named("D")]
            )
            settings.zones["zone-" + name] = DistributedZone(
                isEnabled: Bool.random(using: &generator),
                domain: "zone.example",
                isSearchDomain: Bool.random(using: &generator),
                records: [DNSRecord(name: "a.zone.example", data: .alias("b.example"), ttlSeconds: 60)],
                distributionGroups: [.named(name)]
            )
        }
        return settings
    }
}

extension Policy {
    static func random(_ number: Int, peers: Int, using generator: inout some RandomNumberGenerator) -> Policy {
        func selection(using generator: inout some RandomNumberGenerator) -> PeerSelection {
            if Int.random(in: 0..<5, using: &generator) == 0 {
                return .peer(.number(Int.random(in: 1...peers, using: &generator)))
            }
            let names = ["A", "B", "C", "D", "All"].filter { _ in Int.random(in: 0..<3, using: &generator) == 0 }
            return .groups(Set(names.map { .named($0) }))
        }
        let rules = (0...Int.random(in: 0...1, using: &generator)).map { index in
            PolicyRule(
                id: "rule-\(number)-\(index)",
                isEnabled: Int.random(in: 0..<5, using: &generator) != 0,
                sources: selection(using: &generator),
                destinations: Int.random(in: 0..<4, using: &generator) == 0
                    ? .resource(["10.7.0.0/16", "2001:db8:7::/48"].randomElement(using: &generator) ?? "")
                    : selection(using: &generator),
                isBidirectional: Bool.random(using: &generator),
                action: Int.random(in: 0..<4, using: &generator) == 0 ? .drop : .accept,
                transport: [.all, .tcp, .udp, .icmp].randomElement(using: &generator) ?? .all,
                ports: Bool.random(using: &generator) ? [22, 443] : [],
                portRanges: Bool.random(using: &generator) ? [8000...8010, 9000...9000] : []
            )
        }
        return Policy(isEnabled: Int.random(in: 0..<6, using: &generator) != 0, rules: rules)
    }
}
