import GRDB

/// Resolvers for some groups. The groups are `NameServerClientGroupRecord`s.
struct NameServerGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "nameServerGroup"

    struct Server: Codable, Hashable, Sendable {
        var ip: String
        /// UDP.
        var port: UInt16
    }

    var id: String
    /// Unique.
    var name: String
    var description: String
    var isEnabled: Bool
    /// Stored as JSON.
    var servers: [Server]
    /// Asked for all that no other group matches.
    var isPrimary: Bool
    /// Names it is asked for; empty for a primary one. Stored as JSON.
    var domains: [String]
    var areSearchDomains: Bool
}

/// A group whose members ask these servers.
struct NameServerClientGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "nameServerClientGroup"

    var nameServerGroupID: String
    var groupID: String
}

/// A group whose members' resolvers are left alone.
struct UnmanagedDNSGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "unmanagedDNSGroup"

    var groupID: String
}
