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
        directory.dns = try account.dns.converted()
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
            isSSHEnabled: peer.ssh_enabled,
            isLoginExpired: peer.login_expired
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
