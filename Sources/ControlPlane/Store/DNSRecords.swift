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

/// A zone for the members of some groups. What is in it are `DNSZoneEntryRecord`s.
struct DNSZoneRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "dnsZone"

    var id: String
    var name: String
    /// Lower case, without a dot at its end; unique.
    var domain: String
    var isEnabled: Bool
    var isSearchDomain: Bool
}

/// One record of a zone.
struct DNSZoneEntryRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "dnsZoneEntry"

    enum Kind: String, Codable, Sendable {
        case a = "A"
        case aaaa = "AAAA"
        case cname = "CNAME"
    }

    var id: String
    var zoneID: String
    /// Whole, lower case, without a dot at its end.
    var name: String
    var type: Kind
    /// An address, or a name like `name`.
    var content: String
    var ttlSeconds: Int64
}

/// A group whose members get the zone.
struct DNSZoneGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "dnsZoneGroup"

    var zoneID: String
    var groupID: String
}
