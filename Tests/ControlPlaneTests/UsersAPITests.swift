import Foundation
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct UsersAPITests {
    @Test func `the first owner is made once, and only where that is allowed`() async throws {
        let person = #""email":"o@x.org","password":"correct horse","name":"Olga""#
        let request = #"{\#(person),"create_pat":true,"pat_expire_in":3}"#
        try await TestAPI.run(hasOwner: false) { api in
            #expect(await api.send(.POST, "/api/setup", request, token: "").status == 412)
        }
        try await TestAPI.run(allowsSetup: true, hasOwner: false) { api in
            #expect(await api.get("/api/instance", token: "").bool("setup_required") == true)
            for bad in [
                #"{"email":"o","password":"correct horse","name":"Olga"}"#,
                #"{"email":"o@x.org","password":"short","name":"Olga"}"#,
                #"{"email":"o@x.org","password":"correct horse","name":""}"#,
                #"{"email":"o@x.org","password":"correct horse","name":"Olga","pat_expire_in":366}"#, "{}",
            ] {
                #expect(await api.send(.POST, "/api/setup", bad, token: "").status == 422, "\(bad)")
            }
            // Of several at once one wins.
            let answers = await withTaskGroup { group in
                for _ in 0..<4 { group.addTask { await api.send(.POST, "/api/setup", request, token: "") } }
                return await group.reduce(into: [APIAnswer]()) { $0.append($1) }
            }
            #expect(answers.map(\.status).sorted() == [200, 412, 412, 412])
            let made = try #require(answers.first { $0.status == 200 })
            #expect(made.headers["cache-control"] == "no-store")
            let me = await api.get("/api/users/current", token: made["personal_access_token"])
            #expect(me["id"] == made["user_id"] && me["role"] == "owner" && me["email"] == "o@x.org")
            #expect(await api.get("/api/instance", token: "").bool("setup_required") == false)
            let changed = await api.put(
                "/api/users/\(me["id"] as String)/password",
                #"{"old_password":"correct horse","new_password":"battery staple"}"#,
                token: made["personal_access_token"]
            )
            #expect(changed.text == "{}")
            let again = await api.send(
                .PUT,
                "/api/users/\(me["id"] as String)/password",
                #"{"old_password":"correct horse","new_password":"battery staple"}"#,
                token: made["personal_access_token"]
            )
            #expect(again.status == 422)
        }
    }

    @Test func `service users come, change and go`() async throws {
        try await TestAPI.run { api in
            let made = await api.post("/api/users", #"{"name":"robot","is_service_user":true,"email":"ignored@x.org"}"#)
            #expect(made["role"] == "user" && made["status"] == "active" && made["issued"] == "api")
            #expect(made.bool("is_service_user") == true && made.bool("is_current") == false)
            #expect(made.texts("auto_groups") == [] && made["last_login"] == APITime.never)
            #expect(made.object["password"] == nil)
            let path = "/api/users/\(made["id"] as String)"
            #expect(await api.get(path).text == made.text)
            #expect(await api.get("/api/users?service_user=true").list.count == 1)
            #expect(await api.get("/api/users?service_user=false").list.count == 1)
            let updated = await api.put(path, #"{"role":"auditor"}"#)
            #expect(updated["role"] == "auditor" && updated.bool("is_blocked") == false)
            await api.delete(path)
            #expect(await api.send(.GET, path).status == 404)
            let all = try await api.events()
            #expect(all.suffix(3) == ["service.user.create", "user.role.update", "service.user.delete"])
        }
    }

    @Test func `a person gets a password once, and no email twice`() async throws {
        try await TestAPI.run { api in
            let made = await api.post("/api/users", #"{"name":"Ana","email":"ana@x.org","role":"admin"}"#)
            #expect((made["password"] as String).count == 16)
            #expect(await api.get("/api/users/\(made["id"] as String)").object["password"] == nil)
            #expect(await api.send(.POST, "/api/users", #"{"name":"B","email":"ANA@x.org"}"#).status == 409)
            for bad in [
                #"{"name":"B"}"#, #"{"name":"B","email":"b"}"#, #"{"name":"","email":"b@x.org"}"#,
                #"{"name":"B","email":"b@x.org","role":"king"}"#, #"{"name":"B","email":"b@x.org","role":"owner"}"#,
                #"{"name":"B","email":"b@x.org","auto_groups":["nothing"]}"#,
            ] {
                #expect(await api.send(.POST, "/api/users", bad).status == 422, "\(bad)")
            }
            #expect(await api.get("/api/users").list.count == 2)
        }
    }

    @Test func `there is always one owner, whom only the owner replaces`() async throws {
        try await TestAPI.run { api in
            let owner: String = await api.get("/api/users/current")["id"]
            let token = try await api.person(.admin, email: "a@x.org")
            let admin: String = await api.get("/api/users/current", token: token)["id"]
            for (path, body, who) in [
                (owner, #"{"role":"admin"}"#, api.owner), (owner, #"{"is_blocked":true}"#, api.owner),
                (owner, #"{"role":"admin"}"#, token), (owner, #"{"is_blocked":true}"#, token),
                (admin, #"{"role":"owner"}"#, token), (admin, #"{"role":"owner","is_blocked":true}"#, api.owner),
            ] {
                #expect(await api.send(.PUT, "/api/users/\(path)", body, token: who).status == 422, "\(path) \(body)")
            }
            #expect(await api.send(.DELETE, "/api/users/\(owner)", token: token).status == 403)
            #expect(await api.send(.DELETE, "/api/users/\(owner)").status == 422)
            let robot = await api.serviceUser(.admin)
            #expect(await api.send(.PUT, "/api/users/\(robot.id)", #"{"role":"owner"}"#).status == 422)
            #expect(await api.put("/api/users/\(admin)", #"{"role":"owner"}"#)["role"] == "owner")
            #expect(await api.get("/api/users/current")["role"] == "admin")
            #expect(try await api.events().last == "transferred.owner.role")
            let owners = try await api.store.read { try $0.rows(UserRecord.self, where: "role", is: "owner").map(\.id) }
            #expect(owners == [admin])
        }
    }

    @Test func `nobody waits for anything, and clients are told so`() async throws {
        try await TestAPI.run { api in
            let user = "/api/users/\((await api.serviceUser(.user)).id)"
            for (method, path, status) in [
                (HTTPMethod.POST, "\(user)/invite", UInt(412)), (.POST, "\(user)/approve", 422),
                (.DELETE, "\(user)/reject", 422), (.POST, "/api/users/nobody/approve", 404),
                (.GET, "/api/users/invites", 412), (.POST, "/api/users/invites", 412),
                (.DELETE, "/api/users/invites/x", 412), (.POST, "/api/users/invites/x/regenerate", 412),
                (.GET, "/api/locations/countries", 412), (.GET, "/api/locations/countries/DE/cities", 412),
            ] {
                let answer = await api.send(method, path, "{}")
                #expect(answer.status == status && !answer.message.isEmpty, "\(method) \(path)")
            }
            #expect(await api.get(user)["status"] == "active")
        }
    }

    @Test func `tokens are shown once, last whole days and end when they are deleted`() async throws {
        try await TestAPI.run { api in
            let (robot, _) = await api.serviceUser(.user)
            let path = "/api/users/\(robot)/tokens"
            for bad in [
                "{}", #"{"name":"","expires_in":1}"#, #"{"name":"t","expires_in":0}"#,
                #"{"name":"t","expires_in":366}"#,
            ] {
                #expect(await api.send(.POST, path, bad).status == 422, "\(bad)")
            }
            let made = await api.post(path, #"{"name":"ci","expires_in":30}"#)
            let token: String = made["plain_token"]
            let row = try #require(made.object["personal_access_token"] as? [String: Any])
            let dates = try ["created_at", "expiration_date"].map { name in
                try Date(try #require(row[name] as? String), strategy: .iso8601)
            }
            #expect(dates[1].timeIntervalSince(dates[0]) == 30 * 86_400)
            let id = try #require(row["id"] as? String)
            let shown = await api.get("\(path)/\(id)")
            #expect(shown["name"] == "ci" && shown.object["last_used"] == nil && !shown.text.contains(token))
            #expect(await api.get(path).list.count == 2)
            #expect(await api.send(.GET, "/api/users", token: token).status == 200)
            #expect(await api.get("\(path)/\(id)").object["last_used"] != nil)
            await api.delete("\(path)/\(id)")
            #expect(await api.send(.GET, "/api/users", token: token).status == 401)
            #expect(await api.send(.GET, "\(path)/\(id)").status == 404)
        }
    }
}

struct AccessTokenTests {
    @Test func `a token has 40 characters and a checksum`() throws {
        let token = AccessToken.generate()
        #expect(token.text.count == 40 && token.text.hasPrefix("nbp_"))
        #expect(try #require(AccessToken(token.text)).hash == token.hash)
        #expect("\(token)" == "(hidden)")
        var wrong = Array(token.text)
        wrong[10] = wrong[10] == "a" ? "b" : "a"
        #expect(AccessToken(String(wrong)) == nil)
        for text in ["", "nbp_", String(token.text.dropLast()), token.text + "0", "nbi" + token.text.dropFirst(3)] {
            #expect(AccessToken(text) == nil)
        }
    }

    @Test func `a password is known again by its hash`() throws {
        let hash = try #require(PasswordHash.make("correct horse"))
        #expect(hash.hasPrefix("$argon2id$") && PasswordHash.make("correct horse") != hash)
        #expect(PasswordHash.verify("correct horse", hash) && !PasswordHash.verify("correct horsf", hash))
        #expect(!PasswordHash.verify("correct horse", "") && !PasswordHash.verify("", hash))
    }
}
