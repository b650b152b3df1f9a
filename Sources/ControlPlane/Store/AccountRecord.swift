import GRDB
import MeshModel

/// The mesh itself: one row.
struct AccountRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "account"

    var id: String
    /// Domain of the peers' names, without dots at its ends.
    var domain: String
    /// A /16 such as `100.92.0.0/16`.
    var networkV4: String
    /// A unique local /64.
    var networkV6: String
    /// Grows by one in the transaction of each change that a peer can see.
    var serial: Int64
    var createdAtSeconds: Int64
    /// What was set; the rest is as in `AccountSettingsFields.standard`. Stored as JSON.
    var settings = AccountSettingsFields()

    static let defaultDomain = "netbird.selfhosted"
}
