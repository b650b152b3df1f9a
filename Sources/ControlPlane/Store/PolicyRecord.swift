import GRDB

/// An access policy: a named list of rules.
struct PolicyRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policy"

    var id: String
    var name: String
    var isEnabled: Bool
}

/// Which peers may talk to which, and how. Its groups are `PolicyRuleGroupRecord`s.
struct PolicyRuleRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policyRule"

    enum Action: String, Codable, Sendable { case accept, drop }
    enum Transport: String, Codable, Sendable { case all, tcp, udp, icmp }

    /// First and last port, both included.
    struct Ports: Codable, Hashable, Sendable {
        var first: UInt16
        var last: UInt16
    }

    var id: String
    var policyID: String
    /// Order within the policy.
    var position: Int
    var isEnabled: Bool
    var action: Action
    var `protocol`: Transport
    var isBidirectional: Bool
    /// Empty: any. Stored as JSON.
    var ports: [Ports]
}

/// A group on one side of a rule.
struct PolicyRuleGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policyRuleGroup"

    enum Side: String, Codable, Sendable { case source, destination }

    var ruleID: String
    var side: Side
    var groupID: String
}
