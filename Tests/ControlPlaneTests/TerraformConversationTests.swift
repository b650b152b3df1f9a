import Foundation
import NIOHTTP1
import Testing

@testable import ControlPlane

/// What the Terraform provider asks, in its order: create, read, update, read, delete, read until gone. What a change
/// answers must be what the next look shows, or the provider reports drift. Source: spec/server/clients.md 2.2 to 2.5.
@Suite(.timeLimit(.minutes(1)))
struct TerraformConversationTests {
    /// `$g` is a group, `$p` a peer; the update sends all attributes, as the provider does.
    private static let resources: [(path: String, create: String, update: String)] = [
        ("/api/groups", #"{"name":"g1","peers":["$p"],"resources":[]}"#, #"{"name":"g2","peers":[],"resources":[]}"#),
        ("/api/networks", #"{"name":"n1","description":""}"#, #"{"name":"n1","description":"d"}"#),
        (
            "/api/setup-keys",
            """
            {"name":"k","type":"one-off","expires_in":0,"auto_groups":["$g"],"usage_limit":1,"ephemeral":false,
            "allow_extra_dns_labels":false}
            """,
            #"{"revoked":true,"auto_groups":["$g"]}"#
        ),
        (
            "/api/policies",
            """
            {"name":"p","description":"","enabled":true,"source_posture_checks":[],"rules":[{"name":"p","enabled":true,
            "action":"accept","protocol":"tcp","bidirectional":false,"sources":["$g"],"destinations":["$g"],"ports":["22"]}]}
            """,
            """
            {"name":"p","description":"x","enabled":false,"source_posture_checks":[],"rules":[{"name":"p","enabled":true,
            "action":"drop","protocol":"udp","bidirectional":true,"sources":["$g"],
            "destinationResource":{"id":"$p","type":"peer"},"port_ranges":[{"start":1,"end":1024}]}]}
            """
        ),
        (
            "/api/routes",
            """
            {"network_id":"r","description":"","enabled":true,"peer":"$p","network":"10.3.0.0/16","metric":9999,
            "masquerade":true,"groups":["$g"],"keep_route":true,"access_control_groups":["$g"],"skip_auto_apply":false}
            """,
            """
            {"network_id":"r","description":"","enabled":true,"peer_groups":["$g"],"domains":["a.example"],"metric":1,
            "masquerade":false,"groups":["$g"],"keep_route":false,"skip_auto_apply":true}
            """
        ),
        (
            "/api/dns/nameservers",
            """
            {"name":"s","description":"","nameservers":[{"ip":"9.9.9.9","ns_type":"udp","port":53}],"enabled":true,
            "groups":["$g"],"primary":true,"domains":[],"search_domains_enabled":false}
            """,
            """
            {"name":"s","description":"","nameservers":[{"ip":"1.1.1.1","ns_type":"udp","port":53}],"enabled":false,
            "groups":["$g"],"primary":false,"domains":["a.example"],"search_domains_enabled":true}
            """
        ),
        (
            "/api/dns/zones",
            #"{"name":"z","domain":"z.example","enabled":true,"enable_search_domain":false,"distribution_groups":["$g"]}"#,
            #"{"name":"y","domain":"z.example","enabled":false,"enable_search_domain":true,"distribution_groups":["$g"]}"#
        ),
    ]

    private func withObjects(_ body: (TestAPI, _ fill: (String) -> String) async throws -> Void) async throws {
        try await TestAPI.run { api in
            let key: String = await api.post("/api/setup-keys", #"{"name":"k","type":"reusable"}"#)["key"]
            let peer = TestPeer(hostname: "a")
            let record = try await api.store.register(
                PeerRegistration(
                    publicKey: peer.publicKey,
                    setupKeyHash: SetupKeySecret.hash(of: key),
                    sshPublicKey: "",
                    meta: peer.meta
                ),
                atSeconds: 1
            )
            let group: String = await api.post("/api/groups", #"{"name":"g"}"#)["id"]
            try await body(api) { $0.replacing("$g", with: group).replacing("$p", with: record.id) }
        }
    }

    @Test(arguments: resources.indices)
    func `a resource is as it was said until it is gone`(index: Int) async throws {
        let resource = Self.resources[index]
        try await withObjects { api, fill in
            let made = await api.post(resource.path, fill(resource.create))
            let path = "\(resource.path)/\(made["id"] as String)"
            let read = await api.get(path)
            // The key itself is told once.
            if resource.path != "/api/setup-keys" { #expect(read.text == made.text) }
            let updated = await api.put(path, fill(resource.update))
            #expect(await api.get(path).text == updated.text)
            let sent = try object(fill(resource.update))
            for (name, value) in sent where value is String || value is Bool {
                #expect("\(try #require(updated.object[name]))" == "\(value)", "\(resource.path) \(name)")
            }
            // A second apply changes nothing.
            #expect(
                await api.put(path, fill(resource.update)).text.replacing(/"updated_at":"[^"]*"/, with: "")
                    == updated.text.replacing(/"updated_at":"[^"]*"/, with: "")
            )
            await api.delete(path)
            let gone = await api.send(.GET, path)
            #expect(gone.status == 404 && gone.message.contains("not found"))
        }
    }

    @Test func `what is inside a network, too`() async throws {
        try await withObjects { api, fill in
            let network = "/api/networks/\(await api.post("/api/networks", #"{"name":"n"}"#)["id"] as String)"
            for (kind, create, update) in [
                (
                    "resources",
                    #"{"name":"r","description":"","address":"10.4.0.1/32","enabled":true,"groups":["$g"]}"#,
                    #"{"name":"s","description":"","address":"*.a.example","enabled":false,"groups":["$g"]}"#
                ),
                (
                    "routers", #"{"enabled":true,"masquerade":true,"metric":9999,"peer":"$p"}"#,
                    #"{"enabled":false,"masquerade":false,"metric":1,"peer_groups":["$g"]}"#
                ),
            ] {
                let made = await api.post("\(network)/\(kind)", fill(create))
                let path = "\(network)/\(kind)/\(made["id"] as String)"
                #expect(await api.get(path).text == made.text)
                let updated = await api.put(path, fill(update))
                #expect(await api.get(path).text == updated.text)
                await api.delete(path)
                #expect(await api.send(.GET, path).message.contains("not found"))
            }
        }
    }

    @Test func `users are found in the list, and settings are merged with what is there`() async throws {
        try await withObjects { api, fill in
            let user = await api.post(
                "/api/users",
                fill(#"{"name":"u","role":"user","auto_groups":["$g"],"is_service_user":true}"#)
            )
            let path = "/api/users/\(user["id"] as String)"
            let updated = await api.put(path, fill(#"{"role":"admin","auto_groups":[],"is_blocked":true}"#))
            let listed = await api.get("/api/users").list.first { $0["id"] as? String == updated["id"] }
            #expect(listed?["role"] as? String == "admin" && listed?["status"] as? String == "blocked")
            #expect(listed?["is_current"] as? Bool == false && listed?["issued"] as? String == "api")
            await api.delete(path)
            let account = try #require(await api.get("/api/accounts").list.first)
            var settings = try #require(account["settings"] as? [String: Any])
            settings["peer_inactivity_expiration_enabled"] = true
            let body = try JSONSerialization.data(withJSONObject: ["settings": settings])
            let id = try #require(account["id"] as? String)
            let answer = await api.put("/api/accounts/\(id)", String(decoding: body, as: UTF8.self))
            #expect(
                NSDictionary(dictionary: try #require(answer.object["settings"] as? [String: Any])) == settings
                    as NSDictionary
            )
            let peer = try #require(await api.get("/api/peers").list.first?["id"] as? String)
            let renamed = await api.put(
                "/api/peers/\(peer)",
                #"{"name":"web","ssh_enabled":true,"login_expiration_enabled":false,"inactivity_expiration_enabled":false}"#
            )
            #expect(await api.get("/api/peers/\(peer)").text == renamed.text)
        }
    }

    private func object(_ text: String) throws -> [String: Any] {
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(json as? [String: Any])
    }
}
