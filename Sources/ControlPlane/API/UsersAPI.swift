import MeshModel

/// Users and service users. Source: spec/server/rest-api.md 4.
enum UsersAPI {
    static let routes: [APIRoute] = [
        .get("/api/users", .ownUnless(.read, .users), list),
        .post("/api/users", .needs(.create, .users), create),
        .get("/api/users/current", .signedIn, current),
        .get("/api/users/{userId}", .ownUnless(.read, .users), get),
        .put("/api/users/{userId}", .needs(.update, .users), update),
        .delete("/api/users/{userId}", .needs(.delete, .users), delete),
        .put("/api/users/{userId}/password", .signedIn, changePassword),
    ]

    struct User: Encodable {
        var id: String
        var email: String
        /// Once, in the answer that made it.
        var password: String?
        var name: String
        var role: String
        var status: String
        var last_login: String
        var auto_groups: [String]
        var is_current: Bool
        var is_service_user: Bool
        var is_blocked: Bool
        var pending_approval: Bool
        var issued: String
        var permissions: Permissions?

        init(_ record: UserRecord, groups: [String], for call: APICall) {
            id = record.id
            email = record.email
            name = record.name
            role = record.role.rawValue
            status = record.isBlocked ? "blocked" : "active"
            last_login = APITime.text(record.lastLoginSeconds)
            auto_groups = groups
            is_current = record.id == call.user?.id
            is_service_user = record.isServiceUser
            is_blocked = record.isBlocked
            pending_approval = false
            issued = "api"
        }
    }

    struct Permissions: Encodable {
        var is_restricted: Bool
        /// Module, then operation.
        var modules: [String: [String: Bool]]
    }

    private struct UserRequest: Decodable {
        var email: String?
        var name: String?
        var role: String?
        var auto_groups: [String]?
        var is_service_user: Bool?
        var is_blocked: Bool?
    }

    private struct PasswordRequest: Decodable {
        var old_password: String?
        var new_password: String?
    }

    private static func list(_ call: APICall, _ transaction: StoreTransaction) throws -> [User] {
        let caller = try call.caller()
        let isService: Bool?
        switch call.query["service_user"] {
        case nil, "": isService = nil
        case "true", "1", "t", "T", "TRUE", "True": isService = true
        case "false", "0", "f", "F", "FALSE", "False": isService = false
        default: throw APIError.invalid("service_user must be true or false")
        }
        let groups = Dictionary(grouping: try transaction.all(UserGroupRecord.self), by: \.userID)
        return try transaction.all(UserRecord.self)
            .filter { !call.seesOnlyOwn || $0.id == caller.id }
            .filter { isService == nil || $0.isServiceUser == isService }
            .map { User($0, groups: (groups[$0.id] ?? []).map(\.groupID), for: call) }
    }

    private static func get(_ call: APICall, _ transaction: StoreTransaction) throws -> User {
        guard try !call.seesOnlyOwn || call["userId"] == call.caller().id else { throw APIError.forbidden }
        return try answer(try transaction.user(call["userId"]), call, transaction)
    }

    private static func current(_ call: APICall, _ transaction: StoreTransaction) throws -> User {
        let caller = try call.caller()
        guard !caller.isServiceUser else { throw APIError.forbidden }
        var answer = try answer(caller, call, transaction)
        let modules = Module.allCases.map { module in
            (
                module.rawValue,
                Dictionary(
                    uniqueKeysWithValues: Operation.allCases.map { operation in
                        (operation.rawValue, caller.may(operation, module))
                    }
                )
            )
        }
        answer.permissions = Permissions(
            is_restricted: caller.role == .user,
            modules: Dictionary(uniqueKeysWithValues: modules)
        )
        return answer
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> User {
        let request = try call.decode(UserRequest.self)
        let role = try role(request.role ?? Role.user.rawValue)
        guard role != .owner else { throw APIError.invalid("a mesh has one owner; hand the role over instead") }
        let name = try displayName(request.name ?? "", of: "a user's name", maximum: 255)
        let isService = request.is_service_user ?? false
        var user = UserRecord(
            id: transaction.makeID(),
            email: "",
            name: name,
            role: role,
            isServiceUser: isService,
            isBlocked: request.is_blocked ?? false,
            createdAtSeconds: call.nowSeconds
        )
        var password: String?
        if !isService {
            user.email = try transaction.freeEmail(request.email ?? "")
            let text = AccessToken.randomText(count: 16)
            user.passwordHash = try passwordHash(of: text)
            password = text
        }
        try transaction.insert(user)
        try transaction.setGroups(request.auto_groups ?? [], of: user, call)
        try call.record(isService ? .serviceUserCreate : .userCreate, of: user.id, ["name": name], transaction)
        var answer = try answer(user, call, transaction)
        answer.password = password
        return answer
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> User {
        let request = try call.decode(UserRequest.self)
        let caller = try call.caller()
        var user = try transaction.user(call["userId"])
        let role = try request.role.map(role) ?? user.role
        let isBlocked = request.is_blocked ?? user.isBlocked
        if user.id == caller.id {
            guard role == user.role else { throw APIError.invalid("nobody can change their own role") }
            guard isBlocked == user.isBlocked else { throw APIError.invalid("nobody can block themselves") }
        } else if user.role == .owner {
            guard role == .owner, !isBlocked else { throw APIError.invalid("the owner cannot be demoted or blocked") }
        }
        if role == .owner, user.role != .owner {
            guard caller.role == .owner, !user.isServiceUser, !isBlocked else {
                throw APIError.invalid("only the owner can hand over the role, to a person who is not blocked")
            }
            var old = caller
            old.role = .admin
            try transaction.update(old)
            try call.record(.ownerRoleTransfer, of: user.id, ["name": user.name], transaction)
        } else if role != user.role {
            try call.record(.userRoleUpdate, of: user.id, ["name": user.name, "role": role.rawValue], transaction)
        }
        if isBlocked != user.isBlocked {
            try call.record(isBlocked ? .userBlock : .userUnblock, of: user.id, ["name": user.name], transaction)
        }
        user.role = role
        user.isBlocked = isBlocked
        try transaction.update(user)
        if let groups = request.auto_groups { try transaction.setGroups(groups, of: user, call) }
        return try answer(user, call, transaction)
    }

    private static func delete(_ call: APICall, _ transaction: StoreTransaction) throws {
        let user = try transaction.user(call["userId"])
        guard try user.id != call.caller().id else { throw APIError.invalid("nobody can delete themselves") }
        guard user.role != .owner else { throw APIError.forbidden("the owner cannot be deleted") }
        try transaction.delete(user)
        let details = ["name": user.name, "email": user.email]
        try call.record(user.isServiceUser ? .serviceUserDelete : .userDelete, of: user.id, details, transaction)
    }

    private static func changePassword(_ call: APICall, _ transaction: StoreTransaction) throws -> [String: String] {
        let request = try call.decode(PasswordRequest.self)
        var user = try call.caller()
        guard call["userId"] == user.id else { throw APIError.forbidden }
        guard let hash = user.passwordHash else { throw APIError.unfit("this user has no password") }
        let old = request.old_password ?? ""
        guard old.utf8.count <= PasswordHash.lengths.upperBound, PasswordHash.verify(old, hash) else {
            throw APIError.invalid("the old password is wrong")
        }
        user.passwordHash = try passwordHash(of: request.new_password ?? "")
        try transaction.update(user)
        try call.record(.userPasswordChange, of: user.id, ["name": user.name], transaction)
        return [:]
    }

    private static func answer(_ user: UserRecord, _ call: APICall, _ transaction: StoreTransaction) throws -> User {
        User(user, groups: try transaction.groupIDs(of: user), for: call)
    }

    private static func role(_ text: String) throws(APIError) -> Role {
        guard let role = Role(rawValue: text) else { throw .invalid("there is no such role") }
        return role
    }
}

extension StoreTransaction {
    /// - Throws: `APIError` with 404.
    func user(_ id: String) throws -> UserRecord {
        guard let user = try find(UserRecord.self, id) else { throw APIError.notFound("user") }
        return user
    }

    /// - Returns: `nil` until the mesh is set up.
    func owner() throws -> UserRecord? {
        try rows(UserRecord.self, where: "role", is: Role.owner.rawValue).first
    }

    /// In the order in which they were given.
    func groupIDs(of user: UserRecord) throws -> [String] {
        try rows(UserGroupRecord.self, where: "userID", is: user.id).map(\.groupID)
    }

    /// - Throws: `APIError` with 422 for what is no address, 409 for one that a user has.
    func freeEmail(_ text: String) throws -> String {
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        let isAddress =
            halves.count == 2 && halves.allSatisfy { !$0.isEmpty } && text.utf8.count <= 254
            && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control && $0 != " " }
        guard isAddress else { throw APIError.invalid("email must be an address such as ana@example.org") }
        let isTaken = try all(UserRecord.self).contains { $0.email.lowercased() == text.lowercased() }
        guard !isTaken else { throw APIError.conflict("a user with this email exists already") }
        return text
    }

    /// - Throws: `APIError` with 422; see `freeEmail`.
    func makeOwner(
        email: String,
        name: String,
        passwordHash: String?,
        atSeconds now: Int64
    ) throws -> UserRecord {
        let owner = UserRecord(
            id: makeID(),
            email: try freeEmail(email),
            name: try displayName(name, of: "a user's name", maximum: 255),
            role: .owner,
            isServiceUser: false,
            isBlocked: false,
            passwordHash: passwordHash,
            createdAtSeconds: now
        )
        try insert(owner)
        try record(.accountCreate, of: try meshAccount().id, by: owner.id, ["email": email], atSeconds: now)
        return owner
    }

    fileprivate func setGroups(_ ids: [String], of user: UserRecord, _ call: APICall) throws {
        let groups = try joinableGroups(ids)
        let old = try groupIDs(of: user)
        try deleteRows(UserGroupRecord.self, where: "userID", is: user.id)
        for group in groups { try insert(UserGroupRecord(userID: user.id, groupID: group.id)) }
        for group in groups where !old.contains(group.id) {
            try call.record(.userGroupAdd, of: user.id, ["group_id": group.id, "group": group.name], self)
        }
        for id in old where !groups.contains(where: { $0.id == id }) {
            try call.record(.userGroupDelete, of: user.id, ["group_id": id], self)
        }
    }

    /// Groups that users and keys may put peers into; one that is named twice counts once.
    ///
    /// - Throws: `APIError` with 422 for an unknown group and for the group of all peers.
    func joinableGroups(_ ids: [String]) throws -> [GroupRecord] {
        let groups = try self.groups(ids)
        guard groups.allSatisfy({ $0.name != GroupRecord.allName }) else {
            throw APIError.invalid("group \(GroupRecord.allName) holds every peer; leave it away")
        }
        return groups
    }

    /// In the given order; one that is named twice counts once.
    ///
    /// - Throws: `APIError` with 422 for an unknown one.
    func groups(_ ids: [String]) throws -> [GroupRecord] {
        var seen: Set<String> = []
        return try ids.filter { seen.insert($0).inserted }.map { id in
            guard let group = try find(GroupRecord.self, id) else {
                throw APIError.invalid("group \(shown(id)) not found")
            }
            return group
        }
    }
}

/// A text of a request as an answer may repeat it: bounded, without control characters.
func shown(_ text: String) -> String {
    let clean = text.unicodeScalars.prefix(64).filter { $0.properties.generalCategory != .control }
    return "'" + String(String.UnicodeScalarView(clean)) + "'"
}
