import GRDB
import MapCompiler
import MeshModel

extension SQLiteStore: Store {
    func directory() async throws -> Directory {
        try await pool.read { try makeDirectory($0) }
    }
}

/// All that network maps are made of.
func makeDirectory(_ database: Database) throws -> Directory {
    let account = try account(database)
    return Directory(
        serial: UInt64(clamping: account.serial),
        network: try account.network(),
        domain: account.domain,
        settings: AccountSettings(
            isLazyConnectionEnabled: account.settings.lazy_connection_enabled ?? false,
            isRoutingPeerResolutionEnabled: account.settings.routing_peer_dns_resolution_enabled ?? true
        ),
        peers: try peersByID(database, account),
        groups: try groupsByID(database),
        policies: try policiesByID(database),
        routes: try routesByID(database),
        networks: try networksByID(database),
        dns: try dnsSettings(database)
    )
}

/// A value in the database that cannot be what it should be: somebody else wrote it, or the file is damaged.
struct StoredValueError: Error, CustomStringConvertible {
    var description: String
}

func account(_ database: Database) throws -> AccountRecord {
    guard let account = try AccountRecord.fetchOne(database) else {
        throw StoredValueError(description: "the database has no account")
    }
    return account
}

/// The group that every peer joins.
func allGroupID(_ database: Database) throws -> String {
    guard let group = try GroupRecord.filter(Column("name") == GroupRecord.allName).fetchOne(database) else {
        throw StoredValueError(description: "the database has no group \(GroupRecord.allName)")
    }
    return group.id
}

/// What a new mesh starts with: networks of its own, the group of all peers, and a policy that lets them all talk.
func makeAccount(_ database: Database, domain: String, atSeconds now: Int64) throws {
    var generator = SystemRandomNumberGenerator()
    let network = OverlayNetwork(using: &generator)
    try AccountRecord(
        id: Identifier.random(using: &generator),
        domain: domain,
        networkV4: network.v4.description,
        networkV6: network.v6.description,
        serial: 0,
        createdAtSeconds: now
    ).insert(database)
    let all = GroupRecord(id: Identifier.random(using: &generator), name: GroupRecord.allName)
    try all.insert(database)
    let policy = PolicyRecord(id: Identifier.random(using: &generator), name: "Default", isEnabled: true)
    try policy.insert(database)
    // The first rule shares its policy's identifier. Source: spec/server/domain-model.md 7.
    let rule = PolicyRuleRecord(
        id: policy.id,
        policyID: policy.id,
        position: 0,
        isEnabled: true,
        action: .accept,
        protocol: .all,
        isBidirectional: true,
        ports: [],
        name: policy.name
    )
    try rule.insert(database)
    for side in [PolicyRuleGroupRecord.Side.source, .destination] {
        try PolicyRuleGroupRecord(ruleID: rule.id, side: side, groupID: all.id).insert(database)
    }
}

extension AccountRecord {
    func network() throws -> OverlayNetwork {
        guard let v4 = IPPrefix(networkV4), let v6 = IPPrefix(networkV6), v4.isV4, !v6.isV4 else {
            throw StoredValueError(description: "account: \(networkV4) and \(networkV6) are no overlay networks")
        }
        return OverlayNetwork(v4: v4, v6: v6)
    }
}

private func peersByID(_ database: Database, _ account: AccountRecord) throws -> [PeerID: Peer] {
    let withIPv6 = try StoreTransaction(database: database).peersWithIPv6(account)
    var peers: [PeerID: Peer] = [:]
    for record in try PeerRecord.fetchAll(database) {
        guard let key = PublicKey(base64: record.publicKey), let address = IPAddress(record.addressV4) else {
            throw StoredValueError(description: "peer \(record.id): key or address cannot be read")
        }
        peers[PeerID(rawValue: record.id)] = Peer(
            publicKey: key,
            address: address,
            addressV6: withIPv6?.contains(record.id) == false ? nil : record.addressV6.flatMap { IPAddress($0) },
            label: record.dnsLabel,
            extraLabels: record.extraLabels,
            meta: record.meta,
            sshPublicKey: record.sshPublicKey,
            isSSHEnabled: record.isSSHEnabled
        )
    }
    return peers
}

private func groupsByID(_ database: Database) throws -> [GroupID: Group] {
    let members = Dictionary(grouping: try PeerGroupMemberRecord.fetchAll(database), by: \.groupID)
    let resources = Dictionary(grouping: try NetworkResourceGroupRecord.fetchAll(database), by: \.groupID)
    var groups: [GroupID: Group] = [:]
    for record in try GroupRecord.fetchAll(database) {
        groups[GroupID(rawValue: record.id)] = Group(
            isAll: record.name == GroupRecord.allName,
            members: Set((members[record.id] ?? []).map { PeerID(rawValue: $0.peerID) }),
            resources: Set((resources[record.id] ?? []).map { ResourceID(rawValue: $0.resourceID) })
        )
    }
    return groups
}

private func policiesByID(_ database: Database) throws -> [PolicyID: Policy] {
    let rules = Dictionary(
        grouping: try PolicyRuleRecord.order(Column("position"), Column("id")).fetchAll(database),
        by: \.policyID
    )
    let groups = Dictionary(grouping: try PolicyRuleGroupRecord.fetchAll(database), by: \.ruleID)
    var policies: [PolicyID: Policy] = [:]
    for record in try PolicyRecord.fetchAll(database) {
        // Nobody passes a check that is not made: better no connection than one that was not meant.
        policies[PolicyID(rawValue: record.id)] = Policy(
            isEnabled: record.isEnabled && record.postureChecks.isEmpty,
            rules: try (rules[record.id] ?? []).map { try PolicyRule($0, groups: groups[$0.id] ?? []) }
        )
    }
    return policies
}

extension PolicyRule {
    fileprivate init(_ record: PolicyRuleRecord, groups: [PolicyRuleGroupRecord]) throws {
        func selection(_ side: PolicyRuleGroupRecord.Side, _ resource: ResourceReference?) -> PeerSelection {
            switch resource {
            case nil: .groups(Set(groups.filter { $0.side == side }.map { GroupID(rawValue: $0.groupID) }))
            case let resource? where resource.type == "peer": .peer(PeerID(rawValue: resource.id))
            case let resource?: .resource(ResourceID(rawValue: resource.id))
            }
        }
        guard record.ports.allSatisfy({ $0.first <= $0.last }) else {
            throw StoredValueError(description: "rule \(record.id): a port range ends before it starts")
        }
        self.init(
            id: record.id,
            isEnabled: record.isEnabled,
            sources: selection(.source, record.sourceResource),
            destinations: selection(.destination, record.destinationResource),
            isBidirectional: record.isBidirectional,
            action: record.action == .accept ? .accept : .drop,
            transport: record.protocol.transport,
            ports: record.hasPortRanges ? [] : record.singlePorts,
            portRanges: record.hasPortRanges ? record.ports.map { $0.first...$0.last } : []
        )
    }
}

extension PolicyRuleRecord {
    /// Who may use SSH may use the agent's own SSH server too. Source: spec/server/domain-model.md 10, step 1.6.
    fileprivate var singlePorts: [UInt16] {
        let ports = ports.map(\.first)
        let (plain, native): (UInt16, UInt16) = (22, 22022)
        return `protocol` == .ssh && ports.contains(plain) && !ports.contains(native) ? ports + [native] : ports
    }
}

extension PolicyRuleRecord.Transport {
    fileprivate var transport: FirewallRule.Transport {
        switch self {
        case .all: .all
        case .tcp, .ssh: .tcp
        case .udp: .udp
        case .icmp: .icmp
        }
    }
}

private func dnsSettings(_ database: Database) throws -> DNSSettings {
    let groups = Dictionary(grouping: try NameServerClientGroupRecord.fetchAll(database), by: \.nameServerGroupID)
    var settings = DNSSettings(
        unmanagedGroups: Set(try UnmanagedDNSGroupRecord.fetchAll(database).map { GroupID(rawValue: $0.groupID) })
    )
    for record in try NameServerGroupRecord.fetchAll(database) {
        settings.nameServers[record.id] = DistributedNameServers(
            isEnabled: record.isEnabled,
            group: NameServerGroup(
                servers: try record.servers.map { server in
                    guard let address = IPAddress(server.ip) else {
                        throw StoredValueError(description: "name servers \(record.id): \(server.ip) is no address")
                    }
                    return Endpoint(address: address, port: server.port)
                },
                isPrimary: record.isPrimary,
                domains: record.domains,
                areSearchDomains: record.areSearchDomains
            ),
            distributionGroups: Set((groups[record.id] ?? []).map { GroupID(rawValue: $0.groupID) })
        )
    }
    settings.zones = try zonesByID(database)
    return settings
}

private func zonesByID(_ database: Database) throws -> [String: DistributedZone] {
    let groups = Dictionary(grouping: try DNSZoneGroupRecord.fetchAll(database), by: \.zoneID)
    // Agents get them in the order in which they were made.
    let entries = Dictionary(
        grouping: try DNSZoneEntryRecord.order(Column.rowID).fetchAll(database),
        by: \.zoneID
    )
    var zones: [String: DistributedZone] = [:]
    for record in try DNSZoneRecord.fetchAll(database) {
        zones[record.id] = DistributedZone(
            isEnabled: record.isEnabled,
            domain: record.domain,
            isSearchDomain: record.isSearchDomain,
            records: try (entries[record.id] ?? []).map { try $0.record() },
            distributionGroups: Set((groups[record.id] ?? []).map { GroupID(rawValue: $0.groupID) })
        )
    }
    return zones
}

extension DNSZoneEntryRecord {
    fileprivate func record() throws -> DNSRecord {
        let data: DNSRecord.Data
        if type == .cname {
            data = .alias(content)
        } else {
            guard let address = IPAddress(content) else {
                throw StoredValueError(description: "DNS record \(id): \(content) is no address")
            }
            data = .address(address)
        }
        return DNSRecord(name: name, data: data, ttlSeconds: UInt32(clamping: ttlSeconds))
    }
}

private func routesByID(_ database: Database) throws -> [RouteID: Route] {
    let groups = Dictionary(grouping: try RouteGroupRecord.fetchAll(database), by: \.routeID)
    var routes: [RouteID: Route] = [:]
    for record in try RouteRecord.fetchAll(database) {
        routes[RouteID(rawValue: record.id)] = try Route(record, groups: groups[record.id] ?? [])
    }
    return routes
}

extension Route {
    fileprivate init(_ record: RouteRecord, groups: [RouteGroupRecord]) throws {
        func members(_ role: RouteGroupRecord.Role) -> Set<GroupID> {
            Set(groups.filter { $0.role == role }.map { GroupID(rawValue: $0.groupID) })
        }
        self.init(
            networkID: record.networkID,
            isEnabled: record.isEnabled,
            destination: try record.destination(),
            routers: record.routerPeerID.map { .peer(PeerID(rawValue: $0)) } ?? .groups(members(.router)),
            distributionGroups: members(.client),
            accessGroups: members(.access),
            metric: record.metric,
            masquerade: record.masquerade,
            keepRoute: record.keepRoute,
            skipAutoApply: record.skipAutoApply
        )
    }
}

extension RouteRecord {
    func destination() throws -> RouteDestination {
        if let text = prefix {
            guard let prefix = IPPrefix(text) else {
                throw StoredValueError(description: "route \(id): \(text) is no prefix")
            }
            return .prefix(prefix)
        }
        guard !domains.isEmpty else { throw StoredValueError(description: "route \(id) leads nowhere") }
        return .domains(domains)
    }
}
