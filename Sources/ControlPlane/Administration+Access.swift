import MeshModel

extension Administration {
    /// Makes the owner of a mesh that has none, and a token for them.
    ///
    /// - Parameter days: 1 to 365, until the token expires.
    /// - Returns: the token, for this one time.
    /// - Throws: `ServerFailure` if there is an owner, or the email or the name cannot be one.
    package func setUp(email: String, name: String, days: Int) async throws -> (token: String, user: UserSummary) {
        let now = now()
        return try await selecting {
            try await store.write { transaction in
                if let owner = try transaction.owner() {
                    throw ChangeRefusal(
                        description: "the mesh has an owner, \(owner.email); wgmesh-server token create makes a token"
                    )
                }
                let owner = try transaction.makeOwner(email: email, name: name, passwordHash: nil, atSeconds: now)
                let token = try transaction.makeAccessToken(
                    of: owner,
                    name: "setup",
                    days: days,
                    by: EventRecord.system,
                    atSeconds: now
                ).token
                return (token.text, UserSummary(owner))
            }
        }
    }

    /// - Parameter selector: identifier, email or name of a user; `nil`: the owner.
    /// - Parameter days: 1 to 365.
    /// - Returns: the token, for this one time, and what lists will say of it.
    package func createToken(
        ofUser selector: String?,
        name: String,
        days: Int
    ) async throws -> (token: String, summary: TokenSummary) {
        let now = now()
        return try await selecting {
            try await store.write { transaction in
                let user = try transaction.user(matching: selector)
                let made = try transaction.makeAccessToken(
                    of: user,
                    name: try displayName(name, of: "a token's name", maximum: 255),
                    days: days,
                    by: EventRecord.system,
                    atSeconds: now
                )
                return (made.token.text, TokenSummary(made.record, of: user))
            }
        }
    }

    /// Oldest first.
    package func tokens() async throws -> [TokenSummary] {
        try await store.read { transaction in
            let users = Dictionary(uniqueKeysWithValues: try transaction.all(UserRecord.self).map { ($0.id, $0) })
            return try transaction.all(AccessTokenRecord.self).compactMap { token in
                users[token.userID].map { TokenSummary(token, of: $0) }
            }
        }
    }

    /// - Parameter selector: identifier or name.
    package func deleteToken(_ selector: String) async throws -> TokenSummary {
        let now = now()
        return try await selecting {
            try await store.write { transaction in
                let matches = try transaction.all(AccessTokenRecord.self)
                    .filter { $0.id == selector || $0.name == selector }
                let token = try only(matches, of: selector, id: \.id)
                let user = try transaction.user(token.userID)
                try transaction.delete(token)
                try transaction.record(
                    .accessTokenDelete,
                    of: user.id,
                    by: EventRecord.system,
                    ["name": token.name],
                    atSeconds: now
                )
                return TokenSummary(token, of: user)
            }
        }
    }
}

/// A user as commands show it.
package struct UserSummary: Codable, Sendable {
    package var id: String
    package var email: String
    package var name: String
    package var role: String

    init(_ record: UserRecord) {
        id = record.id
        email = record.email
        name = record.name
        role = record.role.rawValue
    }
}

/// An access token as lists show it.
package struct TokenSummary: Codable, Sendable {
    package var id: String
    package var name: String
    package var user: UserSummary
    /// Seconds since 1970.
    package var expiresAtSeconds: Int64
    /// To the minute; `nil`: never.
    package var lastUsedSeconds: Int64?

    init(_ record: AccessTokenRecord, of user: UserRecord) {
        id = record.id
        name = record.name
        self.user = UserSummary(user)
        expiresAtSeconds = record.expiresAtSeconds
        lastUsedSeconds = record.lastUsedSeconds
    }
}

extension StoreTransaction {
    /// - Throws: `SelectionError`; `ChangeRefusal` for the owner of a mesh that has none.
    fileprivate func user(matching selector: String?) throws -> UserRecord {
        guard let selector else {
            guard let owner = try owner() else {
                throw ChangeRefusal(description: "the mesh has no owner; run wgmesh-server setup first")
            }
            return owner
        }
        let matches = try all(UserRecord.self).filter { [$0.id, $0.email, $0.name].contains(selector) }
        return try only(matches, of: selector, id: \.id)
    }
}
