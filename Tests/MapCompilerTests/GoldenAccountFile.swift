import MapCompiler
import MeshModel
import MeshProto

/// `store.json`, as far as it is read.
struct StoreFile: Decodable {
    struct Account: Decodable {
        let network_serial: UInt64
    }
    let accounts: [Account]
}

/// `account.json`, as far as it is read.
struct AccountFile: Decodable {
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
        let login_expired: Bool
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
    struct DNS: Decodable {
        struct Server: Decodable {
            let ip: String
            let port: UInt16
        }
        struct Servers: Decodable {
            let id: String
            let enabled: Bool
            let groups: [String]
            let domains: [String]
            let nameservers: [Server]
            let primary: Bool
            let search_domains_enabled: Bool
        }
        struct Record: Decodable {
            let content: String
            let name: String
            let ttl: UInt32

            func converted() -> DNSRecord {
                let data = IPAddress(content).map { DNSRecord.Data.address($0) } ?? .alias(content)
                return DNSRecord(name: name, data: data, ttlSeconds: ttl)
            }
        }
        struct Zone: Decodable {
            let id: String
            let domain: String
            let enabled: Bool
            let enable_search_domain: Bool
            let distribution_groups: [String]
            let _records: [Record]
        }
        struct Settings: Decodable {
            let disabled_management_groups: [String]
        }
        let nameservers: [Servers]
        let zones: [Zone]
        let settings: Settings

        func converted() throws -> DNSSettings {
            var result = DNSSettings(unmanagedGroups: identifiers(settings.disabled_management_groups))
            for servers in nameservers {
                let endpoints = try servers.nameservers.map { server in
                    guard let address = IPAddress(server.ip) else { throw GoldenError("name server \(server.ip)") }
                    return Endpoint(address: address, port: server.port)
                }
                result.nameServers[servers.id] = DistributedNameServers(
                    isEnabled: servers.enabled,
                    group: NameServerGroup(
                        servers: endpoints,
                        isPrimary: servers.primary,
                        domains: servers.domains,
                        areSearchDomains: servers.search_domains_enabled
                    ),
                    distributionGroups: identifiers(servers.groups)
                )
            }
            for zone in zones {
                result.zones[zone.id] = DistributedZone(
                    isEnabled: zone.enabled,
                    domain: zone.domain,
                    isSearchDomain: zone.enable_search_domain,
                    records: zone._records.map { $0.converted() },
                    distributionGroups: identifiers(zone.distribution_groups)
                )
            }
            return result
        }

        private func identifiers(_ texts: [String]) -> Set<GroupID> { Set(texts.map { GroupID(rawValue: $0) }) }
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
    let dns: DNS
    let registered_peers: [Registered]
}

/// The peer, or else the groups.
private func routerSelection(peer: String?, groups: [String]?) throws -> RouterSelection {
    if let peer, !peer.isEmpty { return .peer(PeerID(rawValue: peer)) }
    guard let groups else { throw GoldenError("nobody carries a route") }
    return .groups(Set(groups.map { GroupID(rawValue: $0) }))
}
