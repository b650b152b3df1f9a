import Foundation
import NIOHTTP1
import Testing

@testable import ControlPlane

/// Who may call what. The table of routes is walked whole: a route that this file does not know fails the test.
@Suite(.timeLimit(.minutes(1)))
struct APIPermissionTests {
    /// Roles that may call each operation of a resource beside owner and admin, which may all.
    private struct Rule {
        var read: Set<String>
        var write: Set<String>
    }

    /// By the first words of the path: written down here once more, from the specification's table.
    private static let rules: [(prefix: String, Rule)] = [
        ("/api/users", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/setup-keys", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/peers", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/policies", Rule(read: ["auditor", "network_admin", "service-user"], write: ["network_admin"])),
        ("/api/routes", Rule(read: ["auditor", "network_admin", "service-user"], write: ["network_admin"])),
        ("/api/networks", Rule(read: ["auditor", "network_admin", "service-user"], write: ["network_admin"])),
        ("/api/locations", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/accounts", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/dns", Rule(read: ["auditor", "network_admin", "service-user"], write: ["network_admin"])),
        ("/api/events", Rule(read: ["auditor", "network_admin", "service-user"], write: [])),
        ("/api/groups", Rule(read: ["auditor", "network_admin", "service-user"], write: ["network_admin"])),
    ]

    /// Operations that every user may call, for what is their own.
    private static let everybody: Set<String> = [
        "GET /api/users", "GET /api/peers", "GET /api/users/current", "GET /api/instance/version",
        "PUT /api/users/{userId}/password", "GET /api/users/{userId}/tokens", "POST /api/users/{userId}/tokens",
        "GET /api/users/{userId}/tokens/{tokenId}", "DELETE /api/users/{userId}/tokens/{tokenId}",
    ]
    private static let open: Set<String> = ["GET /api/instance", "POST /api/setup"]

    private static func expected(_ route: APIRoute, _ role: String) -> Bool {
        let name = "\(route.method) \(route.pattern)"
        if everybody.contains(name) || open.contains(name) || role == "owner" { return true }
        guard let rule = rules.last(where: { route.pattern.hasPrefix($0.prefix) })?.1 else {
            Issue.record("\(name) is in no rule of this test")
            return false
        }
        if role == "admin" { return true }
        return (route.method == .GET ? rule.read : rule.write).contains(role)
    }

    @Test func `each role may call exactly what the specification gives it`() async throws {
        try await TestAPI.run { api in
            var tokens: [String: String] = ["owner": api.owner]
            for role in Role.allCases where role != .owner {
                tokens[role.rawValue] = try await api.person(role, email: "\(role.rawValue)@x.org")
            }
            tokens["service-user"] = await api.serviceUser(.user).token
            for route in APIRoute.all {
                let path = route.pattern.replacing(/\{[A-Za-z]+\}/, with: "nothing")
                for (role, token) in tokens.sorted(by: { $0.key < $1.key }) {
                    // An empty body changes nothing: whoever may call it gets 4xx for it, but neither 401 nor 403.
                    let answer = await api.send(route.method, path, "", token: token)
                    let isOwn = path.contains("/tokens") || path.hasSuffix("/password") || path == "/api/users/nothing"
                    let isCurrentOfService = path == "/api/users/current" && role == "service-user"
                    guard !isCurrentOfService else {
                        #expect(answer.status == 403)
                        continue
                    }
                    // What belongs to somebody else is refused inside; the next test looks there.
                    let isEverybodys = Self.everybody.contains("\(route.method) \(route.pattern)")
                    if isOwn, answer.status == 403, isEverybodys { continue }
                    let isAllowed = answer.status != 403 && answer.status != 401
                    #expect(
                        isAllowed == Self.expected(route, role),
                        "\(role): \(route.method) \(path) \(answer.status)"
                    )
                }
                let anonymous = await api.send(route.method, path, "", token: "")
                let isOpen = Self.open.contains("\(route.method) \(route.pattern)")
                #expect((anonymous.status != 401) == isOpen, "\(route.method) \(path)")
            }
        }
    }

    @Test func `a user without rights sees their own`() async throws {
        try await TestAPI.run { api in
            let token = try await api.person(.user, email: "u@x.org")
            let me: String = await api.get("/api/users/current", token: token)["id"]
            #expect(await api.get("/api/users", token: token).list.map { $0["id"] as? String } == [me])
            #expect(await api.get("/api/users/\(me)", token: token)["email"] == "u@x.org")
            let owner: String = await api.get("/api/users/current")["id"]
            #expect(await api.send(.GET, "/api/users/\(owner)", token: token).status == 403)
            for path in ["/api/users/\(owner)/tokens", "/api/users/\(owner)/tokens/x"] {
                #expect(await api.send(.GET, path, token: token).status == 403)
            }
            // Not even the owner may use what is another person's.
            #expect(await api.send(.GET, "/api/users/\(me)/tokens").status == 403)
            #expect(await api.get("/api/users/\(me)/tokens", token: token).list.count == 1)
            #expect(await api.send(.PUT, "/api/users/\(owner)/password", "{}", token: token).status == 403)
        }
    }

    @Test func `users learn what they may do`() async throws {
        try await TestAPI.run { api in
            let auditor = try await api.person(.auditor, email: "a@x.org")
            let me = await api.get("/api/users/current", token: auditor)
            let permissions = try #require(me.object["permissions"] as? [String: Any])
            let modules = try #require(permissions["modules"] as? [String: [String: Bool]])
            #expect(permissions["is_restricted"] as? Bool == false && modules.count == Module.allCases.count)
            #expect(modules["policies"] == ["read": true, "create": false, "update": false, "delete": false])
        }
    }
}
