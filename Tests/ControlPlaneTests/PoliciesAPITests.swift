import Foundation
import MapCompiler
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct PoliciesAPITests {
    /// One rule from All to All, with more in it.
    private func policy(_ all: String, _ rule: String, name: String = "p") -> String {
        #"{"name":"\#(name)","rules":[{"sources":["\#(all)"],"destinations":["\#(all)"]\#(rule)}]}"#
    }

    private func all(_ api: TestAPI) async throws -> String {
        try #require(await api.get("/api/groups?name=All").list[0]["id"] as? String)
    }

    @Test func `a policy comes back as it was given, with groups for identifiers`() async throws {
        try await TestAPI.run { api in
            let all = try await all(api)
            let groups = [
                await api.post("/api/groups", #"{"name":"z"}"#)["id"] as String,
                await api.post("/api/groups", #"{"name":"a"}"#)["id"] as String,
            ]
            let made = await api.post(
                "/api/policies",
                """
                {"name":" web ","description":"","enabled":false,"source_posture_checks":["x"],"rules":[
                {"name":"r","description":"d","enabled":true,"action":"accept","bidirectional":false,"protocol":"tcp",
                "ports":["443","80"],"sources":["\(groups[0])","\(groups[1])"],"destinations":["\(all)"]},
                {"action":"drop","protocol":"udp","port_ranges":[{"start":7,"end":7},{"start":1,"end":65535}],
                "sources":[],"destinationResource":{"id":"peer1","type":"peer"}}]}
                """
            )
            #expect(made["name"] == " web " && made["description"] == "" && made.bool("enabled") == false)
            #expect(made.texts("source_posture_checks") == ["x"])
            let rules = try #require(made.objects("rules"))
            #expect(rules.count == 2 && rules[0]["id"] as? String == made["id"] && rules[0]["name"] as? String == "r")
            #expect(rules[0]["ports"] as? [String] == ["443", "80"] && rules[0]["port_ranges"] == nil)
            let sources = try #require(rules[0]["sources"] as? [[String: Any]])
            #expect(sources.map { $0["id"] as? String } == groups && sources[0]["peers_count"] as? Int == 0)
            #expect(rules[1]["bidirectional"] as? Bool == true && rules[1]["enabled"] as? Bool == true)
            let ranges = rules[1]["port_ranges"] as? [[String: Int]]
            #expect(ranges == [["start": 7, "end": 7], ["start": 1, "end": 65535]])
            #expect(rules[1]["destinationResource"] as? [String: String] == ["id": "peer1", "type": "peer"])
            #expect((rules[1]["destinations"] as? [Any])?.isEmpty == true)
            #expect(await api.get("/api/policies/\(made["id"] as String)").text == made.text)
            #expect(await api.get("/api/policies").list.count == 2)
            #expect(
                await api.send(.DELETE, "/api/groups/\(groups[1])").message == "group has been linked to policy:  web "
            )
        }
    }

    @Test func `what no rule can be is refused`() async throws {
        try await TestAPI.run { api in
            let all = try await all(api)
            for rule in [
                "", #","action":"accept""#, #","action":"maybe","protocol":"tcp""#,
                #","action":"accept","protocol":"tcp","ports":["0"]"#,
                #","action":"accept","protocol":"tcp","ports":["65536"]"#,
                #","action":"accept","protocol":"tcp","ports":["080"]"#,
                #","action":"accept","protocol":"tcp","ports":["1-2"]"#,
                #","action":"accept","protocol":"icmp","ports":["1"]"#,
                #","action":"accept","protocol":"all","port_ranges":[{"start":1,"end":2}]"#,
                #","action":"accept","protocol":"udp","ports":["1"],"port_ranges":[{"start":1,"end":2}]"#,
                #","action":"accept","protocol":"udp","port_ranges":[{"start":2,"end":1}]"#,
                #","action":"accept","protocol":"udp","port_ranges":[{"start":-1,"end":70000}]"#,
                #","action":"accept","protocol":"all","sourceResource":{"id":"x","type":"peer"}"#,
                #","action":"accept","protocol":"all","id":"foreign""#,
                #","action":"accept","protocol":"netbird-ssh","authorized_groups":{"x":[]}"#,
            ] {
                #expect(await api.send(.POST, "/api/policies", policy(all, rule)).status == 422, "\(rule)")
            }
            for body in [
                #"{"name":"p"}"#, #"{"name":"p","rules":[]}"#, #"{"rules":[]}"#,
                #"{"name":"p","rules":[{"action":"accept","protocol":"all","sources":["x"],"destinations":[]}]}"#,
                #"{"name":"p","rules":[{"action":"accept","protocol":"all","sources":[]}]}"#,
            ] {
                #expect(await api.send(.POST, "/api/policies", body).status == 422, "\(body)")
            }
            // Another policy's rule stays where it is.
            let other = try #require(await api.get("/api/policies").list[0]["id"] as? String)
            let own: String = await api.post("/api/policies", policy(all, #","action":"accept","protocol":"all""#))[
                "id"
            ]
            let stolen = policy(all, #","action":"accept","protocol":"all","id":"\#(other)""#)
            #expect(await api.send(.PUT, "/api/policies/\(own)", stolen).status == 422)
            #expect(await api.get("/api/policies").list.count == 2)
        }
    }

    @Test func `a change keeps what it does not name, and none is no change`() async throws {
        try await TestAPI.run { api in
            let all = try await all(api)
            let made = await api.post(
                "/api/policies",
                policy(all, #","action":"accept","protocol":"tcp","ports":["22"],"bidirectional":false,"name":"r""#)
            )
            let path = "/api/policies/\(made["id"] as String)"
            let before = try await api.store.directory().serial
            #expect(await api.put(path, "{}").text == made.text)
            let rule = #","action":"accept","protocol":"tcp","ports":["22"]"#
            #expect(await api.put(path, policy(all, rule)).text == made.text)
            #expect(try await api.store.directory().serial == before)
            #expect(try await api.events().last == "policy.add")
            #expect(await api.put(path, #"{"enabled":false}"#).bool("enabled") == false)
            let renamed = await api.put(path, #"{"name":"q"}"#)
            #expect(renamed["name"] == "q" && renamed.bool("enabled") == false && renamed.objects("rules")?.count == 1)
            #expect(try await api.store.directory().serial == before + 2)
            await api.delete(path)
            #expect(await api.send(.GET, path).message == "policy not found")
        }
    }

    @Test func `policies reach the agents' rules`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let all = try await all(api)
            let key = try await mesh.setupKey()
            let (client, server) = (TestPeer(hostname: "client"), TestPeer(hostname: "server"))
            for peer in [client, server] { _ = try await mesh.login(peer, setupKey: key) }
            let ids = try await api.get("/api/peers").list.map { try #require($0["id"] as? String) }
            let standard = try #require(await api.get("/api/policies").list[0]["id"] as? String)
            try await mesh.following(server) { stream in
                #expect(try await stream.map().map.firewallRules.isEmpty == false)
                await api.delete("/api/policies/\(standard)")
                let (empty, waited) = try await stream.map()
                #expect(empty.peers.isEmpty && empty.firewallRules.isEmpty && waited < .seconds(1))
                let made = await api.post(
                    "/api/policies",
                    """
                    {"name":"db","rules":[{"action":"accept","protocol":"tcp","ports":["5432"],"bidirectional":false,
                    "source_resource":{"id":"\(ids[0])","type":"peer"},
                    "destination_resource":{"id":"\(ids[1])","type":"peer"}}]}
                    """
                )
                let map = try await stream.map().map
                #expect(map.peers.map(\.publicKey) == [client.publicKey])
                #expect(Set(map.firewallRules.map(\.ports)) == [.one(5432)])
                #expect(Set(map.firewallRules.map(\.direction)) == [.inbound])
                #expect(Set(map.firewallRules.map(\.policyID)) == [made["id"]])
                let path = "/api/policies/\(made["id"] as String)"
                // Nobody passes a check that is not made.
                _ = await api.put(path, #"{"source_posture_checks":["unknown"]}"#)
                #expect(try await stream.map().map.peers.isEmpty)
                _ = await api.put(path, #"{"source_posture_checks":[]}"#)
                #expect(try await stream.map().map.peers.count == 1)
                let ssh = policy(
                    all,
                    #","action":"accept","protocol":"netbird-ssh","ports":["22"],"bidirectional":false"#
                )
                _ = await api.put(path, ssh)
                let rules = try await stream.map().map.firewallRules
                #expect(Set(rules.map(\.transport)) == [.tcp])
                #expect(Set(rules.map(\.ports)) == [.one(22), .one(22022)])
                let ranges = policy(
                    all,
                    #","action":"drop","protocol":"udp","bidirectional":false,"port_ranges":[{"start":5,"end":5}]"#
                )
                _ = await api.put(path, ranges)
                let drops = try await stream.map().map.firewallRules
                #expect(Set(drops.map(\.ports)) == [.range(5...5)] && Set(drops.map(\.action)) == [.drop])
            }
        }
    }
}
