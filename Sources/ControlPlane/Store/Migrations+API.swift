import GRDB

/// Who may use the API, and what was done. An event outlives all that it names.
func makeUsers(_ database: Database) throws {
    try database.create(table: "user") { table in
        table.primaryKey("id", .text)
        table.column("email", .text).notNull()
        table.column("name", .text).notNull()
        table.column("role", .text).notNull()
        table.column("isServiceUser", .boolean).notNull()
        table.column("isBlocked", .boolean).notNull()
        table.column("passwordHash", .text)
        table.column("createdAtSeconds", .integer).notNull()
        table.column("lastLoginSeconds", .integer)
    }
    try database.create(table: "userGroup") { table in
        table.primaryKey {
            table.column("userID", .text).references("user", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
    try database.create(table: "accessToken") { table in
        table.primaryKey("id", .text)
        table.column("userID", .text).notNull().references("user", onDelete: .cascade)
        table.column("name", .text).notNull()
        table.column("hash", .text).notNull().unique()
        table.column("createdAtSeconds", .integer).notNull()
        table.column("expiresAtSeconds", .integer).notNull()
        table.column("createdBy", .text).notNull()
        table.column("lastUsedSeconds", .integer)
    }
    try database.create(table: "event") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("timestampSeconds", .integer).notNull()
        table.column("activity", .integer).notNull()
        table.column("initiatorID", .text).notNull()
        table.column("targetID", .text).notNull()
        table.column("details", .text).notNull()
    }
}

/// Extra DNS labels, SSH, and when a key was changed.
func widenKeysAndPeers(_ database: Database) throws {
    try database.alter(table: "setupKey") { table in
        table.add(column: "updatedAtSeconds", .integer)
        table.add(column: "allowsExtraLabels", .boolean).notNull().defaults(to: false)
    }
    try database.alter(table: "peer") { table in
        table.add(column: "isSSHEnabled", .boolean).notNull().defaults(to: false)
        table.add(column: "allowsExtraLabels", .boolean).notNull().defaults(to: false)
        table.add(column: "extraLabels", .text).notNull().defaults(to: "[]")
    }
}

/// All that a policy can say, and descriptions everywhere.
func widenPolicies(_ database: Database) throws {
    for name in ["policy", "policyRule", "route", "network", "networkResource"] {
        try database.alter(table: name) { table in
            table.add(column: "description", .text).notNull().defaults(to: "")
        }
    }
    try database.alter(table: "policy") { table in
        table.add(column: "postureChecks", .text).notNull().defaults(to: "[]")
    }
    try database.alter(table: "policyRule") { table in
        table.add(column: "name", .text).notNull().defaults(to: "")
        table.add(column: "hasPortRanges", .boolean).notNull().defaults(to: false)
        table.add(column: "sourceResource", .text)
        table.add(column: "destinationResource", .text)
        table.add(column: "authorizedGroups", .text)
    }
    try database.execute(sql: "UPDATE policyRule SET hasPortRanges = 1 WHERE ports != '[]'")
}

/// A group stays while DNS settings or name servers name it.
func makeSettings(_ database: Database) throws {
    try database.alter(table: "account") { $0.add(column: "settings", .text).notNull().defaults(to: "{}") }
    try database.create(table: "unmanagedDNSGroup") { table in
        table.primaryKey("groupID", .text).references("peerGroup", onDelete: .restrict)
    }
    try database.create(table: "nameServerGroup") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull().unique()
        table.column("description", .text).notNull()
        table.column("isEnabled", .boolean).notNull()
        table.column("servers", .text).notNull()
        table.column("isPrimary", .boolean).notNull()
        table.column("domains", .text).notNull()
        table.column("areSearchDomains", .boolean).notNull()
    }
    try database.create(table: "nameServerClientGroup") { table in
        table.primaryKey {
            table.column("nameServerGroupID", .text).references("nameServerGroup", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
}

/// All of a zone goes with it; a group stays while a zone names it.
func makeZones(_ database: Database) throws {
    try database.create(table: "dnsZone") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull()
        table.column("domain", .text).notNull().unique()
        table.column("isEnabled", .boolean).notNull()
        table.column("isSearchDomain", .boolean).notNull()
    }
    try database.create(table: "dnsZoneEntry") { table in
        table.primaryKey("id", .text)
        table.column("zoneID", .text).notNull().references("dnsZone", onDelete: .cascade)
        table.column("name", .text).notNull()
        table.column("type", .text).notNull()
        table.column("content", .text).notNull()
        table.column("ttlSeconds", .integer).notNull()
    }
    try database.create(table: "dnsZoneGroup") { table in
        table.primaryKey {
            table.column("zoneID", .text).references("dnsZone", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
}
