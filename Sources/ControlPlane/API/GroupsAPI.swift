import MeshModel

/// Groups of peers and resources. Source: spec/server/rest-api.md 9.
enum GroupsAPI {
    static let routes: [APIRoute] = [
        .get("/api/groups", .needs(.read, .groups)) { call, transaction in
            let all = try GroupView(transaction).all
            guard let name = call.query["name"] else { return all }
            let named = all.filter { $0.name == name }
            guard !named.isEmpty else { throw APIError.notFound("group") }
            return named
        },
        .post("/api/groups", .needs(.create, .groups), create),
        .get("/api/groups/{groupId}", .needs(.read, .groups)) { call, transaction in
            try answer(try group(call, transaction), transaction)
        },
        .put("/api/groups/{groupId}", .needs(.update, .groups), update),
        .delete("/api/groups/{groupId}", .needs(.delete, .groups), delete),
    ]

    struct Group: Encodable {
        var id: String
        var name: String
        var peers_count: Int
        var resources_count: Int
        var issued = "api"
        var peers: [PeerMinimum]
        var resources: [ResourceReference]
    }

    struct PeerMinimum: Encodable {
        var id: String
        var name: String
    }

    private struct Request: Decodable {
        var name: String?
        /// Identifiers.
        var peers: [String]?
        var resources: [ResourceReference]?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Group {
        let request = try call.decode(Request.self)
        let group = GroupRecord(id: transaction.makeID(), name: try freeName(request.name ?? "", transaction))
        try transaction.insert(group)
        try call.record(.groupAdd, of: group.id, ["name": group.name], transaction)
        try setMembers(request, of: group, call, transaction)
        try transaction.mapsChanged()
        return try answer(group, transaction)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Group {
        let request = try call.decode(Request.self)
        var group = try editable(call, transaction)
        if let name = request.name, name != group.name {
            group.name = try freeName(name, transaction)
            try transaction.update(group)
            try call.record(.groupUpdate, of: group.id, ["name": name], transaction)
        }
        try setMembers(request, of: group, call, transaction)
        try transaction.mapsChanged()
        return try answer(group, transaction)
    }

    private static func delete(_ call: APICall, _ transaction: StoreTransaction) throws {
        let group = try editable(call, transaction)
        if let user = try transaction.groupUsers(group.id).first {
            throw APIError.malformed("group has been linked to \(user.kind): \(user.name)")
        }
        try transaction.delete(group)
        try transaction.mapsChanged()
        try call.record(.groupDelete, of: group.id, ["name": group.name], transaction)
    }

    private static func setMembers(
        _ request: Request,
        of group: GroupRecord,
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws {
        let details = ["group_id": group.id, "group": group.name]
        if let ids = request.peers {
            let old = try transaction.rows(PeerGroupMemberRecord.self, where: "groupID", is: group.id).map(\.peerID)
            let new = try unique(ids).map { id in
                guard try transaction.find(PeerRecord.self, id) != nil else {
                    throw APIError.invalid("peer \(shown(id)) not found")
                }
                return id
            }
            try transaction.deleteRows(PeerGroupMemberRecord.self, where: "groupID", is: group.id)
            for id in new { try transaction.insert(PeerGroupMemberRecord(groupID: group.id, peerID: id)) }
            try record(.peerGroupAdd, .peerGroupDelete, from: old, to: new, details, call, transaction)
        }
        if let references = request.resources {
            let old = try transaction.rows(NetworkResourceGroupRecord.self, where: "groupID", is: group.id)
                .map(\.resourceID)
            let new = try unique(references.map(\.id)).map { id in
                guard try transaction.find(NetworkResourceRecord.self, id) != nil else {
                    throw APIError.invalid("resource \(shown(id)) not found; peers of a group go into peers")
                }
                return id
            }
            try transaction.deleteRows(NetworkResourceGroupRecord.self, where: "groupID", is: group.id)
            for id in new { try transaction.insert(NetworkResourceGroupRecord(resourceID: id, groupID: group.id)) }
            try record(.resourceGroupAdd, .resourceGroupDelete, from: old, to: new, details, call, transaction)
        }
    }

    private static func record(
        _ addition: Activity,
        _ removal: Activity,
        from old: [String],
        to new: [String],
        _ details: [String: String],
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws {
        for id in new where !Set(old).contains(id) { try call.record(addition, of: id, details, transaction) }
        for id in old where !Set(new).contains(id) { try call.record(removal, of: id, details, transaction) }
    }

    private static func freeName(_ text: String, _ transaction: StoreTransaction) throws -> String {
        let name = try displayName(text, of: "a group's name", maximum: 255)
        guard try transaction.rows(GroupRecord.self, where: "name", is: name).isEmpty else {
            throw APIError.conflict("group with name \(shown(name)) already exists")
        }
        return name
    }

    private static func group(_ call: APICall, _ transaction: StoreTransaction) throws -> GroupRecord {
        guard let group = try transaction.find(GroupRecord.self, call["groupId"]) else {
            throw APIError.notFound("group")
        }
        return group
    }

    private static func editable(_ call: APICall, _ transaction: StoreTransaction) throws -> GroupRecord {
        let group = try group(call, transaction)
        guard group.name != GroupRecord.allName else {
            throw APIError.invalid("group \(group.name) holds every peer; it cannot be changed or deleted")
        }
        return group
    }

    private static func answer(_ group: GroupRecord, _ transaction: StoreTransaction) throws -> Group {
        let members = try transaction.rows(PeerGroupMemberRecord.self, where: "groupID", is: group.id)
        let resources = try transaction.rows(NetworkResourceGroupRecord.self, where: "groupID", is: group.id)
        return GroupView.group(
            group,
            peers: try members.compactMap { try transaction.find(PeerRecord.self, $0.peerID) },
            resources: try resources.compactMap { try transaction.find(NetworkResourceRecord.self, $0.resourceID) }
        )
    }

    /// All groups at once, with one look at each table.
    private struct GroupView {
        let all: [Group]

        init(_ transaction: StoreTransaction) throws {
            let peers = Dictionary(uniqueKeysWithValues: try transaction.all(PeerRecord.self).map { ($0.id, $0) })
            let resources = Dictionary(
                uniqueKeysWithValues: try transaction.all(NetworkResourceRecord.self).map { ($0.id, $0) }
            )
            let members = Dictionary(grouping: try transaction.all(PeerGroupMemberRecord.self), by: \.groupID)
            let links = Dictionary(grouping: try transaction.all(NetworkResourceGroupRecord.self), by: \.groupID)
            all = try transaction.all(GroupRecord.self).map { group in
                Self.group(
                    group,
                    peers: (members[group.id] ?? []).compactMap { peers[$0.peerID] },
                    resources: (links[group.id] ?? []).compactMap { resources[$0.resourceID] }
                )
            }
        }

        static func group(_ group: GroupRecord, peers: [PeerRecord], resources: [NetworkResourceRecord]) -> Group {
            Group(
                id: group.id,
                name: group.name,
                peers_count: peers.count,
                resources_count: resources.count,
                peers: peers.map { PeerMinimum(id: $0.id, name: $0.name) },
                resources: resources.map { ResourceReference(id: $0.id, type: $0.kind) }
            )
        }
    }
}

/// A group within other answers.
struct GroupMinimum: Encodable {
    var id: String
    var name: String
    var peers_count: Int
    var resources_count: Int
    var issued = "api"
}

/// A peer or a network's resource within requests and answers; other types are kept as they are.
struct ResourceReference: Codable, Hashable, Sendable {
    var id: String
    /// `peer`, `host`, `subnet` or `domain`.
    var type: String
}

extension NetworkResourceRecord {
    /// `host`, `subnet` or `domain`.
    var kind: String {
        guard let prefix = IPPrefix(address) else { return "domain" }
        return prefix == IPPrefix(host: prefix.address) ? "host" : "subnet"
    }
}

extension StoreTransaction {
    /// All groups, by identifier.
    func groupMinimums() throws -> [String: GroupMinimum] {
        let peers = try counts(PeerGroupMemberRecord.self, by: "groupID")
        let resources = try counts(NetworkResourceGroupRecord.self, by: "groupID")
        return Dictionary(
            uniqueKeysWithValues: try all(GroupRecord.self).map { group in
                let minimum = GroupMinimum(
                    id: group.id,
                    name: group.name,
                    peers_count: peers[group.id] ?? 0,
                    resources_count: resources[group.id] ?? 0
                )
                return (group.id, minimum)
            }
        )
    }
}

/// The texts in their order; one that is there twice counts once.
func unique(_ texts: [String]) -> [String] {
    var seen: Set<String> = []
    return texts.filter { seen.insert($0).inserted }
}
