import GRDB

/// One setup key. The key itself is not here: see `SetupKeySecret`.
struct SetupKeyRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "setupKey"

    enum KeyType: String, Codable, Sendable {
        case reusable
        case oneOff = "one-off"
    }

    var id: String
    var name: String
    /// Base64 of SHA-256 of the upper-cased key.
    var hash: String
    /// First five characters of the key and `****`.
    var mask: String
    var type: KeyType
    var createdAtSeconds: Int64
    /// `nil`: never.
    var expiresAtSeconds: Int64?
    var isRevoked: Bool
    var usedTimes: Int64
    /// `nil`: never used.
    var lastUsedSeconds: Int64?
    /// 0: no limit.
    var usageLimit: Int64
    /// Peers that register with it are ephemeral.
    var isEphemeral: Bool
    /// `nil`: not since it was made.
    var updatedAtSeconds: Int64?
    /// Peers that register with it may have further names.
    var allowsExtraLabels = false

    /// Why it does not admit a peer at that time; `nil`: it does. Source: spec/server/domain-model.md 3.
    func refusal(atSeconds now: Int64) -> String? {
        if isRevoked { return "revoked" }
        if let expiresAtSeconds, expiresAtSeconds <= now { return "expired" }
        if usageLimit > 0 && usedTimes >= usageLimit { return "used up" }
        return nil
    }
}

/// A group that peers join when they register with a key.
struct SetupKeyGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "setupKeyGroup"

    var setupKeyID: String
    var groupID: String
}
