/// Personal access tokens. Source: spec/server/rest-api.md 5.
enum TokensAPI {
    static let routes: [APIRoute] = [
        .get("/api/users/{userId}/tokens", .signedIn) { call, transaction in
            let user = try target(call, transaction)
            return try transaction.rows(AccessTokenRecord.self, where: "userID", is: user.id).map(Token.init)
        },
        .post("/api/users/{userId}/tokens", .signedIn, create),
        .get("/api/users/{userId}/tokens/{tokenId}", .signedIn) { call, transaction in
            Token(try token(call, transaction))
        },
        .delete("/api/users/{userId}/tokens/{tokenId}", .signedIn) { call, transaction in
            let token = try token(call, transaction)
            try transaction.delete(token)
            try call.record(.accessTokenDelete, of: token.userID, ["name": token.name], transaction)
        },
    ]

    struct Token: Encodable {
        var id: String
        var name: String
        var expiration_date: String
        var created_by: String
        var created_at: String
        var last_used: String?

        init(_ record: AccessTokenRecord) {
            id = record.id
            name = record.name
            expiration_date = APITime.text(record.expiresAtSeconds)
            created_by = record.createdBy
            created_at = APITime.text(record.createdAtSeconds)
            last_used = record.lastUsedSeconds.map { APITime.text($0) }
        }
    }

    private struct Request: Decodable {
        var name: String?
        /// Days.
        var expires_in: Int?
    }

    private struct Made: Encodable {
        var plain_token: String
        var personal_access_token: Token
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Made {
        let user = try target(call, transaction)
        let request = try call.decode(Request.self)
        let name = try displayName(request.name ?? "", of: "a token's name", maximum: 255)
        guard let days = request.expires_in, AccessTokenRecord.lifetimes.contains(days) else {
            throw APIError.invalid("expires_in must be 1 to 365 days")
        }
        let made = try transaction.makeAccessToken(
            of: user,
            name: name,
            days: days,
            by: try call.caller().id,
            atSeconds: call.nowSeconds
        )
        return Made(plain_token: made.token.text, personal_access_token: Token(made.record))
    }

    /// The user of the path.
    ///
    /// - Throws: `APIError` with 403 unless it is the caller, or a service user and the caller rules over users.
    private static func target(_ call: APICall, _ transaction: StoreTransaction) throws -> UserRecord {
        let caller = try call.caller()
        if call["userId"] == caller.id { return caller }
        guard caller.may(.update, .users), let user = try transaction.find(UserRecord.self, call["userId"]) else {
            throw APIError.forbidden
        }
        guard user.isServiceUser else { throw APIError.forbidden }
        return user
    }

    private static func token(_ call: APICall, _ transaction: StoreTransaction) throws -> AccessTokenRecord {
        let user = try target(call, transaction)
        guard let token = try transaction.find(AccessTokenRecord.self, call["tokenId"]), token.userID == user.id else {
            throw APIError.notFound("token")
        }
        return token
    }
}

extension AccessTokenRecord {
    /// Days that a token may live.
    static let lifetimes = 1...365
}

extension StoreTransaction {
    /// The token with that hash and its user.
    func accessToken(hash: String) throws -> (AccessTokenRecord, UserRecord)? {
        guard let token = try rows(AccessTokenRecord.self, where: "hash", is: hash).first,
            let user = try find(UserRecord.self, token.userID)
        else { return nil }
        return (token, user)
    }

    /// It expires after that many days, to the second: clients count them back.
    func makeAccessToken(
        of user: UserRecord,
        name: String,
        days: Int,
        by initiator: String,
        atSeconds now: Int64
    ) throws -> (token: AccessToken, record: AccessTokenRecord) {
        let token = AccessToken.generate()
        let row = AccessTokenRecord(
            id: makeID(),
            userID: user.id,
            name: name,
            hash: token.hash,
            createdAtSeconds: now,
            expiresAtSeconds: now + Int64(days) * 86_400,
            createdBy: initiator,
            lastUsedSeconds: nil
        )
        try insert(row)
        try record(.accessTokenCreate, of: user.id, by: initiator, ["name": name], atSeconds: now)
        return (token, row)
    }
}
