import GRDB

/// Somebody who may use the API: a person, or a program (a service user).
struct UserRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "user"

    var id: String
    /// Unique without regard to case, except that service users have none.
    var email: String
    var name: String
    var role: Role
    var isServiceUser: Bool
    /// Its tokens are refused.
    var isBlocked: Bool
    /// See `PasswordHash`; `nil`: it has no password.
    var passwordHash: String?
    var createdAtSeconds: Int64
    /// `nil`: never.
    var lastLoginSeconds: Int64?
}

/// A group that the peers of a user join.
struct UserGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "userGroup"

    var userID: String
    var groupID: String
}

/// A personal access token. The token itself is not here: see `AccessToken`.
struct AccessTokenRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "accessToken"

    var id: String
    var userID: String
    var name: String
    /// Base64 of SHA-256 of the token.
    var hash: String
    var createdAtSeconds: Int64
    var expiresAtSeconds: Int64
    /// Identifier of a user, or `EventRecord.system`.
    var createdBy: String
    /// To the minute; `nil`: never.
    var lastUsedSeconds: Int64?
}
