import Foundation
import MapCompiler
import MeshModel
import NIOHTTP1
import TestSupport
import Testing

@testable import ControlPlane

/// Random requests to every route that changes something: what is refused is refused in JSON, nothing is an internal
/// error, and what is stored stays whole.
@Suite(.timeLimit(.minutes(2)))
struct APIRandomTests {
    /// Bodies of the shapes that the routes know, with values that are right, wrong or of another kind.
    private struct Bodies {
        var random: TestSupport.SeededGenerator
        /// Identifiers of everything that there is.
        var ids: [String]

        private static let texts = [
            "", "a", "All", "x.example", "*.x.example", "10.1.0.0/16", "10.1.0.5", "::/0", "fd12::/64", "0.0.0.0/0",
            "-1",
            "65535", "80", "udp", "tcp", "all", "netbird-ssh", "accept", "drop", "reusable", "one-off", "peer", "host",
            "owner", "admin", "user", "a@x.org", "\u{0}", "\u{202e}", "é", String(repeating: "n", count: 300),
        ]
        private static let names = [
            "name", "description", "email", "role", "is_service_user", "is_blocked", "auto_groups", "expires_in",
            "type", "usage_limit", "ephemeral", "revoked", "peers", "resources", "id", "ssh_enabled", "ip", "ipv6",
            "rules", "action", "protocol", "ports", "port_ranges", "start", "end", "sources", "destinations",
            "sourceResource", "destinationResource", "bidirectional", "enabled", "source_posture_checks",
            "authorized_groups", "network_id", "network", "domains", "peer", "peer_groups", "metric", "masquerade",
            "groups", "access_control_groups", "address", "settings", "network_range", "network_range_v6",
            "dns_domain", "ipv6_enabled_groups", "extra", "peer_login_expiration", "nameservers", "port", "primary",
            "ns_type", "disabled_management_groups", "old_password", "new_password",
        ]

        /// What is meant well, by the route's first words: `$` is an identifier, `#` a name.
        private static let good: [(prefix: String, body: String)] = [
            ("/api/users", ##"{"name":"#","is_service_user":true,"role":"auditor","auto_groups":["$"]}"##),
            ("/api/users/{userId}/tokens", ##"{"name":"#","expires_in":3}"##),
            ("/api/setup-keys", ##"{"name":"#","type":"reusable","expires_in":86400,"auto_groups":["$"]}"##),
            ("/api/groups", ##"{"name":"#","peers":["$","$"]}"##),
            ("/api/peers", ##"{"name":"#","ssh_enabled":true}"##),
            (
                "/api/policies",
                ##"{"name":"#","rules":[{"action":"accept","protocol":"tcp","ports":["80"],"sources":["$"],"destinations":["$"]}]}"##
            ),
            (
                "/api/policies",
                ##"{"name":"#","rules":[{"action":"drop","protocol":"all","sourceResource":{"id":"$","type":"peer"},"destinations":[]}]}"##
            ),
            ("/api/routes", ##"{"network_id":"#","network":"10.1.0.0/16","peer":"$","groups":["$"]}"##),
            ("/api/networks", ##"{"name":"#","description":"d"}"##),
            ("/api/networks/{networkId}/resources", ##"{"name":"#","address":"10.9.0.0/16","groups":["$"]}"##),
            ("/api/networks/{networkId}/routers", ##"{"peer_groups":["$"],"metric":5}"##),
            ("/api/accounts", ##"{"settings":{"network_range":"10.200.0.0/16","ipv6_enabled_groups":["$"]}}"##),
            ("/api/dns/zones", ##"{"name":"#","domain":"#.example","distribution_groups":["$"]}"##),
            ("/api/dns/zones/{zoneId}/records", ##"{"name":"a.#.example","type":"A","content":"10.0.0.1"}"##),
            ("/api/dns/settings", ##"{"disabled_management_groups":["$"]}"##),
            (
                "/api/dns/nameservers",
                ##"{"name":"#","nameservers":[{"ip":"9.9.9.9","port":53}],"primary":true,"groups":["$"]}"##
            ),
        ]

        mutating func body(for pattern: String) -> String {
            let fitting = Self.good.filter { pattern.hasPrefix($0.prefix) }
            let longest = fitting.map(\.prefix.count).max() ?? 0
            let good = fitting.filter { $0.prefix.count == longest }.map(\.body)
            guard !good.isEmpty, Int.random(in: 0..<4, using: &random) > 0 else { return broken(object(depth: 0)) }
            let body = pick(good).map { character in
                switch character {
                case "$": pick(ids)
                case "#": "n\(Int.random(in: 0..<40, using: &random))"
                default: String(character)
                }
            }.joined()
            return Int.random(in: 0..<3, using: &random) > 0 ? body : broken(body)
        }

        /// Broken somewhere, or not.
        private mutating func broken(_ body: String) -> String {
            var bytes = Array(body.utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0x20...0x7e, using: &random)
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        private mutating func object(depth: Int) -> String {
            let fields = (0..<Int.random(in: 0...10, using: &random)).map { _ in
                "\"\(pick(Self.names))\":\(value(depth: depth + 1))"
            }
            return "{\(fields.joined(separator: ","))}"
        }

        private mutating func value(depth: Int) -> String {
            switch Int.random(in: 0..<(depth < 4 ? 11 : 8), using: &random) {
            case 0: return "true"
            case 1: return "false"
            case 2: return "null"
            case 3: return "\(pick([0, 1, 7, 53, 9999, 65536, 86400, -1, Int.max, Int.min]))"
            case 4: return pick(["1.5", "1e400", "-0", "1e3"])
            case 5, 6: return quoted(pick(Self.texts))
            case 7: return quoted(pick(ids))
            case 8:
                return
                    "[\((0..<Int.random(in: 0...3, using: &random)).map { _ in quoted(pick(ids)) }.joined(separator: ","))]"
            case 9:
                return
                    "[\((0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth: depth + 1) }.joined(separator: ","))]"
            default: return object(depth: depth)
            }
        }

        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: elements.indices, using: &random)]
        }

        private func quoted(_ text: String) -> String {
            let escaped = text.unicodeScalars.map {
                $0.value < 0x20 ? "\\u00" + ($0.value < 16 ? "0" : "") + String($0.value, radix: 16) : String($0)
            }
            return "\"\(escaped.joined())\""
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `no request breaks the server or what it stores`(seed: UInt64) async throws {
        try await TestAPI.run { api in
            var bodies = Bodies(random: TestSupport.SeededGenerator(seed: seed), ids: ["nothing"])
            let key = SetupKeySecret.hash(
                of: await api.post("/api/setup-keys", #"{"name":"k","type":"reusable","expires_in":0}"#)["key"]
            )
            for name in ["a", "b", "c"] {
                let peer = TestPeer(hostname: name)
                _ = try await api.store.register(
                    PeerRegistration(publicKey: peer.publicKey, setupKeyHash: key, sshPublicKey: "", meta: peer.meta),
                    atSeconds: 1
                )
            }
            let routes = APIRoute.all.filter { $0.method != .GET && $0.pattern != "/api/setup" }
            var done = 0
            for round in 0..<500 {
                if round % 25 == 0 { bodies.ids = try await identifiers(api) }
                let route = bodies.pick(routes)
                let path = route.parts.map { $0.hasPrefix("{") ? bodies.pick(bodies.ids) : String($0) }
                    .joined(separator: "/")
                let body = bodies.body(for: route.pattern)
                let answer = await api.send(route.method, "/" + path, body)
                #expect(answer.status < 500, "seed \(seed): \(route.method) \(path) \(body): \(answer.text)")
                if answer.status == 200 {
                    done += 1
                } else {
                    #expect(answer.int("code") == Int(answer.status) && !answer.message.isEmpty)
                    #expect(!answer.message.contains("\u{0}") && answer.message.utf8.count < 1000)
                }
            }
            // Some of it was meant well, or nothing was tried.
            #expect(done > 15)
            try await checkWhole(api)
        }
    }

    private func identifiers(_ api: TestAPI) async throws -> [String] {
        try await api.store.read { transaction in
            try ["nothing", transaction.meshAccount().id] + transaction.all(PeerRecord.self).map(\.id)
                + transaction.all(GroupRecord.self).map(\.id) + transaction.all(PolicyRecord.self).map(\.id)
                + transaction.all(DNSZoneRecord.self).map(\.id) + transaction.all(RouteRecord.self).map(\.id)
                + transaction.all(NetworkRecord.self).map(\.id)
                + transaction.all(UserRecord.self).filter { $0.role != .owner }.map(\.id)
        }
    }

    private func checkWhole(_ api: TestAPI) async throws {
        let directory = try await api.store.directory()
        for id in directory.peers.keys { #expect(compile(directory, for: id) != nil) }
        #expect(directory.groups.values.count(where: \.isAll) == 1)
        #expect(directory.groups.values.first(where: \.isAll)?.members == Set(directory.peers.keys))
        try await api.store.read { transaction in
            let users = try transaction.all(UserRecord.self)
            #expect(users.count { $0.role == .owner } == 1)
        }
        for path in [
            "accounts", "users", "setup-keys", "groups", "peers", "policies", "routes", "networks", "networks/routers",
            "networks/resources", "dns/nameservers", "dns/zones", "dns/settings", "events",
        ] {
            _ = await api.get("/api/\(path)")
        }
    }
}
