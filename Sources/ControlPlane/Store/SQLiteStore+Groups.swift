import GRDB

extension SQLiteStore {
    func groups() async throws -> [StoredGroup] {
        try await pool.read { database in
            try GroupRecord.order(Column("name")).fetchAll(database).map { try stored($0, database) }
        }
    }

    func createGroup(name: String) async throws -> StoredGroup {
        try await pool.write { database in
            guard try GroupRecord.filter(Column("name") == name).isEmpty(database) else {
                throw ChangeRefusal(description: "there is a group \(name) already")
            }
            var generator = SystemRandomNumberGenerator()
            let group = GroupRecord(id: Identifier.random(using: &generator), name: name)
            try group.insert(database)
            try raiseSerial(database)
            try recordCommand(.groupAdd, of: group.id, ["name": group.name], database)
            return StoredGroup(record: group, members: [])
        }
    }

    func deleteGroup(matching selector: String) async throws -> StoredGroup {
        try await pool.write { database in
            let group = try editableGroup(matching: selector, database)
            let users = try users(ofGroup: group.id, database).map { "\($0.kind) \($0.name)" }
            guard users.isEmpty else {
                throw ChangeRefusal(
                    description: "group \(group.name) is used by \(users.joined(separator: ", ")); change these first"
                )
            }
            let deleted = try stored(group, database)
            try group.delete(database)
            try raiseSerial(database)
            try recordCommand(.groupDelete, of: group.id, ["name": group.name], database)
            return deleted
        }
    }

    func setMember(_ peer: String, ofGroup selector: String, to isMember: Bool) async throws -> StoredGroup {
        try await pool.write { database in
            let group = try editableGroup(matching: selector, database)
            let peer = try self.peer(matching: peer, database)
            let membership = PeerGroupMemberRecord(groupID: group.id, peerID: peer.id)
            if try membership.exists(database) != isMember {
                if isMember { try membership.insert(database) } else { try membership.delete(database) }
                try raiseSerial(database)
                let details = ["group_id": group.id, "group": group.name]
                try recordCommand(isMember ? .peerGroupAdd : .peerGroupDelete, of: peer.id, details, database)
            }
            return try stored(group, database)
        }
    }

    /// - Parameter selector: identifier or name.
    func group(matching selector: String, _ database: Database) throws -> GroupRecord {
        let matches = try GroupRecord.filter(Column("id") == selector || Column("name") == selector)
            .order(Column("id")).fetchAll(database)
        guard !matches.isEmpty else { throw ChangeRefusal(description: "there is no group \(selector)") }
        return try only(matches, of: selector, id: \.id)
    }

    /// - Parameter selector: identifier, name or public key.
    func peer(matching selector: String, _ database: Database) throws -> PeerRecord {
        let matches =
            try PeerRecord
            .filter([Column("id"), Column("name"), Column("publicKey")].map { $0 == selector }.joined(operator: .or))
            .order(Column("id")).fetchAll(database)
        guard !matches.isEmpty else { throw ChangeRefusal(description: "there is no host \(selector)") }
        return try only(matches, of: selector, id: \.id)
    }

    private func editableGroup(matching selector: String, _ database: Database) throws -> GroupRecord {
        let group = try group(matching: selector, database)
        guard group.name != GroupRecord.allName else {
            throw ChangeRefusal(description: "group \(group.name) holds every host; it cannot be changed or deleted")
        }
        return group
    }

    private func stored(_ group: GroupRecord, _ database: Database) throws -> StoredGroup {
        let members = try String.fetchAll(
            database,
            sql: """
                SELECT name FROM peer JOIN peerGroupMember ON peerID = peer.id WHERE groupID = ? ORDER BY name, peer.id
                """,
            arguments: [group.id]
        )
        return StoredGroup(record: group, members: members)
    }

}

/// What names a group, as a user would call it: kind and name.
func users(ofGroup id: String, _ database: Database) throws -> [(kind: String, name: String)] {
    try Row.fetchAll(
        database,
        sql: """
            SELECT DISTINCT 'policy' AS kind, policy.name AS name FROM policy
                JOIN policyRule ON policyID = policy.id JOIN policyRuleGroup ON ruleID = policyRule.id
                WHERE groupID = :group
            UNION SELECT 'route', networkID || ' (' || route.id || ')' FROM route
                JOIN routeGroup ON routeID = route.id WHERE groupID = :group
            UNION SELECT 'setup key', setupKey.name || ' (' || setupKey.id || ')' FROM setupKey
                JOIN setupKeyGroup ON setupKeyID = setupKey.id WHERE groupID = :group
            UNION SELECT 'resource', networkResource.name || ' of network ' || network.name FROM network
                JOIN networkResource ON networkResource.networkID = network.id
                JOIN networkResourceGroup ON resourceID = networkResource.id WHERE groupID = :group
            UNION SELECT 'router', networkRouter.id || ' of network ' || network.name FROM network
                JOIN networkRouter ON networkRouter.networkID = network.id
                JOIN networkRouterGroup ON routerID = networkRouter.id WHERE groupID = :group
            UNION SELECT 'user', user.name || ' (' || user.id || ')' FROM user
                JOIN userGroup ON userID = user.id WHERE groupID = :group
            UNION SELECT 'nameserver group', nameServerGroup.name FROM nameServerGroup
                JOIN nameServerClientGroup ON nameServerGroupID = nameServerGroup.id WHERE groupID = :group
            UNION SELECT 'DNS zone', dnsZone.domain FROM dnsZone JOIN dnsZoneGroup ON zoneID = dnsZone.id
                WHERE groupID = :group
            UNION SELECT 'DNS settings', 'disabled management groups' FROM unmanagedDNSGroup WHERE groupID = :group
            UNION SELECT 'account settings', 'IPv6' FROM account, json_each(account.settings, '$.ipv6_enabled_groups')
                WHERE value = :group
            ORDER BY kind, name
            """,
        arguments: ["group": id]
    ).map { (kind: $0["kind"], name: $0["name"]) }
}
