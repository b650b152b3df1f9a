import GRDB

/// One line of the audit log: who did what to whom, and when.
struct EventRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "event"

    /// Grows by one; `nil`: not stored yet.
    var id: Int64?
    var timestampSeconds: Int64
    /// A number of `Activity`; one that this version does not know was written by a later one.
    var activity: Int
    /// Identifier of a user or a setup key, or `system`.
    var initiatorID: String
    var targetID: String
    /// Stored as JSON.
    var details: [String: String]

    /// The initiator of what the server does by itself, and of commands beside it. Source: spec/server/domain-model.md 14.
    static let system = "sys"
}

/// What happens in a mesh, by the numbers that are stored and never change. Source: spec/server/domain-model.md 14.
enum Activity: Int, CaseIterable, Sendable {
    case userGroupAdd = 20
    case userGroupDelete = 21
    case userRoleUpdate = 22
    case accountCreate = 4
    case accessTokenCreate = 41
    case accessTokenDelete = 42
    case serviceUserCreate = 43
    case serviceUserDelete = 44
    case userBlock = 45
    case userUnblock = 46
    case userDelete = 47
    case ownerRoleTransfer = 59
    case userCreate = 91
    case userPasswordChange = 103

    /// For programs.
    var code: String { words.code }
    /// For people.
    var text: String { words.text }

    private var words: (code: String, text: String) {
        switch self {
        case .userGroupAdd: ("user.group.add", "Group added to a user")
        case .userGroupDelete: ("user.group.delete", "Group removed from a user")
        case .userRoleUpdate: ("user.role.update", "Role of a user changed")
        case .accountCreate: ("account.create", "Mesh set up")
        case .accessTokenCreate: ("personal.access.token.create", "Access token made")
        case .accessTokenDelete: ("personal.access.token.delete", "Access token deleted")
        case .serviceUserCreate: ("service.user.create", "Service user made")
        case .serviceUserDelete: ("service.user.delete", "Service user deleted")
        case .userBlock: ("user.block", "User blocked")
        case .userUnblock: ("user.unblock", "User unblocked")
        case .userDelete: ("user.delete", "User deleted")
        case .ownerRoleTransfer: ("transferred.owner.role", "Ownership handed over")
        case .userCreate: ("user.create", "User made")
        case .userPasswordChange: ("user.password.change", "Password changed")
        }
    }
}
