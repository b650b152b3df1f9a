package import MeshModel

/// What an account says about names, beyond those of its peers. Source: spec/wire/management.md A10.7.
package struct DNSSettings: Hashable, Sendable {
    /// The agents of their members leave the host's resolver alone.
    package var unmanagedGroups: Set<GroupID>
    /// Keyed by the store's identifier, in whose order agents get them.
    package var nameServers: [String: DistributedNameServers]
    /// Keyed by the store's identifier, in whose order agents get them.
    package var zones: [String: DistributedZone]

    package init(
        unmanagedGroups: Set<GroupID> = [],
        nameServers: [String: DistributedNameServers] = [:],
        zones: [String: DistributedZone] = [:]
    ) {
        self.unmanagedGroups = unmanagedGroups
        self.nameServers = nameServers
        self.zones = zones
    }
}

/// Resolvers for the members of some groups.
package struct DistributedNameServers: Hashable, Sendable {
    package var isEnabled: Bool
    package var group: NameServerGroup
    package var distributionGroups: Set<GroupID>

    package init(isEnabled: Bool = true, group: NameServerGroup, distributionGroups: Set<GroupID>) {
        self.isEnabled = isEnabled
        self.group = group
        self.distributionGroups = distributionGroups
    }
}

/// A zone for the members of some groups. One without records is nobody's.
package struct DistributedZone: Hashable, Sendable {
    package var isEnabled: Bool
    /// Without a dot at its end.
    package var domain: String
    package var isSearchDomain: Bool
    /// Names and aliases without a dot at their ends.
    package var records: [DNSRecord]
    package var distributionGroups: Set<GroupID>

    package init(
        isEnabled: Bool = true,
        domain: String,
        isSearchDomain: Bool,
        records: [DNSRecord],
        distributionGroups: Set<GroupID>
    ) {
        self.isEnabled = isEnabled
        self.domain = domain
        self.isSearchDomain = isSearchDomain
        self.records = records
        self.distributionGroups = distributionGroups
    }
}

/// What of the account's settings one peer gets.
struct DistributedNames: Hashable {
    let isManaged: Bool
    let zones: [DNSZone]
    let nameServerGroups: [NameServerGroup]
}

extension Directory {
    /// Nothing at all for a peer whose names are not managed.
    func names(for id: PeerID, _ peer: Peer) -> DistributedNames {
        func isMember(_ ids: Set<GroupID>) -> Bool { ids.contains { groups[$0]?.members.contains(id) == true } }
        guard !isMember(dns.unmanagedGroups) else {
            return DistributedNames(isManaged: false, zones: [], nameServerGroups: [])
        }
        let zones = dns.zones.sorted { $0.key < $1.key }.map(\.value).filter { zone in
            zone.isEnabled && !zone.records.isEmpty && isMember(zone.distributionGroups)
        }
        let nameServers = dns.nameServers.sorted { $0.key < $1.key }.map(\.value).filter { servers in
            // A resolver does not ask itself.
            servers.isEnabled && isMember(servers.distributionGroups)
                && !servers.group.servers.contains { $0.address == peer.address }
        }
        return DistributedNames(
            isManaged: true,
            zones: zones.map(\.zone),
            nameServerGroups: nameServers.map(\.group)
        )
    }
}

extension DistributedZone {
    /// As agents get it: dots at the ends, and other names below the domain left to other resolvers.
    fileprivate var zone: DNSZone {
        let absolute = records.map { record in
            var record = record
            record.name += "."
            if case .alias(let target) = record.data { record.data = .alias(target + ".") }
            return record
        }
        return DNSZone(
            domain: domain + ".",
            records: absolute,
            isSearchDomainDisabled: !isSearchDomain,
            isNonAuthoritative: true
        )
    }
}
