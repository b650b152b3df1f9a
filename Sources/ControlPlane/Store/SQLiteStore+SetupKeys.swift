import GRDB

extension SQLiteStore {
    func setupKeys() async throws -> [SetupKeyRecord] {
        try await pool.read { database in
            try SetupKeyRecord.order(Column("createdAtSeconds").desc, Column("id")).fetchAll(database)
        }
    }

    func insert(_ setupKey: SetupKeyRecord) async throws {
        try await pool.write { database in
            try setupKey.insert(database)
            let details = ["name": setupKey.name, "type": setupKey.type.rawValue]
            try recordCommand(.setupKeyAdd, of: setupKey.id, details, database)
        }
    }

    func revokeSetupKey(matching selector: String) async throws -> SetupKeyRecord {
        try await pool.write { database in
            let matches =
                try SetupKeyRecord
                .filter((Column("id") == selector || Column("name") == selector) && !Column("isRevoked"))
                .order(Column("id")).fetchAll(database)
            var setupKey = try only(matches, of: selector, id: \.id)
            setupKey.isRevoked = true
            try setupKey.update(database)
            try recordCommand(.setupKeyRevoke, of: setupKey.id, ["name": setupKey.name], database)
            return setupKey
        }
    }
}
