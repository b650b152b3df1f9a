/// Access policies. Source: spec/server/rest-api.md 10.
enum PoliciesAPI {
    static let routes: [APIRoute] = [
        .get("/api/policies", .needs(.read, .policies)) { _, transaction in
            let groups = try transaction.groupMinimums()
            return try transaction.policies().map { Answer($0, groups) }
        },
        .post("/api/policies", .needs(.create, .policies), create),
        .get("/api/policies/{policyId}", .needs(.read, .policies)) { call, transaction in
            Answer(try policy(call, transaction), try transaction.groupMinimums())
        },
        .put("/api/policies/{policyId}", .needs(.update, .policies), update),
        .delete("/api/policies/{policyId}", .needs(.delete, .policies)) { call, transaction in
            let policy = try policy(call, transaction).record
            try transaction.delete(policy)
            try transaction.mapsChanged()
            try call.record(.policyDelete, of: policy.id, ["name": policy.name], transaction)
        },
    ]

    struct Answer: Encodable {
        var id: String
        var name: String
        var description: String
        var enabled: Bool
        var source_posture_checks: [String]
        var rules: [Rule]

        init(_ policy: StoredPolicy, _ groups: [String: GroupMinimum]) {
            id = policy.record.id
            name = policy.record.name
            description = policy.record.description
            enabled = policy.record.isEnabled
            source_posture_checks = policy.record.postureChecks
            rules = policy.rules.map { Rule($0, groups) }
        }
    }

    struct Rule: Encodable {
        var id: String
        var name: String
        var description: String
        var enabled: Bool
        var action: String
        var bidirectional: Bool
        var `protocol`: String
        /// `nil`: there are none.
        var ports: [String]?
        var port_ranges: [PortRange]?
        var authorized_groups: [String: [String]]?
        var sources: [GroupMinimum]
        var sourceResource: ResourceReference?
        var destinations: [GroupMinimum]
        var destinationResource: ResourceReference?

        init(_ rule: StoredPolicy.Rule, _ groups: [String: GroupMinimum]) {
            let record = rule.record
            id = record.id
            name = record.name
            description = record.description
            enabled = record.isEnabled
            action = record.action.rawValue
            bidirectional = record.isBidirectional
            `protocol` = record.protocol.rawValue
            if record.hasPortRanges {
                port_ranges = record.ports.map { PortRange(start: Int($0.first), end: Int($0.last)) }
            } else if !record.ports.isEmpty {
                ports = record.ports.map { "\($0.first)" }
            }
            authorized_groups = record.authorizedGroups
            sources = rule.sources.compactMap { groups[$0] }
            sourceResource = record.sourceResource
            destinations = rule.destinations.compactMap { groups[$0] }
            destinationResource = record.destinationResource
        }
    }

    struct PortRange: Codable {
        var start: Int
        var end: Int
    }

    private struct Request: Decodable {
        var name: String?
        var description: String?
        var enabled: Bool?
        var source_posture_checks: [String]?
        var rules: [RuleRequest]?
    }

    struct RuleRequest: Decodable {
        var id: String?
        var name: String?
        var description: String?
        var enabled: Bool?
        var action: String?
        var bidirectional: Bool?
        var `protocol`: String?
        var ports: [String]?
        var port_ranges: [PortRange]?
        var authorized_groups: [String: [String]]?
        var sources: [String]?
        var destinations: [String]?
        var sourceResource: ResourceReference?
        var destinationResource: ResourceReference?
        /// As the Python client writes them.
        var source_resource: ResourceReference?
        var destination_resource: ResourceReference?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Answer {
        let request = try call.decode(Request.self)
        let record = PolicyRecord(
            id: transaction.makeID(),
            name: try displayName(request.name ?? "", of: "a policy's name", maximum: 255),
            isEnabled: request.enabled ?? true,
            description: try longText(request.description),
            postureChecks: request.source_posture_checks ?? []
        )
        let policy = StoredPolicy(
            record: record,
            rules: try rules(request.rules ?? [], of: record.id, old: [], transaction)
        )
        try transaction.insert(record)
        try transaction.insertRules(of: policy)
        try transaction.mapsChanged()
        try call.record(.policyAdd, of: record.id, ["name": record.name], transaction)
        return Answer(policy, try transaction.groupMinimums())
    }

    /// What is missing stays as it is; a rule with a known identifier keeps what it does not name.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Answer {
        let request = try call.decode(Request.self)
        let old = try policy(call, transaction)
        var new = old
        if let name = request.name {
            new.record.name = try displayName(name, of: "a policy's name", maximum: 255)
        }
        new.record.isEnabled = request.enabled ?? old.record.isEnabled
        new.record.description = try request.description.map { try longText($0) } ?? old.record.description
        new.record.postureChecks = request.source_posture_checks ?? old.record.postureChecks
        if let wanted = request.rules {
            new.rules = try rules(wanted, of: old.record.id, old: old.rules.map(\.record), transaction)
        }
        let answer = Answer(new, try transaction.groupMinimums())
        guard new != old else { return answer }
        try transaction.update(new.record)
        try transaction.deleteRows(PolicyRuleRecord.self, where: "policyID", is: old.record.id)
        try transaction.insertRules(of: new)
        try transaction.mapsChanged()
        try call.record(.policyUpdate, of: new.record.id, ["name": new.record.name], transaction)
        return answer
    }

    private static func rules(
        _ requests: [RuleRequest],
        of policyID: String,
        old: [PolicyRuleRecord],
        _ transaction: StoreTransaction
    ) throws -> [StoredPolicy.Rule] {
        guard !requests.isEmpty else { throw APIError.invalid("policy rules shouldn't be empty") }
        let named = Set(requests.compactMap(\.id))
        var ids: Set<String> = []
        return try requests.enumerated().map { position, request in
            // The first rule shares its policy's identifier. Source: spec/server/rest-api.md 10.
            let own =
                old.indices.contains(position) ? old[position].id : position == 0 ? policyID : transaction.makeID()
            let unnamed = named.contains(own) ? transaction.makeID() : own
            let id = request.id.flatMap { $0.isEmpty ? nil : $0 } ?? unnamed
            let before = old.first { $0.id == id }
            guard before != nil || id == policyID || request.id?.isEmpty != false else {
                throw APIError.invalid("rule \(shown(id)) is none of this policy's")
            }
            guard ids.insert(id).inserted else { throw APIError.invalid("rule \(shown(id)) is there twice") }
            return try rule(request, id: id, of: policyID, position, before, transaction)
        }
    }

    private static func rule(
        _ request: RuleRequest,
        id: String,
        of policyID: String,
        _ position: Int,
        _ before: PolicyRuleRecord?,
        _ transaction: StoreTransaction
    ) throws -> StoredPolicy.Rule {
        guard let action = PolicyRuleRecord.Action(rawValue: request.action ?? "") else {
            throw APIError.invalid("action must be accept or drop")
        }
        guard let transport = PolicyRuleRecord.Transport(rawValue: request.protocol ?? "") else {
            throw APIError.invalid("protocol must be all, tcp, udp, icmp or netbird-ssh")
        }
        let ranges = request.port_ranges ?? []
        let sourceResource = request.sourceResource ?? request.source_resource
        let destinationResource = request.destinationResource ?? request.destination_resource
        guard (request.sources != nil) != (sourceResource != nil),
            (request.destinations != nil) != (destinationResource != nil)
        else {
            throw APIError.invalid("a rule needs sources or sourceResource, and destinations or destinationResource")
        }
        let sources = try transaction.groups(request.sources ?? []).map(\.id)
        let authorized = transport == .ssh ? request.authorized_groups ?? [:] : [:]
        guard authorized.isEmpty || sources.allSatisfy({ authorized[$0] != nil }) else {
            throw APIError.invalid("authorized_groups must name every source group")
        }
        let record = PolicyRuleRecord(
            id: id,
            policyID: policyID,
            position: position,
            isEnabled: request.enabled ?? before?.isEnabled ?? true,
            action: action,
            protocol: transport,
            isBidirectional: request.bidirectional ?? before?.isBidirectional ?? true,
            ports: try ports(request.ports ?? [], ranges, of: transport),
            name: try request.name.map { try longText($0) } ?? before?.name ?? "",
            description: try request.description.map { try longText($0) } ?? before?.description ?? "",
            hasPortRanges: !ranges.isEmpty,
            sourceResource: sourceResource,
            destinationResource: destinationResource,
            authorizedGroups: authorized.isEmpty ? nil : authorized
        )
        return StoredPolicy.Rule(
            record: record,
            sources: sources,
            destinations: try transaction.groups(request.destinations ?? []).map(\.id)
        )
    }

    private static func ports(
        _ texts: [String],
        _ ranges: [PortRange],
        of transport: PolicyRuleRecord.Transport
    ) throws(APIError) -> [PolicyRuleRecord.Ports] {
        guard texts.isEmpty || ranges.isEmpty else { throw .invalid("ports and port_ranges exclude each other") }
        guard transport.hasPorts || texts.isEmpty && ranges.isEmpty else {
            throw .invalid("protocol \(transport.rawValue) has no ports")
        }
        var ports: [PolicyRuleRecord.Ports] = []
        for text in texts {
            guard let port = UInt16(text), port > 0, "\(port)" == text else {
                throw .invalid("port \(shown(text)) is not 1 to 65535")
            }
            ports.append(PolicyRuleRecord.Ports(first: port, last: port))
        }
        for range in ranges {
            guard let first = UInt16(exactly: range.start), let last = UInt16(exactly: range.end), first > 0,
                first <= last
            else { throw .invalid("port range \(range.start) to \(range.end) is not within 1 to 65535") }
            ports.append(PolicyRuleRecord.Ports(first: first, last: last))
        }
        return ports
    }

    private static func policy(_ call: APICall, _ transaction: StoreTransaction) throws -> StoredPolicy {
        guard let record = try transaction.find(PolicyRecord.self, call["policyId"]) else {
            throw APIError.notFound("policy")
        }
        return try transaction.stored(record)
    }
}

/// A policy with its rules in order, and their groups as they were given.
struct StoredPolicy: Hashable, Sendable {
    struct Rule: Hashable, Sendable {
        var record: PolicyRuleRecord
        var sources: [String]
        var destinations: [String]
    }

    var record: PolicyRecord
    var rules: [Rule]
}

extension StoreTransaction {
    /// In the order in which they were made.
    func policies() throws -> [StoredPolicy] {
        let rules = Dictionary(grouping: try all(PolicyRuleRecord.self), by: \.policyID)
        let groups = Dictionary(grouping: try all(PolicyRuleGroupRecord.self), by: \.ruleID)
        return try all(PolicyRecord.self).map { policy in
            StoredPolicy(policy, rules: rules[policy.id] ?? [], groups: groups)
        }
    }

    fileprivate func stored(_ policy: PolicyRecord) throws -> StoredPolicy {
        let rules = try rows(PolicyRuleRecord.self, where: "policyID", is: policy.id)
        let groups = try rules.flatMap { try rows(PolicyRuleGroupRecord.self, where: "ruleID", is: $0.id) }
        return StoredPolicy(policy, rules: rules, groups: Dictionary(grouping: groups, by: \.ruleID))
    }

    fileprivate func insertRules(of policy: StoredPolicy) throws {
        for rule in policy.rules {
            // Whatever has that identifier already belongs to another policy.
            guard try find(PolicyRuleRecord.self, rule.record.id) == nil else {
                throw APIError.invalid("rule \(shown(rule.record.id)) is none of this policy's")
            }
            try insert(rule.record)
            for (side, ids) in [(PolicyRuleGroupRecord.Side.source, rule.sources), (.destination, rule.destinations)] {
                for id in ids { try insert(PolicyRuleGroupRecord(ruleID: rule.record.id, side: side, groupID: id)) }
            }
        }
    }
}

extension StoredPolicy {
    fileprivate init(
        _ record: PolicyRecord,
        rules: [PolicyRuleRecord],
        groups: [String: [PolicyRuleGroupRecord]]
    ) {
        self.record = record
        self.rules = rules.sorted { ($0.position, $0.id) < ($1.position, $1.id) }.map { rule in
            func ids(_ side: PolicyRuleGroupRecord.Side) -> [String] {
                (groups[rule.id] ?? []).filter { $0.side == side }.map(\.groupID)
            }
            return Rule(record: rule, sources: ids(.source), destinations: ids(.destination))
        }
    }
}

/// A text that may be empty, for people.
///
/// - Throws: `APIError` with 422 beyond 4096 characters.
func longText(_ text: String?) throws(APIError) -> String {
    let text = text ?? ""
    guard text.utf8.count <= 4096 else { throw .invalid("a description has at most 4096 bytes") }
    return text
}
