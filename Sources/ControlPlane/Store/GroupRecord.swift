import GRDB

/// A named set of peers.
struct GroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "peerGroup"

    var id: String
    var name: String

    /// Every peer is a member of the group of this name, of which there is exactly one.
    static let allName = "All"
}
