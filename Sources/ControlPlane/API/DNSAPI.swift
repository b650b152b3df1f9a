import MeshModel

/// Name servers and whose resolvers are left alone. Source: spec/server/rest-api.md 14.
enum DNSAPI {
    static let routes: [APIRoute] = [
        .get("/api/dns/settings", .needs(.read, .dns)) { _, transaction in try settings(transaction) },
        .put("/api/dns/settings", .needs(.update, .dns), updateSettings),
        .get("/api/dns/nameservers", .needs(.read, .nameservers)) { _, transaction in
            let groups = Dictionary(
                grouping: try transaction.all(NameServerClientGroupRecord.self),
                by: \.nameServerGroupID
            )
            return try transaction.all(NameServerGroupRecord.self).map { record in
                Answer(record, groups: (groups[record.id] ?? []).map(\.groupID))
            }
        },
        .post("/api/dns/nameservers", .needs(.create, .nameservers), create),
        .get("/api/dns/nameservers/{nsgroupId}", .needs(.read, .nameservers)) { call, transaction in
            try answer(try servers(call, transaction), transaction)
        },
        .put("/api/dns/nameservers/{nsgroupId}", .needs(.update, .nameservers), update),
        .delete("/api/dns/nameservers/{nsgroupId}", .needs(.delete, .nameservers)) { call, transaction in
            let servers = try servers(call, transaction)
            try transaction.delete(servers)
            try transaction.mapsChanged()
            try call.record(.nameServerGroupDelete, of: servers.id, ["name": servers.name], transaction)
        },
    ]

    private struct Settings: Codable {
        var disabled_management_groups: [String]
    }

    struct Server: Codable {
        var ip: String
        var ns_type: String?
        var port: Int?
    }

    struct Answer: Encodable {
        var id: String
        var name: String
        var description: String
        var nameservers: [Server]
        var enabled: Bool
        var groups: [String]
        var primary: Bool
        var domains: [String]
        var search_domains_enabled: Bool

        init(_ record: NameServerGroupRecord, groups: [String]) {
            id = record.id
            name = record.name
            description = record.description
            nameservers = record.servers.map { Server(ip: $0.ip, ns_type: "udp", port: Int($0.port)) }
            enabled = record.isEnabled
            self.groups = groups
            primary = record.isPrimary
            domains = record.domains
            search_domains_enabled = record.areSearchDomains
        }
    }

    private struct Request: Decodable {
        var name: String?
        var description: String?
        var nameservers: [Server]?
        var enabled: Bool?
        var groups: [String]?
        var primary: Bool?
        var domains: [String]?
        var search_domains_enabled: Bool?
    }

    private static func settings(_ transaction: StoreTransaction) throws -> Settings {
        Settings(disabled_management_groups: try transaction.all(UnmanagedDNSGroupRecord.self).map(\.groupID))
    }

    private static func updateSettings(_ call: APICall, _ transaction: StoreTransaction) throws -> Settings {
        let wanted = try transaction.groups(try call.decode(Settings.self).disabled_management_groups)
        let old = try transaction.all(UnmanagedDNSGroupRecord.self)
        guard old.map(\.groupID) != wanted.map(\.id) else { return try settings(transaction) }
        for record in old { try transaction.delete(record) }
        for group in wanted { try transaction.insert(UnmanagedDNSGroupRecord(groupID: group.id)) }
        try transaction.mapsChanged()
        let account = try transaction.meshAccount().id
        for group in wanted where !old.contains(where: { $0.groupID == group.id }) {
            let details = ["group_id": group.id, "group": group.name]
            try call.record(.unmanagedDNSGroupAdd, of: account, details, transaction)
        }
        for record in old where !wanted.contains(where: { $0.id == record.groupID }) {
            try call.record(.unmanagedDNSGroupDelete, of: account, ["group_id": record.groupID], transaction)
        }
        return try settings(transaction)
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Answer {
        let request = try call.decode(Request.self)
        let new = NameServerGroupRecord(
            id: transaction.makeID(),
            name: "",
            description: "",
            isEnabled: true,
            servers: [],
            isPrimary: false,
            domains: [],
            areSearchDomains: false
        )
        let record = try changed(new, by: request, transaction)
        try transaction.insert(record)
        try setGroups(request.groups ?? [], of: record, transaction)
        try transaction.mapsChanged()
        try call.record(.nameServerGroupAdd, of: record.id, ["name": record.name], transaction)
        return try answer(record, transaction)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Answer {
        let request = try call.decode(Request.self)
        let record = try changed(try servers(call, transaction), by: request, transaction)
        try transaction.update(record)
        if let groups = request.groups { try setGroups(groups, of: record, transaction) }
        try transaction.mapsChanged()
        try call.record(.nameServerGroupUpdate, of: record.id, ["name": record.name], transaction)
        return try answer(record, transaction)
    }

    /// - Throws: `APIError` with 422 for what no name servers can be.
    private static func changed(
        _ old: NameServerGroupRecord,
        by request: Request,
        _ transaction: StoreTransaction
    ) throws -> NameServerGroupRecord {
        var new = old
        new.name = try displayName(request.name ?? old.name, of: "a nameserver group's name", maximum: 40)
        new.description = try request.description.map { try longText($0) } ?? old.description
        new.isEnabled = request.enabled ?? old.isEnabled
        new.isPrimary = request.primary ?? old.isPrimary
        new.areSearchDomains = request.search_domains_enabled ?? old.areSearchDomains
        new.servers = try request.nameservers?.map(server) ?? old.servers
        if let domains = request.domains { new.domains = try domains.map(domainName) }
        let isTaken = try transaction.rows(NameServerGroupRecord.self, where: "name", is: new.name)
            .contains { $0.id != new.id }
        guard !isTaken else { throw APIError.invalid("nameserver group \(shown(new.name)) already exists") }
        guard (1...3).contains(new.servers.count) else { throw APIError.invalid("1 to 3 nameservers are needed") }
        guard new.isPrimary == new.domains.isEmpty else {
            throw APIError.invalid("a primary group has no domains, any other at least one")
        }
        guard !new.isPrimary || !new.areSearchDomains else {
            throw APIError.invalid("a primary group has no search domains")
        }
        return new
    }

    private static func server(_ request: Server) throws(APIError) -> NameServerGroupRecord.Server {
        guard let address = IPAddress(request.ip) else { throw .invalid("\(shown(request.ip)) is no address") }
        guard request.ns_type ?? "udp" == "udp" else { throw .invalid("ns_type must be udp") }
        guard let port = request.port.flatMap(UInt16.init(exactly:)), port > 0 else {
            throw .invalid("a nameserver needs a port, 1 to 65535")
        }
        return NameServerGroupRecord.Server(ip: address.description, port: port)
    }

    private static func setGroups(
        _ ids: [String],
        of servers: NameServerGroupRecord,
        _ transaction: StoreTransaction
    ) throws {
        let groups = try transaction.groups(ids)
        guard !groups.isEmpty else { throw APIError.invalid("a nameserver group needs at least one group") }
        try transaction.deleteRows(NameServerClientGroupRecord.self, where: "nameServerGroupID", is: servers.id)
        for group in groups {
            try transaction.insert(NameServerClientGroupRecord(nameServerGroupID: servers.id, groupID: group.id))
        }
    }

    private static func servers(_ call: APICall, _ transaction: StoreTransaction) throws -> NameServerGroupRecord {
        guard let servers = try transaction.find(NameServerGroupRecord.self, call["nsgroupId"]) else {
            throw APIError.notFound("nameserver group")
        }
        return servers
    }

    private static func answer(_ servers: NameServerGroupRecord, _ transaction: StoreTransaction) throws -> Answer {
        let groups = try transaction.rows(
            NameServerClientGroupRecord.self,
            where: "nameServerGroupID",
            is: servers.id
        )
        return Answer(servers, groups: groups.map(\.groupID))
    }
}
