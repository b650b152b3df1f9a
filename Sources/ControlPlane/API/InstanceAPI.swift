/// Whether the mesh has an owner yet, and how it gets one. Source: spec/server/rest-api.md 2.
enum InstanceAPI {
    static let routes: [APIRoute] = [
        .get("/api/instance", .open) { _, transaction in
            Status(setup_required: try transaction.owner() == nil)
        },
        .get("/api/instance/version", .signedIn) { _, _ in
            Version(management_current_version: serverVersion, management_update_available: false)
        },
        .post("/api/setup", .open, setUp),
    ]

    private struct Status: Encodable {
        var setup_required: Bool
    }

    private struct Version: Encodable {
        var management_current_version: String
        var management_update_available: Bool
    }

    private struct SetupRequest: Decodable {
        var email: String?
        var password: String?
        var name: String?
        var create_pat: Bool?
        /// Days.
        var pat_expire_in: Int?
    }

    private struct SetupAnswer: Encodable {
        var user_id: String
        var email: String
        var personal_access_token: String?
    }

    /// Of two such requests at once one wins: each is a transaction.
    private static func setUp(_ call: APICall, _ transaction: StoreTransaction) throws -> SetupAnswer {
        guard try transaction.owner() == nil else { throw APIError.unfit("setup has been done already") }
        guard call.allowsSetup else {
            throw APIError.unfit("run wgmesh-server setup beside the server, or serve with --allow-setup")
        }
        let request = try call.decode(SetupRequest.self)
        let days = request.pat_expire_in ?? 1
        guard AccessTokenRecord.lifetimes.contains(days) else {
            throw APIError.invalid("pat_expire_in must be 1 to 365 days")
        }
        let owner = try transaction.makeOwner(
            email: request.email ?? "",
            name: request.name ?? "",
            passwordHash: try passwordHash(of: request.password ?? ""),
            atSeconds: call.nowSeconds
        )
        var answer = SetupAnswer(user_id: owner.id, email: owner.email)
        if request.create_pat == true {
            answer.personal_access_token = try transaction.makeAccessToken(
                of: owner,
                name: "setup",
                days: days,
                by: owner.id,
                atSeconds: call.nowSeconds
            ).token.text
        }
        return answer
    }
}

/// - Throws: `APIError` with 422 for a length that no password has.
func passwordHash(of password: String) throws(APIError) -> String {
    guard PasswordHash.lengths.contains(password.utf8.count) else {
        throw .invalid("password must have 8 to 72 bytes")
    }
    guard let hash = PasswordHash.make(password) else {
        throw .unavailable("no memory to hash the password")
    }
    return hash
}
