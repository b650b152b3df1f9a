import Foundation
import GRDB
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct APIServiceTests {
    @Test func `every refusal is JSON with a message and its status`() async throws {
        try await TestAPI.run { api in
            for (method, path, token, status, message) in [
                (HTTPMethod.GET, "/api/users", "", UInt(401), "no valid authentication provided"),
                (.GET, "/api/users", "nbp_wrong", 401, "token invalid"),
                (.GET, "/api/users", AccessToken.generate().text, 401, "token invalid"),
                (.GET, "/api/nothing", api.owner, 404, "path not found"),
                (.GET, "/api/", api.owner, 404, "path not found"),
                (.GET, "/api/users/", api.owner, 404, "path not found"),
                (.GET, "/api/users//tokens", api.owner, 404, "path not found"),
                (.GET, "/api/users/nobody", api.owner, 404, "user not found"),
                (.PATCH, "/api/users", api.owner, 405, "use GET or POST"),
                (.PUT, "/api/users/current", api.owner, 405, "use GET"),
                (.GET, "/api/users?service_user=maybe", api.owner, 422, "service_user must be true or false"),
                (.GET, "/api/users?x=%zz", api.owner, 400, "malformed query"),
                (.GET, "/api/users?account=other", api.owner, 403, "permission denied"),
            ] {
                let answer = await api.send(method, path, token: token)
                #expect(answer.status == status, "\(method) \(path)")
                #expect(answer.message == message && answer.int("code") == Int(status), "\(method) \(path)")
            }
        }
    }

    @Test(arguments: [
        ("", "the body is no valid JSON"), ("{", "the body is no valid JSON"), ("[]", "the body is no"),
        (#"{"name":1}"#, "name is no String"), (#"{"auto_groups":[1]}"#, "auto_groups[0] is no String"),
        (#"{"name":"\ud800"}"#, "is no valid JSON"), (String(repeating: "[", count: 100_000), "is no"),
    ])
    func `a body that is none is refused and says where`(body: String, reason: String) async throws {
        try await TestAPI.run { api in
            let answer = await api.send(.POST, "/api/users", body)
            #expect(answer.status == 400 && answer.message.hasPrefix("couldn't parse JSON request"))
            #expect(answer.message.contains(reason), "\(answer.message)")
            let users = try await api.store.read { try $0.all(UserRecord.self).count }
            #expect(users == 1)
        }
    }

    @Test func `a request's own identifier comes back if it is a plain word`() async throws {
        try await TestAPI.run { api in
            let named = await api.send(.GET, "/api/instance", headers: [("x-request-id", "abc-1")])
            #expect(named.headers["x-request-id"] == "abc-1")
            for odd in ["", "a b", "é", String(repeating: "a", count: 65)] {
                let answer = await api.send(.GET, "/api/instance", headers: [("x-request-id", odd)])
                #expect(answer.headers["x-request-id"]?.count == 16)
            }
        }
    }

    @Test func `browsers of other origins may ask`() async throws {
        try await TestAPI.run { api in
            let answer = await api.send(.OPTIONS, "/api/users", token: "")
            #expect(answer.status == 200 && answer.headers["access-control-allow-methods"] == "GET, POST")
            #expect(answer.headers["access-control-allow-origin"] == "*")
        }
    }

    @Test func `tokens are taken behind both schemes until they expire or their user is blocked`() async throws {
        try await TestAPI.run { api in
            for scheme in ["Token", "bearer", "BEARER"] {
                let answer = await api.send(
                    .GET,
                    "/api/users/current",
                    token: "",
                    headers: [("authorization", "\(scheme) \(api.owner)")]
                )
                #expect(answer.status == 200 && answer.bool("is_current") == true)
            }
            let basic = await api.send(
                .GET,
                "/api/users",
                token: "",
                headers: [("authorization", "Basic \(api.owner)")]
            )
            #expect(basic.status == 401)
            let (id, token) = await api.serviceUser(.admin)
            #expect(await api.send(.GET, "/api/users", token: token).status == 200)
            _ = await api.put("/api/users/\(id)", #"{"is_blocked":true}"#)
            #expect(await api.send(.GET, "/api/users", token: token).status == 403)
            _ = await api.put("/api/users/\(id)", #"{"is_blocked":false}"#)
            try await api.store.write { transaction in
                for var row in try transaction.rows(AccessTokenRecord.self, where: "userID", is: id) {
                    #expect(row.lastUsedSeconds != nil)
                    row.expiresAtSeconds = secondsSince1970()
                    try transaction.update(row)
                }
            }
            #expect(await api.send(.GET, "/api/users", token: token).status == 401)
        }
    }

    @Test func `a full disk is said, changes nothing and stops no reading`() async throws {
        try await TestAPI.run { api in
            // As many pages as there are, and no more.
            try await api.store.pool.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA max_page_count = 1")
            }
            let text = String(repeating: "d", count: 4000)
            var answers: [APIAnswer] = []
            for number in 0..<200 where answers.last?.status ?? 200 == 200 {
                answers.append(
                    await api.send(.POST, "/api/networks", #"{"name":"n\#(number)","description":"\#(text)"}"#)
                )
            }
            let refusal = try #require(answers.last)
            #expect(refusal.status == 503 && refusal.message.contains("disk is full"))
            #expect(await api.get("/api/networks").list.count == answers.count - 1)
            let events = try await api.events()
            #expect(events.filter { $0 == "network.create" }.count == answers.count - 1)
        }
    }

    @Test func `who may look can look although the use of the token cannot be noted`() async throws {
        try await TestAPI.run { api in
            try await api.store.pool.write { database in
                try database.execute(
                    sql: """
                        CREATE TRIGGER refuse BEFORE UPDATE ON accessToken BEGIN SELECT RAISE(ABORT, 'no'); END
                        """
                )
            }
            #expect(await api.get("/api/groups").list.count == 1)
            let rows = try await api.store.read { try $0.all(AccessTokenRecord.self) }
            #expect(rows.map(\.lastUsedSeconds) == [nil])
        }
    }

    @Test func `the port serves the API`() async throws {
        try await TestMesh.serve { mesh in
            try await TestSocket.connect(to: mesh.endpoint) { socket in
                try await socket.send("GET /api/instance HTTP/1.1\r\nhost: x\r\n\r\n")
                let head = try await socket.text(upTo: "\r\n\r\n")
                #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(head.contains("content-type: application/json; charset=UTF-8\r\n"))
                #expect(try await socket.text(upTo: "}") == #"{"setup_required":true}"#)
            }
        }
    }
}
