import FoundationEssentials
import MapCompiler
import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport

/// One recorded account (`account.json`, `store.json`) and the maps that the stock server made of it.
struct GoldenAccount {
    let folder: String
    private let account: AccountFile
    private let serial: UInt64

    init(folder: String) throws {
        self.folder = folder
        let decoder = JSONDecoder()
        account = try decoder.decode(AccountFile.self, from: Data(Fixtures.bytes(folder + "/account.json")))
        let store = try decoder.decode(StoreFile.self, from: Data(Fixtures.bytes(folder + "/store.json")))
        serial = store.accounts[0].network_serial
    }

    /// Peers with a recorded map: host name (which the file is named after) and identifier.
    func recordedPeers() throws -> [(host: String, id: PeerID)] {
        let hosts = try Fixtures.names(in: folder).filter { $0.hasPrefix("map-") && $0.hasSuffix(".pb") }
            .map { String($0.dropFirst("map-".count).dropLast(".pb".count)) }
        return try hosts.map { host in
            guard let id = account.registered_peers.first(where: { $0.hostname == host && !$0.deleted })?.id else {
                throw GoldenError("no registered peer \(host) in \(folder)")
            }
            return (host, PeerID(rawValue: id))
        }
    }

    func recordedMap(of host: String) throws -> Management_SyncResponse {
        try Management_SyncResponse(serializedBytes: Fixtures.bytes("\(folder)/map-\(host).pb"))
    }

    func directory() throws -> Directory {
        let settings = account.accounts[0].settings
        guard let v4 = IPPrefix(settings.network_range), let v6 = IPPrefix(settings.network_range_v6) else {
            throw GoldenError("no networks in \(folder)")
        }
        let domain = settings.dns_domain.isEmpty ? "netbird.selfhosted" : settings.dns_domain
        var directory = Directory(
            serial: serial,
            network: OverlayNetwork(v4: v4, v6: v6),
            domain: domain,
            settings: AccountSettings(
                isLazyConnectionEnabled: settings.lazy_connection_enabled,
                isRoutingPeerResolutionEnabled: settings.routing_peer_dns_resolution_enabled
            )
        )
        for peer in account.peers {
            directory.peers[PeerID(rawValue: peer.id)] = try convert(peer, domain: domain)
        }
        for group in account.groups {
            directory.groups[GroupID(rawValue: group.id)] = Group(
                isAll: group.name == "All",
                members: Set((group.peers ?? []).map { PeerID(rawValue: $0.id) }),
                resources: Set((group.resources ?? []).map { ResourceID(rawValue: $0.id) })
            )
        }
        for policy in account.policies {
            directory.policies[PolicyID(rawValue: policy.id)] = Policy(
                isEnabled: policy.enabled,
                rules: try policy.rules.map { try $0.converted() }
            )
        }
        for route in account.routes {
            directory.routes[RouteID(rawValue: route.id)] = try route.converted()
        }
        for network in account.networks {
            directory.networks[NetworkID(rawValue: network.id)] = try network.converted()
        }
        return directory
    }

    private func convert(_ peer: AccountFile.Peer, domain: String) throws -> Peer {
        guard let registered = account.registered_peers.first(where: { $0.id == peer.id }),
            let key = PublicKey(base64: registered.wg_pub_key), let address = IPAddress(peer.ip),
            peer.dns_label.hasSuffix("." + domain)
        else { throw GoldenError("peer \(peer.id) of \(folder) cannot be read") }
        return Peer(
            publicKey: key,
            address: address,
            addressV6: peer.ipv6.flatMap { IPAddress($0) },
            label: String(peer.dns_label.dropLast(domain.count + 1)),
            extraLabels: registered.dns_labels ?? [],
            meta: try PeerMeta(wire: registered.meta.message),
            sshPublicKey: registered.ssh_pub_key,
            isSSHEnabled: peer.ssh_enabled
        )
    }
}

struct GoldenError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension Management_SyncResponse {
    /// Lists that the stock server fills in random order, sorted; what depends on the server's own address, removed.
    func normalized() throws -> Management_SyncResponse {
        var copy = self
        copy.clearNetbirdConfig()
        try copy.remotePeers.sortByBytes()
        try copy.networkMap.remotePeers.sortByBytes()
        try copy.networkMap.offlinePeers.sortByBytes()
        try copy.networkMap.firewallRules.sortByBytes()
        try copy.networkMap.routes.sortByBytes()
        for index in copy.networkMap.routesFirewallRules.indices {
            copy.networkMap.routesFirewallRules[index].sourceRanges.sort()
        }
        try copy.networkMap.routesFirewallRules.sortByBytes()
        for index in copy.networkMap.dnsconfig.customZones.indices {
            try copy.networkMap.dnsconfig.customZones[index].records.sortByBytes()
        }
        try copy.networkMap.dnsconfig.customZones.sortByBytes()
        return copy
    }
}

extension Array where Element: Message {
    fileprivate mutating func sortByBytes() throws {
        let keyed = try map { (key: try $0.serializedBytes() as [UInt8], element: $0) }
        self = keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.element)
    }
}

// MARK: - The files, as far as they are read

private struct StoreFile: Decodable {
    struct Account: Decodable {
        let network_serial: UInt64
    }
    let accounts: [Account]
}

private struct AccountFile: Decodable {
    struct Account: Decodable {
        let settings: Settings
    }
    struct Settings: Decodable {
        let dns_domain: String
        let network_range: String
        let network_range_v6: String
        let lazy_connection_enabled: Bool
        let routing_peer_dns_resolution_enabled: Bool
    }
    struct Peer: Decodable {
        let id: String
        let ip: String
        let ipv6: String?
        let dns_label: String
        let ssh_enabled: Bool
    }
    struct Named: Decodable {
        let id: String
    }
    struct Group: Decodable {
        let id: String
        let name: String
        let peers: [Named]?
        let resources: [Named]?
    }
    struct Policy: Decodable {
        let id: String
        let enabled: Bool
        let rules: [Rule]
    }
    struct Range: Decodable {
        let start: UInt16
        let end: UInt16
    }
    struct Resource: Decodable {
        let id: String
        let type: String
    }
    struct Rule: Decodable {
        let id: String
        let enabled: Bool
        let action: String
        let bidirectional: Bool
        let `protocol`: String
        let ports: [String]?
        let port_ranges: [Range]?
        let sources: [Named]?
        let destinations: [Named]?
        let sourceResource: Resource?
        let destinationResource: Resource?

        func converted() throws -> PolicyRule {
            let transports: [String: FirewallRule.Transport] = ["all": .all, "tcp": .tcp, "udp": .udp, "icmp": .icmp]
            guard let transport = transports[`protocol`] else { throw GoldenError("protocol \(`protocol`)") }
            return PolicyRule(
                id: id,
                isEnabled: enabled,
                sources: try selection(sources, sourceResource),
                destinations: try selection(destinations, destinationResource),
                isBidirectional: bidirectional,
                action: action == "drop" ? .drop : .accept,
                transport: transport,
                ports: try (ports ?? []).map { text in
                    guard let port = UInt16(text) else { throw GoldenError("port \(text)") }
                    return port
                },
                portRanges: (port_ranges ?? []).map { $0.start...$0.end }
            )
        }

        private func selection(_ groups: [Named]?, _ resource: Resource?) throws -> PeerSelection {
            if let resource, !resource.id.isEmpty {
                return resource.type == "peer"
                    ? .peer(PeerID(rawValue: resource.id)) : .resource(ResourceID(rawValue: resource.id))
            }
            return .groups(Set((groups ?? []).map { GroupID(rawValue: $0.id) }))
        }
    }
    struct Route: Decodable {
        let id: String
        let network_id: String
        let enabled: Bool
        let network: String?
        let domains: [String]?
        let peer: String?
        let peer_groups: [String]?
        let groups: [String]
        let access_control_groups: [String]?
        let metric: Int
        let masquerade: Bool
        let keep_route: Bool
        let skip_auto_apply: Bool

        func converted() throws -> MapCompiler.Route {
            MapCompiler.Route(
                networkID: network_id,
                isEnabled: enabled,
                destination: try destination(),
                routers: try routerSelection(peer: peer, groups: peer_groups),
                distributionGroups: Set(groups.map { GroupID(rawValue: $0) }),
                accessGroups: Set((access_control_groups ?? []).map { GroupID(rawValue: $0) }),
                metric: metric,
                masquerade: masquerade,
                keepRoute: keep_route,
                skipAutoApply: skip_auto_apply
            )
        }

        private func destination() throws -> RouteDestination {
            if let domains { return .domains(domains) }
            guard let prefix = network.flatMap({ IPPrefix($0) }) else { throw GoldenError("route \(id) leads nowhere") }
            return .prefix(prefix)
        }
    }
    struct Network: Decodable {
        struct Resource: Decodable {
            let id: String
            let name: String
            let address: String
            let type: String
            let enabled: Bool

            func destination() throws -> RouteDestination {
                if type == "domain" { return .domains([address]) }
                guard let prefix = IPPrefix(address) else { throw GoldenError("resource \(address)") }
                return .prefix(prefix)
            }
        }
        struct Router: Decodable {
            let enabled: Bool
            let peer: String?
            let peer_groups: [String]?
            let metric: Int
            let masquerade: Bool
        }
        let id: String
        let _resources: [Resource]
        let _routers: [Router]

        func converted() throws -> MapCompiler.Network {
            var network = MapCompiler.Network()
            for resource in _resources {
                network.resources[ResourceID(rawValue: resource.id)] = MapCompiler.Resource(
                    name: resource.name,
                    isEnabled: resource.enabled,
                    destination: try resource.destination()
                )
            }
            network.routers = try _routers.map { router in
                NetworkRouter(
                    isEnabled: router.enabled,
                    peers: try routerSelection(peer: router.peer, groups: router.peer_groups),
                    metric: router.metric,
                    masquerade: router.masquerade
                )
            }
            return network
        }
    }
    struct Registered: Decodable {
        /// `nil` if deleted.
        let id: String?
        let hostname: String
        let deleted: Bool
        let wg_pub_key: String
        let ssh_pub_key: String
        let dns_labels: [String]?
        let meta: Meta
    }
    /// Protobuf-JSON inside the file: the few fields that maps depend on.
    struct Meta: Decodable {
        struct Flags: Decodable {
            let disableIPv6: Bool?
            let serverSSHAllowed: Bool?
        }
        let hostname: String?
        let netbirdVersion: String?
        let flags: Flags?
        let capabilities: [String]?

        var message: Management_PeerSystemMeta {
            var wire = Management_PeerSystemMeta()
            wire.hostname = hostname ?? ""
            wire.netbirdVersion = netbirdVersion ?? ""
            wire.flags.disableIpv6 = flags?.disableIPv6 ?? false
            wire.flags.serverSshallowed = flags?.serverSSHAllowed ?? false
            wire.capabilities = (capabilities ?? []).map { name in
                switch name {
                case "PeerCapabilitySourcePrefixes": .sourcePrefixes
                case "PeerCapabilityIPv6Overlay": .ipv6Overlay
                default: .unknown
                }
            }
            return wire
        }
    }

    let accounts: [Account]
    let peers: [Peer]
    let groups: [Group]
    let policies: [Policy]
    let routes: [Route]
    let networks: [Network]
    let registered_peers: [Registered]
}

/// The peer, or else the groups.
private func routerSelection(peer: String?, groups: [String]?) throws -> RouterSelection {
    if let peer, !peer.isEmpty { return .peer(PeerID(rawValue: peer)) }
    guard let groups else { throw GoldenError("nobody carries a route") }
    return .groups(Set(groups.map { GroupID(rawValue: $0) }))
}
