import GRDB

/// The database's shape, step by step. Forward only: a step that was released never changes.
///
/// One account per database: a server serves one mesh. Times are seconds since 1970; identifiers are text.
func migrations() -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: accounts, peers, setup keys, groups, policies") { database in
        try makeAccount(database)
        try makePeers(database)
        try makeSetupKeys(database)
        try makePolicies(database)
    }
    migrator.registerMigration("2: routes", migrate: makeRoutes)
    migrator.registerMigration("3: networks", migrate: makeNetworks)
    migrator.registerMigration("4: users, access tokens, events", migrate: makeUsers)
    migrator.registerMigration("5: more of keys and peers", migrate: widenKeysAndPeers)
    migrator.registerMigration("6: whole policies, descriptions", migrate: widenPolicies)
    migrator.registerMigration("7: settings, name servers", migrate: makeSettings)
    migrator.registerMigration("8: DNS zones", migrate: makeZones)
    return migrator
}

/// `PRAGMA application_id` of our files, "wgms" in ASCII: tells them from other programs' SQLite files.
let applicationID: Int32 = 0x7767_6d73

private func makeAccount(_ database: Database) throws {
    try database.execute(sql: "PRAGMA application_id = \(applicationID)")
    try database.create(table: "account") { table in
        table.primaryKey("id", .text)
        table.column("domain", .text).notNull()
        table.column("networkV4", .text).notNull()
        table.column("networkV6", .text).notNull()
        table.column("serial", .integer).notNull()
        table.column("createdAtSeconds", .integer).notNull()
    }
}

private func makePeers(_ database: Database) throws {
    try database.create(table: "peer") { table in
        table.primaryKey("id", .text)
        table.column("publicKey", .text).notNull().unique()
        table.column("addressV4", .text).notNull().unique()
        table.column("addressV6", .text).unique()
        table.column("name", .text).notNull()
        table.column("dnsLabel", .text).notNull().unique()
        table.column("sshPublicKey", .text).notNull()
        table.column("isEphemeral", .boolean).notNull()
        table.column("meta", .text).notNull()
        table.column("createdAtSeconds", .integer).notNull()
        table.column("lastLoginSeconds", .integer).notNull()
        table.column("lastSeenSeconds", .integer).notNull()
        table.column("isConnected", .boolean).notNull()
    }
    try database.create(table: "peerGroup") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull().unique()
    }
    try database.create(table: "peerGroupMember") { table in
        table.primaryKey {
            table.column("groupID", .text).references("peerGroup", onDelete: .cascade)
            table.column("peerID", .text).references("peer", onDelete: .cascade)
        }
    }
}

private func makeSetupKeys(_ database: Database) throws {
    try database.create(table: "setupKey") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull()
        table.column("hash", .text).notNull().unique()
        table.column("mask", .text).notNull()
        table.column("type", .text).notNull()
        table.column("createdAtSeconds", .integer).notNull()
        table.column("expiresAtSeconds", .integer)
        table.column("isRevoked", .boolean).notNull()
        table.column("usedTimes", .integer).notNull()
        table.column("lastUsedSeconds", .integer)
        table.column("usageLimit", .integer).notNull()
        table.column("isEphemeral", .boolean).notNull()
    }
    try database.create(table: "setupKeyGroup") { table in
        table.primaryKey {
            table.column("setupKeyID", .text).references("setupKey", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .cascade)
        }
    }
}

private func makePolicies(_ database: Database) throws {
    try database.create(table: "policy") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull()
        table.column("isEnabled", .boolean).notNull()
    }
    try database.create(table: "policyRule") { table in
        table.primaryKey("id", .text)
        table.column("policyID", .text).notNull().references("policy", onDelete: .cascade)
        table.column("position", .integer).notNull()
        table.column("isEnabled", .boolean).notNull()
        table.column("action", .text).notNull()
        table.column("protocol", .text).notNull()
        table.column("isBidirectional", .boolean).notNull()
        table.column("ports", .text).notNull()
    }
    try database.create(table: "policyRuleGroup") { table in
        table.primaryKey {
            table.column("ruleID", .text).references("policyRule", onDelete: .cascade)
            table.column("side", .text)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
}

/// A route goes with the one peer that carries it; a group stays while a route names it.
private func makeRoutes(_ database: Database) throws {
    try database.create(table: "route") { table in
        table.primaryKey("id", .text)
        table.column("networkID", .text).notNull()
        table.column("isEnabled", .boolean).notNull()
        table.column("prefix", .text)
        table.column("domains", .text).notNull()
        table.column("routerPeerID", .text).references("peer", onDelete: .cascade)
        table.column("metric", .integer).notNull()
        table.column("masquerade", .boolean).notNull()
        table.column("keepRoute", .boolean).notNull()
        table.column("skipAutoApply", .boolean).notNull()
    }
    try database.create(table: "routeGroup") { table in
        table.primaryKey {
            table.column("routeID", .text).references("route", onDelete: .cascade)
            table.column("role", .text)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
}

/// All of a network goes with it, and a router with its peer; a group stays while a resource or router names it.
private func makeNetworks(_ database: Database) throws {
    try database.create(table: "network") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull().unique()
    }
    try database.create(table: "networkResource") { table in
        table.primaryKey("id", .text)
        table.column("networkID", .text).notNull().references("network", onDelete: .cascade)
        table.column("name", .text).notNull()
        table.column("isEnabled", .boolean).notNull()
        table.column("address", .text).notNull()
        table.uniqueKey(["networkID", "name"])
    }
    try database.create(table: "networkResourceGroup") { table in
        table.primaryKey {
            table.column("resourceID", .text).references("networkResource", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
    try database.create(table: "networkRouter") { table in
        table.primaryKey("id", .text)
        table.column("networkID", .text).notNull().references("network", onDelete: .cascade)
        table.column("isEnabled", .boolean).notNull()
        table.column("peerID", .text).references("peer", onDelete: .cascade)
        table.column("metric", .integer).notNull()
        table.column("masquerade", .boolean).notNull()
    }
    try database.create(table: "networkRouterGroup") { table in
        table.primaryKey {
            table.column("routerID", .text).references("networkRouter", onDelete: .cascade)
            table.column("groupID", .text).references("peerGroup", onDelete: .restrict)
        }
    }
}
