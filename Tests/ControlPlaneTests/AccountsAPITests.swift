import Foundation
import MapCompiler
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct AccountsAPITests {
    private func settings(_ api: TestAPI) async throws -> (path: String, [String: Any]) {
        let account = try #require(await api.get("/api/accounts").list.first)
        let id = try #require(account["id"] as? String)
        return ("/api/accounts/\(id)", try #require(account["settings"] as? [String: Any]))
    }

    @Test func `the account shows every setting, and a change keeps what it does not name`() async throws {
        try await TestAPI.run { api in
            let (path, before) = try await settings(api)
            #expect(
                before["peer_login_expiration"] as? Int == 86_400
                    && before["dns_domain"] as? String == "netbird.selfhosted"
            )
            #expect((before["extra"] as? [String: Any])?.count == 5)
            #expect((before["ipv6_enabled_groups"] as? [String])?.count == 1)
            let changed = await api.put(
                path,
                """
                {"settings":{"peer_login_expiration":3600,"lazy_connection_enabled":true,"jwt_groups_claim_name":"x",
                "extra_settings":{"user_approval_required":true}}}
                """
            )
            let after = try #require(changed.object["settings"] as? [String: Any])
            #expect(after["peer_login_expiration"] as? Int == 3600 && after["jwt_groups_claim_name"] as? String == "x")
            #expect((after["extra"] as? [String: Any])?["user_approval_required"] as? Bool == true)
            #expect(Set(after.keys) == Set(before.keys))
            for (name, value) in before
            where !["peer_login_expiration", "lazy_connection_enabled", "extra"].contains(name) {
                guard name != "jwt_groups_claim_name" else { continue }
                #expect("\(value)" == "\(try #require(after[name]))", "\(name)")
            }
            #expect(await api.get("/api/accounts").text == "[\(changed.text)]")
            let directory = try await api.store.directory()
            #expect(directory.settings.isLazyConnectionEnabled && directory.settings.isRoutingPeerResolutionEnabled)
            let events = try await api.events().suffix(2)
            #expect(
                events == [
                    "account.setting.lazy.connection.enable", "account.setting.peer.login.expiration.update",
                ]
            )
            // The same again is no change.
            _ = await api.put(path, #"{"settings":{"peer_login_expiration":3600}}"#)
            #expect(try await api.store.directory().serial == directory.serial)
        }
    }

    @Test func `what no setting can be is refused, and changes nothing`() async throws {
        try await TestAPI.run { api in
            let (path, _) = try await settings(api)
            let before = await api.get("/api/accounts").text
            for (setting, status) in [
                (#""peer_login_expiration":3599"#, UInt(422)), (#""peer_login_expiration":15552001"#, 422),
                (#""dns_domain":"*.x.org""#, 422), (#""dns_domain":"a b""#, 422),
                (#""network_range":"10.0.0.0/29""#, 422),
                (#""network_range":"127.0.0.0/8""#, 422), (#""network_range":"fd00::/64""#, 422),
                (#""network_range":"10.0.0.1/16""#, 422), (#""network_range":"0.0.0.0/0""#, 422),
                (#""network_range_v6":"fd00::/121""#, 422), (#""network_range_v6":"10.0.0.0/16""#, 422),
                (#""ipv6_enabled_groups":["x"]"#, 422), (#""peer_expose_enabled":true"#, 422),
                (#""auto_update_version":"soon""#, 422), (#""extra":{"peer_approval_enabled":true}"#, 412),
                (#""lazy_connection_enabled":1"#, 400),
            ] {
                #expect(await api.send(.PUT, path, #"{"settings":{\#(setting)}}"#).status == status, "\(setting)")
            }
            #expect(await api.send(.PUT, path, "{}").status == 400)
            #expect(await api.send(.PUT, "/api/accounts/other", #"{"settings":{}}"#).status == 404)
            #expect(await api.get("/api/accounts").text == before)
        }
    }

    @Test func `a new network, domain or IPv6 group moves the peers`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let (a, b) = (try await mesh.join("a", setupKey: key), try await mesh.join("b", setupKey: key))
            let (path, _) = try await settings(api)
            try await mesh.following(b) { stream in
                let first = try await stream.map().map
                #expect(first.own?.addressV6 != nil)
                _ = await api.put(
                    path,
                    #"{"settings":{"network_range":"10.7.0.0/24","network_range_v6":"fd12::/64","dns_domain":"new.example"}}"#
                )
                let (map, waited) = try await stream.map()
                #expect(waited < .seconds(1))
                let own = try #require(map.own)
                #expect(try #require(IPPrefix("10.7.0.0/24")).contains(own.address.address) && own.address.length == 24)
                #expect(try #require(IPPrefix("fd12::/64")).contains(try #require(own.addressV6).address))
                #expect(own.fqdn == "b.new.example" && map.peers.map(\.fqdn) == ["a.new.example"])
                #expect(map.peers.map(\.publicKey) == [a.publicKey])
                #expect(
                    await api.get("/api/peers").list.allSatisfy { ($0["ip"] as? String)?.hasPrefix("10.7.0.") == true }
                )
                let group: String = await api.post("/api/groups", #"{"name":"six"}"#)["id"]
                _ = await api.put(path, #"{"settings":{"ipv6_enabled_groups":["\#(group)"]}}"#)
                #expect(try await stream.map().map.own?.addressV6 == nil)
                #expect(await api.send(.DELETE, "/api/groups/\(group)").status == 400)
                let peers = await api.get("/api/peers").list
                #expect(peers.allSatisfy { $0["ipv6"] == nil })
                let id = try #require(peers[0]["id"] as? String)
                #expect(await api.send(.PUT, "/api/peers/\(id)", #"{"ipv6":"fd12::7"}"#).status == 412)
            }
        }
    }
}
