/// Setup keys. Source: spec/server/rest-api.md 8.
enum SetupKeysAPI {
    static let routes: [APIRoute] = [
        .get("/api/setup-keys", .needs(.read, .setupKeys)) { call, transaction in
            let groups = Dictionary(grouping: try transaction.all(SetupKeyGroupRecord.self), by: \.setupKeyID)
            return try transaction.all(SetupKeyRecord.self).map { key in
                Key(key, groups: (groups[key.id] ?? []).map(\.groupID), atSeconds: call.nowSeconds)
            }
        },
        .post("/api/setup-keys", .needs(.create, .setupKeys), create),
        .get("/api/setup-keys/{keyId}", .needs(.read, .setupKeys)) { call, transaction in
            try answer(try key(call, transaction), call, transaction)
        },
        .put("/api/setup-keys/{keyId}", .needs(.update, .setupKeys), update),
        .delete("/api/setup-keys/{keyId}", .needs(.delete, .setupKeys)) { call, transaction in
            let key = try key(call, transaction)
            try transaction.delete(key)
            try call.record(.setupKeyDelete, of: key.id, ["name": key.name], transaction)
        },
    ]

    struct Key: Encodable {
        var id: String
        /// The key itself in the answer that made it, its mask in all others.
        var key: String
        var name: String
        var expires: String
        var type: String
        var valid: Bool
        var revoked: Bool
        var used_times: Int64
        var last_used: String
        var state: String
        var auto_groups: [String]
        var updated_at: String
        var usage_limit: Int64
        var ephemeral: Bool
        var allow_extra_dns_labels: Bool

        init(_ record: SetupKeyRecord, groups: [String], atSeconds now: Int64) {
            let refusal = record.refusal(atSeconds: now)
            id = record.id
            key = record.mask
            name = record.name
            expires = APITime.text(record.expiresAtSeconds)
            type = record.type.rawValue
            valid = refusal == nil
            revoked = record.isRevoked
            used_times = record.usedTimes
            last_used = APITime.text(record.lastUsedSeconds)
            state = refusal == "used up" ? "overused" : refusal ?? "valid"
            auto_groups = groups
            updated_at = APITime.text(record.updatedAtSeconds ?? record.createdAtSeconds)
            usage_limit = record.usageLimit
            ephemeral = record.isEphemeral
            allow_extra_dns_labels = record.allowsExtraLabels
        }
    }

    private struct Request: Decodable {
        var name: String?
        var type: String?
        /// Seconds; 0: never.
        var expires_in: Int64?
        var auto_groups: [String]?
        var usage_limit: Int64?
        var ephemeral: Bool?
        var allow_extra_dns_labels: Bool?
        var revoked: Bool?
    }

    /// A hundred years: what is beyond is a mistake, and would end beyond what a time can be.
    private static let longestLifeSeconds: Int64 = 100 * 366 * 86_400

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Key {
        let request = try call.decode(Request.self)
        let name = try displayName(request.name ?? "", of: "a setup key's name", maximum: 255)
        guard let type = SetupKeyRecord.KeyType(rawValue: request.type ?? "") else {
            throw APIError.invalid("type must be reusable or one-off")
        }
        let limit = request.usage_limit ?? 0
        guard limit >= 0, type == .reusable || limit <= 1 else {
            throw APIError.invalid("usage_limit must not be negative, and at most 1 for a one-off key")
        }
        let lifetime = request.expires_in ?? 0
        guard (0...longestLifeSeconds).contains(lifetime) else {
            throw APIError.invalid("expires_in must be 0 (never) or seconds, at most a hundred years")
        }
        let secret = SetupKeySecret.generate()
        let key = SetupKeyRecord(
            id: transaction.makeID(),
            name: name,
            hash: secret.hash,
            mask: secret.mask,
            type: type,
            createdAtSeconds: call.nowSeconds,
            expiresAtSeconds: lifetime == 0 ? nil : call.nowSeconds + lifetime,
            isRevoked: false,
            usedTimes: 0,
            lastUsedSeconds: nil,
            usageLimit: type == .oneOff ? 1 : limit,
            isEphemeral: request.ephemeral ?? false,
            allowsExtraLabels: request.allow_extra_dns_labels ?? false
        )
        try transaction.insert(key)
        try call.record(.setupKeyAdd, of: key.id, ["name": name, "type": type.rawValue], transaction)
        try setGroups(request.auto_groups ?? [], of: key, call, transaction)
        var answer = try answer(key, call, transaction)
        answer.key = secret.text
        return answer
    }

    /// What is missing stays as it is; a revoked key stays revoked.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Key {
        let request = try call.decode(Request.self)
        var key = try key(call, transaction)
        let isRevoked = request.revoked ?? key.isRevoked
        guard isRevoked || !key.isRevoked else { throw APIError.invalid("a revoked key cannot be made valid again") }
        if isRevoked != key.isRevoked {
            try call.record(.setupKeyRevoke, of: key.id, ["name": key.name], transaction)
        }
        key.isRevoked = isRevoked
        key.updatedAtSeconds = call.nowSeconds
        try transaction.update(key)
        if let groups = request.auto_groups { try setGroups(groups, of: key, call, transaction) }
        return try answer(key, call, transaction)
    }

    private static func setGroups(
        _ ids: [String],
        of key: SetupKeyRecord,
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws {
        let groups = try transaction.joinableGroups(ids)
        let old = try groupIDs(of: key, transaction)
        try transaction.deleteRows(SetupKeyGroupRecord.self, where: "setupKeyID", is: key.id)
        for group in groups { try transaction.insert(SetupKeyGroupRecord(setupKeyID: key.id, groupID: group.id)) }
        for group in groups where !old.contains(group.id) {
            try call.record(.setupKeyGroupAdd, of: key.id, ["group_id": group.id, "group": group.name], transaction)
        }
        for id in old where !groups.contains(where: { $0.id == id }) {
            try call.record(.setupKeyGroupDelete, of: key.id, ["group_id": id], transaction)
        }
    }

    private static func groupIDs(of key: SetupKeyRecord, _ transaction: StoreTransaction) throws -> [String] {
        try transaction.rows(SetupKeyGroupRecord.self, where: "setupKeyID", is: key.id).map(\.groupID)
    }

    private static func key(_ call: APICall, _ transaction: StoreTransaction) throws -> SetupKeyRecord {
        guard let key = try transaction.find(SetupKeyRecord.self, call["keyId"]) else {
            throw APIError.notFound("setup key")
        }
        return key
    }

    private static func answer(_ key: SetupKeyRecord, _ call: APICall, _ transaction: StoreTransaction) throws -> Key {
        Key(key, groups: try groupIDs(of: key, transaction), atSeconds: call.nowSeconds)
    }
}
