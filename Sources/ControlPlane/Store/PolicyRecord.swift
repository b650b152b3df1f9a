import GRDB

/// An access policy: a named list of rules.
struct PolicyRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policy"

    var id: String
    var name: String
    var isEnabled: Bool
    var description = ""
    /// Identifiers of posture checks, as they were given. This server checks no posture: see `policiesByID`.
    var postureChecks: [String] = []
}

/// Which peers may talk to which, and how. Its groups are `PolicyRuleGroupRecord`s.
struct PolicyRuleRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policyRule"

    enum Action: String, Codable, Sendable { case accept, drop }
    enum Transport: String, Codable, Sendable {
        case all, tcp, udp, icmp
        case ssh = "netbird-ssh"

        var hasPorts: Bool { [.tcp, .udp, .ssh].contains(self) }
    }

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
    var name = ""
    var description = ""
    /// `ports` were given as ranges, which older agents do not understand.
    var hasPortRanges = false
    /// One peer or resource in place of the groups of that side. Stored as JSON.
    var sourceResource: ResourceReference?
    var destinationResource: ResourceReference?
    /// For `ssh`: names of local users by group, empty for any; kept as given. Stored as JSON.
    var authorizedGroups: [String: [String]]?
}

/// A group on one side of a rule.
struct PolicyRuleGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "policyRuleGroup"

    enum Side: String, Codable, Sendable { case source, destination }

    var ruleID: String
    var side: Side
    var groupID: String
}
