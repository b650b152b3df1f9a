import Foundation
import GRPCCore
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SetupKeysAPITests {
    @Test func `a key is shown once and masked from then on`() async throws {
        try await TestAPI.run { api in
            let made = await api.post("/api/setup-keys", #"{"name":"laptops","type":"reusable","expires_in":86400}"#)
            let key: String = made["key"]
            #expect(UUID(uuidString: key) != nil && key == key.uppercased())
            #expect(made["state"] == "valid" && made.bool("valid") == true && made.bool("revoked") == false)
            #expect(made.int("used_times") == 0 && made.int("usage_limit") == 0 && made["last_used"] == APITime.never)
            #expect(made.texts("auto_groups") == [] && made.bool("ephemeral") == false)
            let shown = await api.get("/api/setup-keys/\(made["id"] as String)")
            #expect(shown["key"] == key.prefix(5) + "****" && shown["expires"] == made["expires"])
            let listed = await api.get("/api/setup-keys")
            #expect(listed.text == "[\(shown.text)]" && !listed.text.contains(key))
        }
    }

    @Test func `what a key cannot be is refused and makes none`() async throws {
        try await TestAPI.run { api in
            let all: String = try await api.store.read { try $0.rows(GroupRecord.self, where: "name", is: "All")[0].id }
            for bad in [
                "{}", #"{"name":"","type":"reusable"}"#, #"{"name":"k","type":"sometimes"}"#,
                #"{"name":"k","type":"one-off","usage_limit":2}"#, #"{"name":"k","type":"reusable","usage_limit":-1}"#,
                #"{"name":"k","type":"reusable","expires_in":-1}"#,
                #"{"name":"k","type":"reusable","expires_in":9223372036854775807}"#,
                #"{"name":"k","type":"reusable","auto_groups":["nothing"]}"#,
                #"{"name":"k","type":"reusable","auto_groups":["\#(all)"]}"#,
            ] {
                #expect(await api.send(.POST, "/api/setup-keys", bad).status == 422, "\(bad)")
            }
            #expect(await api.get("/api/setup-keys").text == "[]")
            #expect(try await !api.events().contains("setupkey.add"))
        }
    }

    @Test func `a change keeps what it does not name, and revoking is for good`() async throws {
        try await TestAPI.run { api in
            let group: String = await api.post("/api/groups", #"{"name":"g"}"#)["id"]
            let made = await api.post(
                "/api/setup-keys",
                #"{"name":"k","type":"one-off","expires_in":0,"auto_groups":["\#(group)"],"ephemeral":true}"#
            )
            #expect(made["expires"] == APITime.never && made.int("usage_limit") == 1)
            let path = "/api/setup-keys/\(made["id"] as String)"
            #expect(await api.send(.DELETE, "/api/groups/\(group)").status == 400)
            let revoked = await api.put(path, #"{"revoked":true}"#)
            #expect(revoked["state"] == "revoked" && revoked.texts("auto_groups") == [group])
            #expect(await api.send(.PUT, path, #"{"revoked":false,"auto_groups":[]}"#).status == 422)
            #expect(await api.put(path, #"{"auto_groups":[]}"#).texts("auto_groups") == [])
            await api.delete(path)
            #expect(await api.send(.GET, path).status == 404)
            let events = try await api.events().filter { $0.hasPrefix("setupkey") }
            #expect(
                events == [
                    "setupkey.add", "setupkey.group.add", "setupkey.revoke", "setupkey.group.delete", "setupkey.delete",
                ]
            )
        }
    }

    @Test func `peers join with a key of the API, into its groups, with the further names it allows`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let group: String = await api.post("/api/groups", #"{"name":"g"}"#)["id"]
            func key(_ more: String) async -> String {
                await api.post("/api/setup-keys", #"{"name":"k","type":"reusable","expires_in":0\#(more)}"#)["key"]
            }
            let plain = await key(#","auto_groups":["\#(group)"]"#)
            let peer = TestPeer(hostname: "a")
            try await expect(.failedPrecondition) {
                _ = try await mesh.login(peer, setupKey: plain, extraLabels: ["www"])
            }
            _ = try await mesh.login(peer, setupKey: plain)
            try await expect(.failedPrecondition) { _ = try await mesh.login(peer, extraLabels: ["www"]) }
            let named = TestPeer(hostname: "b")
            _ = try await mesh.login(
                named,
                setupKey: await key(#","allow_extra_dns_labels":true"#),
                extraLabels: ["www"]
            )
            let peers = await api.get("/api/peers").list
            #expect(peers.map { $0["extra_dns_labels"] as? [String] } == [[], ["www.netbird.selfhosted"]])
            let members = await api.get("/api/groups/\(group)").objects("peers")
            #expect(members?.map { $0["name"] as? String } == ["a"])
            #expect(await api.get("/api/setup-keys").list.map { $0["used_times"] as? Int } == [1, 1])
            _ = try await mesh.login(named, extraLabels: ["web"])
            #expect(
                await api.get("/api/peers?name=b").list[0]["extra_dns_labels"] as? [String] == [
                    "web.netbird.selfhosted"
                ]
            )
            #expect(try await api.events().filter { $0 == "peer.setupkey.add" }.count == 2)
        }
    }
}
