/// Operations whose precondition this server never meets: no user waits to be let in, people do not sign in here, and
/// there is no database of places. Clients get the refusal that the stock server gives then, 412 or 422, and not 404.
///
/// Source: spec/server/rest-api.md 4, 6, 16.
enum AbsentAPI {
    static let routes: [APIRoute] = [
        .post("/api/users/{userId}/invite", .needs(.update, .users)) { call, transaction in
            try refuse(try transaction.user(call["userId"]), .unfit("the user is not waiting for an invitation"))
        },
        .post("/api/users/{userId}/approve", .needs(.update, .users)) { call, transaction in
            try refuse(try transaction.user(call["userId"]), .invalid("the user is not pending approval"))
        },
        .delete("/api/users/{userId}/reject", .needs(.delete, .users)) { call, transaction in
            _ = try refuse(try transaction.user(call["userId"]), .invalid("the user is not pending approval"))
        },
        .get("/api/users/invites", .needs(.read, .users)) { _, _ in try refuse((), noSignIn) },
        .post("/api/users/invites", .needs(.create, .users)) { _, _ in try refuse((), noSignIn) },
        .delete("/api/users/invites/{inviteId}", .needs(.delete, .users)) { _, _ in _ = try refuse((), noSignIn) },
        .post("/api/users/invites/{inviteId}/regenerate", .needs(.update, .users)) { _, _ in
            try refuse((), noSignIn)
        },
        .get("/api/locations/countries", .needs(.read, .policies)) { _, _ in try refuse((), noPlaces) },
        .get("/api/locations/countries/{country}/cities", .needs(.read, .policies)) { _, _ in
            try refuse((), noPlaces)
        },
    ]

    private static let noSignIn = APIError.unfit("people do not sign in at this server; make them with POST /api/users")
    private static let noPlaces = APIError.unfit("geo location database is not initialized")

    /// - Parameter found: what the path names, looked up first, so that what is not there is 404.
    private static func refuse(_ found: some Any, _ error: APIError) throws -> [String: String] { throw error }
}
