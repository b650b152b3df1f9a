import MapCompiler
import MeshModel

/// Peers; they come by registration only. Source: spec/server/rest-api.md 7.
enum PeersAPI {
    static let routes: [APIRoute] = [
        .get("/api/peers", .ownUnless(.read, .peers), list),
        .get("/api/peers/{peerId}", .needs(.read, .peers)) { call, transaction in
            let peer = try peer(call, transaction)
            return try PeerView(transaction).answer(peer)
        },
        .put("/api/peers/{peerId}", .needs(.update, .peers), update),
        .delete("/api/peers/{peerId}", .needs(.delete, .peers), delete),
        .get("/api/peers/{peerId}/accessible-peers", .needs(.read, .peers), accessible),
    ]

    struct Peer: Encodable {
        var id: String
        var name: String
        var created_at: String
        var ip: String
        var ipv6: String?
        /// Not recorded.
        var connection_ip = ""
        var connected: Bool
        var last_seen: String
        var os: String
        var kernel_version: String
        /// No database of places is used: 0 and empty texts.
        var geoname_id = 0
        var country_code = ""
        var city_name = ""
        var version: String
        var groups: [GroupMinimum]
        var ssh_enabled: Bool
        /// Peers join with setup keys, not by a user's login, which could expire.
        var user_id = ""
        var login_expiration_enabled = false
        var login_expired = false
        var last_login = APITime.never
        var inactivity_expiration_enabled = false
        var approval_required = false
        var hostname: String
        var ui_version = ""
        var dns_label: String
        var serial_number = ""
        var extra_dns_labels: [String]
        var ephemeral: Bool
        /// In lists only, where it is always 0, as with the stock server.
        var accessible_peers_count: Int?
    }

    struct AccessiblePeer: Encodable {
        var id: String
        var name: String
        var ip: String
        var ipv6: String?
        var dns_label: String
        var user_id = ""
        var os: String
        var country_code = ""
        var city_name = ""
        var geoname_id = 0
        var connected: Bool
        var last_seen: String
    }

    private struct Request: Decodable {
        var name: String?
        var ssh_enabled: Bool?
        var login_expiration_enabled: Bool?
        var inactivity_expiration_enabled: Bool?
        var ip: String?
        var ipv6: String?
    }

    private static func list(_ call: APICall, _ transaction: StoreTransaction) throws -> [Peer] {
        // No peer is a user's own: there is no login by which one could become it.
        guard !call.seesOnlyOwn else { return [] }
        let view = try PeerView(transaction)
        return try transaction.all(PeerRecord.self).filter { peer in
            let name = call.query["name"] ?? ""
            let address = call.query["ip"] ?? ""
            return (name.isEmpty || peer.name.contains(name))
                && (address.isEmpty || peer.addressV4.contains(address) || peer.addressV6?.contains(address) == true)
        }.map { peer in
            var answer = view.answer(peer)
            answer.accessible_peers_count = 0
            return answer
        }
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Peer {
        let request = try call.decode(Request.self)
        var peer = try peer(call, transaction)
        guard request.login_expiration_enabled != true, request.inactivity_expiration_enabled != true else {
            throw APIError.unfit("a peer without a user has no login that could expire")
        }
        let old = peer
        try setAddresses(request, of: &peer, transaction)
        if let name = request.name, name != peer.name {
            peer.name = try displayName(name, of: "a peer's name", maximum: 255)
            peer.dnsLabel = try label(of: peer, transaction)
        }
        peer.isSSHEnabled = request.ssh_enabled ?? peer.isSSHEnabled
        guard peer != old else { return try PeerView(transaction).answer(peer) }
        try transaction.update(peer)
        try transaction.mapsChanged()
        let details = try transaction.details(of: peer)
        if peer.name != old.name { try call.record(.peerRename, of: peer.id, details, transaction) }
        if peer.isSSHEnabled != old.isSSHEnabled {
            try call.record(peer.isSSHEnabled ? .peerSSHEnable : .peerSSHDisable, of: peer.id, details, transaction)
        }
        if peer.addressV4 != old.addressV4 || peer.addressV6 != old.addressV6 {
            try call.record(.peerAddressUpdate, of: peer.id, details, transaction)
        }
        return try PeerView(transaction).answer(peer)
    }

    private static func setAddresses(
        _ request: Request,
        of peer: inout PeerRecord,
        _ transaction: StoreTransaction
    ) throws {
        let network = try transaction.meshAccount().network()
        let others = try transaction.all(PeerRecord.self).filter { $0.id != peer.id }
        func address(_ text: String, in prefix: IPPrefix, taken: [String]) throws -> String {
            guard let address = IPAddress(text), address.isV4 == prefix.isV4, prefix.contains(address) else {
                throw APIError.invalid("\(shown(text)) is no address of \(prefix)")
            }
            guard !isEnd(address, of: prefix), !taken.contains(address.description) else {
                throw APIError.invalid("address \(address) is taken")
            }
            return address.description
        }
        if let text = request.ip, !text.isEmpty {
            peer.addressV4 = try address(text, in: network.v4, taken: others.map(\.addressV4))
        }
        if let text = request.ipv6, !text.isEmpty {
            guard try transaction.peersWithIPv6(transaction.meshAccount())?.contains(peer.id) != false else {
                throw APIError.unfit("none of the peer's groups has IPv6")
            }
            peer.addressV6 = try address(text, in: network.v6, taken: others.compactMap(\.addressV6))
        }
    }

    /// Whether all bits of the host are 0 or all are 1: the network's own address and its broadcast address.
    private static func isEnd(_ address: IPAddress, of prefix: IPPrefix) -> Bool {
        let hostBits = address.bytes.enumerated().map { index, byte in
            let mask = 0xff as UInt8 >> min(max(prefix.length - 8 * index, 0), 8)
            return (bits: byte & mask, mask: mask)
        }
        return hostBits.allSatisfy { $0.bits == 0 } || hostBits.allSatisfy { $0.bits == $0.mask }
    }

    /// As at registration, from the new name. Source: spec/server/domain-model.md 2.
    private static func label(of peer: PeerRecord, _ transaction: StoreTransaction) throws -> String {
        let taken = Set(try transaction.all(PeerRecord.self).filter { $0.id != peer.id }.map(\.dnsLabel))
        guard let address = IPAddress(peer.addressV4) else {
            throw StoredValueError(description: "peer \(peer.id): \(peer.addressV4) is no address")
        }
        do {
            return try peerLabel(
                hostname: peer.name,
                address: address,
                isEphemeral: peer.isEphemeral,
                taken: taken
            )
        } catch {
            throw APIError.invalid("\(error)")
        }
    }

    private static func delete(_ call: APICall, _ transaction: StoreTransaction) throws {
        let peer = try peer(call, transaction)
        guard try transaction.rows(NetworkRouterRecord.self, where: "peerID", is: peer.id).isEmpty else {
            throw APIError.unfit("peer \(shown(peer.name)) leads to a network; remove that router first")
        }
        let details = try transaction.details(of: peer)
        try transaction.delete(peer)
        try transaction.mapsChanged()
        try call.record(.peerDelete, of: peer.id, details, transaction)
    }

    /// Those in its network map.
    private static func accessible(_ call: APICall, _ transaction: StoreTransaction) throws -> [AccessiblePeer] {
        let peer = try peer(call, transaction)
        let map = compile(try transaction.directory(), for: PeerID(rawValue: peer.id))
        let keys = Set(((map?.peers ?? []) + (map?.offlinePeers ?? [])).map(\.publicKey.base64))
        let account = try transaction.meshAccount()
        let withIPv6 = try transaction.peersWithIPv6(account)
        return try transaction.all(PeerRecord.self).filter { keys.contains($0.publicKey) }.map { peer in
            AccessiblePeer(
                id: peer.id,
                name: peer.name,
                ip: peer.addressV4,
                ipv6: withIPv6?.contains(peer.id) == false ? nil : peer.usedAddressV6,
                dns_label: "\(peer.dnsLabel).\(account.domain)",
                os: peer.operatingSystem,
                connected: peer.isConnected,
                last_seen: APITime.text(peer.lastSeenSeconds)
            )
        }
    }

    private static func peer(_ call: APICall, _ transaction: StoreTransaction) throws -> PeerRecord {
        guard let peer = try transaction.find(PeerRecord.self, call["peerId"]) else { throw APIError.notFound("peer") }
        return peer
    }

    /// What answers on peers need beside their rows.
    private struct PeerView {
        private let withIPv6: Set<String>?
        private let domain: String
        private let groups: [String: GroupMinimum]
        private let memberships: [String: [String]]

        init(_ transaction: StoreTransaction) throws {
            let account = try transaction.meshAccount()
            domain = account.domain
            withIPv6 = try transaction.peersWithIPv6(account)
            groups = try transaction.groupMinimums()
            memberships = Dictionary(grouping: try transaction.all(PeerGroupMemberRecord.self), by: \.peerID)
                .mapValues { $0.map(\.groupID) }
        }

        func answer(_ peer: PeerRecord) -> Peer {
            Peer(
                id: peer.id,
                name: peer.name,
                created_at: APITime.text(peer.createdAtSeconds),
                ip: peer.addressV4,
                ipv6: withIPv6?.contains(peer.id) == false ? nil : peer.usedAddressV6,
                connected: peer.isConnected,
                last_seen: APITime.text(peer.lastSeenSeconds),
                os: peer.operatingSystem,
                kernel_version: peer.meta.kernelVersion,
                version: peer.meta.agentVersion,
                groups: (memberships[peer.id] ?? []).compactMap { groups[$0] },
                ssh_enabled: peer.isSSHEnabled,
                hostname: peer.meta.hostname,
                dns_label: "\(peer.dnsLabel).\(domain)",
                extra_dns_labels: peer.extraLabels.map { "\($0).\(domain)" },
                ephemeral: peer.isEphemeral
            )
        }
    }
}

extension PeerRecord {
    /// `nil`: its agent takes none.
    fileprivate var usedAddressV6: String? { meta.supportsIPv6 ? addressV6 : nil }

    /// Name and version, for display.
    fileprivate var operatingSystem: String {
        [meta.distribution, meta.distributionVersion].filter { !$0.isEmpty }.joined(separator: " ")
    }
}
