import MapCompiler
import MeshModel

/// Zones whose names the agents of some groups answer themselves. Source: spec/server/rest-api.md 14.3.
enum DNSZonesAPI {
    static let routes: [APIRoute] = [
        .get("/api/dns/zones", .needs(.read, .dns)) { _, transaction in
            let records = Dictionary(grouping: try transaction.all(DNSZoneEntryRecord.self), by: \.zoneID)
            let groups = Dictionary(grouping: try transaction.all(DNSZoneGroupRecord.self), by: \.zoneID)
            return try transaction.all(DNSZoneRecord.self).map { zone in
                Zone(zone, records: records[zone.id] ?? [], groups: (groups[zone.id] ?? []).map(\.groupID))
            }
        },
        .post("/api/dns/zones", .needs(.create, .dns), create),
        .get("/api/dns/zones/{zoneId}", .needs(.read, .dns)) { call, transaction in
            try answer(try transaction.zone(call), transaction)
        },
        .put("/api/dns/zones/{zoneId}", .needs(.update, .dns), update),
        .delete("/api/dns/zones/{zoneId}", .needs(.delete, .dns)) { call, transaction in
            let zone = try transaction.zone(call)
            try transaction.delete(zone)
            try transaction.mapsChanged()
            try call.record(.dnsZoneDelete, of: zone.id, ["name": zone.name], transaction)
        },
    ]

    struct Zone: Encodable {
        var id: String
        var name: String
        var domain: String
        var enabled: Bool
        var enable_search_domain: Bool
        var distribution_groups: [String]
        var records: [DNSRecordsAPI.Answer]

        init(_ zone: DNSZoneRecord, records: [DNSZoneEntryRecord], groups: [String]) {
            id = zone.id
            name = zone.name
            domain = zone.domain
            enabled = zone.isEnabled
            enable_search_domain = zone.isSearchDomain
            distribution_groups = groups
            self.records = records.map(DNSRecordsAPI.Answer.init)
        }
    }

    private struct Request: Decodable {
        var name: String?
        var domain: String?
        var enabled: Bool?
        var enable_search_domain: Bool?
        var distribution_groups: [String]?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Zone {
        let request = try call.decode(Request.self)
        let zone = DNSZoneRecord(
            id: transaction.makeID(),
            name: try displayName(request.name ?? "", of: "a zone's name", maximum: 255),
            domain: try domainName(request.domain ?? ""),
            isEnabled: request.enabled ?? true,
            isSearchDomain: request.enable_search_domain ?? false
        )
        guard try transaction.rows(DNSZoneRecord.self, where: "domain", is: zone.domain).isEmpty else {
            throw APIError.conflict("zone \(zone.domain) already exists")
        }
        guard try zone.domain != transaction.meshAccount().domain.lowercased() else {
            throw APIError.invalid("\(zone.domain) is the domain of the peers")
        }
        try transaction.insert(zone)
        try setGroups(request.distribution_groups ?? [], of: zone, transaction)
        try transaction.mapsChanged()
        try call.record(.dnsZoneCreate, of: zone.id, ["name": zone.name], transaction)
        return try answer(zone, transaction)
    }

    /// What is missing stays as it is; the domain always does.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Zone {
        let request = try call.decode(Request.self)
        var zone = try transaction.zone(call)
        guard try request.domain.map({ try domainName($0) }) ?? zone.domain == zone.domain else {
            throw APIError.invalid("the domain of a zone cannot be changed")
        }
        if let name = request.name { zone.name = try displayName(name, of: "a zone's name", maximum: 255) }
        zone.isEnabled = request.enabled ?? zone.isEnabled
        zone.isSearchDomain = request.enable_search_domain ?? zone.isSearchDomain
        try transaction.update(zone)
        if let groups = request.distribution_groups { try setGroups(groups, of: zone, transaction) }
        try transaction.mapsChanged()
        try call.record(.dnsZoneUpdate, of: zone.id, ["name": zone.name], transaction)
        return try answer(zone, transaction)
    }

    private static func setGroups(_ ids: [String], of zone: DNSZoneRecord, _ transaction: StoreTransaction) throws {
        let groups = try transaction.groups(ids)
        guard !groups.isEmpty else { throw APIError.invalid("a zone needs at least one distribution group") }
        try transaction.deleteRows(DNSZoneGroupRecord.self, where: "zoneID", is: zone.id)
        for group in groups { try transaction.insert(DNSZoneGroupRecord(zoneID: zone.id, groupID: group.id)) }
    }

    private static func answer(_ zone: DNSZoneRecord, _ transaction: StoreTransaction) throws -> Zone {
        Zone(
            zone,
            records: try transaction.rows(DNSZoneEntryRecord.self, where: "zoneID", is: zone.id),
            groups: try transaction.rows(DNSZoneGroupRecord.self, where: "zoneID", is: zone.id).map(\.groupID)
        )
    }
}

/// Records of such zones.
enum DNSRecordsAPI {
    static let routes: [APIRoute] = [
        .get("/api/dns/zones/{zoneId}/records", .needs(.read, .dns)) { call, transaction in
            let zone = try transaction.zone(call)
            return try transaction.rows(DNSZoneEntryRecord.self, where: "zoneID", is: zone.id).map(Answer.init)
        },
        .post("/api/dns/zones/{zoneId}/records", .needs(.create, .dns)) { call, transaction in
            let zone = try transaction.zone(call)
            let blank = DNSZoneEntryRecord(
                id: transaction.makeID(),
                zoneID: zone.id,
                name: "",
                type: .a,
                content: "",
                ttlSeconds: 300
            )
            let record = try changed(blank, in: zone, call, transaction)
            try transaction.insert(record)
            try transaction.mapsChanged()
            try call.record(.dnsRecordCreate, of: record.id, ["name": record.name, "zone": zone.domain], transaction)
            return Answer(record)
        },
        .get("/api/dns/zones/{zoneId}/records/{recordId}", .needs(.read, .dns)) { call, transaction in
            Answer(try record(call, in: try transaction.zone(call), transaction))
        },
        .put("/api/dns/zones/{zoneId}/records/{recordId}", .needs(.update, .dns)) { call, transaction in
            let zone = try transaction.zone(call)
            let record = try changed(try record(call, in: zone, transaction), in: zone, call, transaction)
            try transaction.update(record)
            try transaction.mapsChanged()
            try call.record(.dnsRecordUpdate, of: record.id, ["name": record.name, "zone": zone.domain], transaction)
            return Answer(record)
        },
        .delete("/api/dns/zones/{zoneId}/records/{recordId}", .needs(.delete, .dns)) { call, transaction in
            let zone = try transaction.zone(call)
            let record = try record(call, in: zone, transaction)
            try transaction.delete(record)
            try transaction.mapsChanged()
            try call.record(.dnsRecordDelete, of: record.id, ["name": record.name, "zone": zone.domain], transaction)
        },
    ]

    struct Answer: Encodable {
        var id: String
        var name: String
        var type: String
        var content: String
        var ttl: Int64

        init(_ record: DNSZoneEntryRecord) {
            id = record.id
            name = record.name
            type = record.type.rawValue
            content = record.content
            ttl = record.ttlSeconds
        }
    }

    private struct Request: Decodable {
        var name: String?
        var type: String?
        var content: String?
        var ttl: Int64?
    }

    /// What is missing stays as it is.
    private static func changed(
        _ old: DNSZoneEntryRecord,
        in zone: DNSZoneRecord,
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws -> DNSZoneEntryRecord {
        let request = try call.decode(Request.self)
        var new = old
        let name = (request.name ?? old.name).lowercased()
        let plain = try domainName(name.hasPrefix("*.") ? String(name.dropFirst(2)) : name)
        guard plain == zone.domain || plain.hasSuffix("." + zone.domain) else {
            throw APIError.invalid("name must be \(zone.domain) or end in .\(zone.domain)")
        }
        new.name = name
        guard let type = DNSZoneEntryRecord.Kind(rawValue: request.type ?? old.type.rawValue) else {
            throw APIError.invalid("type must be A, AAAA or CNAME")
        }
        new.type = type
        new.content = try content(request.content ?? old.content, of: type)
        new.ttlSeconds = request.ttl ?? old.ttlSeconds
        guard (0...Int64(Int32.max)).contains(new.ttlSeconds) else {  // RFC 2181, section 8
            throw APIError.invalid("ttl must be 0 to \(Int32.max) seconds")
        }
        let others = try transaction.rows(DNSZoneEntryRecord.self, where: "zoneID", is: zone.id)
            .filter { $0.id != new.id && $0.name == new.name }
        guard !others.contains(where: { $0.type == new.type && $0.content == new.content }) else {
            throw APIError.conflict("there is such a record already")
        }
        // RFC 1034, section 3.6.2.
        guard others.isEmpty || new.type != .cname && !others.contains(where: { $0.type == .cname }) else {
            throw APIError.invalid("a CNAME cannot stand beside other records of its name")
        }
        return new
    }

    private static func content(_ text: String, of type: DNSZoneEntryRecord.Kind) throws -> String {
        guard type != .cname else { return try domainName(text) }
        guard let address = IPAddress(text), address.isV4 == (type == .a) else {
            throw APIError.invalid("\(shown(text)) is no \(type == .a ? "IPv4" : "IPv6") address")
        }
        return address.description
    }

    private static func record(
        _ call: APICall,
        in zone: DNSZoneRecord,
        _ transaction: StoreTransaction
    ) throws -> DNSZoneEntryRecord {
        guard let record = try transaction.find(DNSZoneEntryRecord.self, call["recordId"]), record.zoneID == zone.id
        else { throw APIError.notFound("record") }
        return record
    }
}

extension StoreTransaction {
    /// The zone of the path.
    ///
    /// - Throws: `APIError` with 404.
    fileprivate func zone(_ call: APICall) throws -> DNSZoneRecord {
        guard let zone = try find(DNSZoneRecord.self, call["zoneId"]) else { throw APIError.notFound("zone") }
        return zone
    }
}

/// A domain without wildcard, in lower case.
func domainName(_ text: String) throws -> String {
    guard !text.hasPrefix("*"), case .domains(let domains) = try routeDestination(domains: [text]),
        let domain = domains.first
    else { throw APIError.invalid("\(shown(text)) is no domain such as corp.example") }
    return domain
}
