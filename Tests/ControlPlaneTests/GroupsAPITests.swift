import Foundation
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct GroupsAPITests {
    @Test func `groups are made, found by name, changed in part and deleted`() async throws {
        try await TestAPI.run { api in
            let made = await api.post("/api/groups", #"{"name":"Web servers","issued":"jwt","unknown":{"x":[1]}}"#)
            #expect(made["name"] == "Web servers" && made["issued"] == "api")
            #expect(made.int("peers_count") == 0 && made.int("resources_count") == 0)
            #expect(made.objects("peers")?.count == 0 && made.objects("resources")?.count == 0)
            let path = "/api/groups/\(made["id"] as String)"
            #expect(await api.get(path).text == made.text)
            #expect(await api.get("/api/groups?name=Web+servers").text == "[\(made.text)]")
            #expect(await api.send(.GET, "/api/groups?name=nobody").status == 404)
            #expect(await api.get("/api/groups").list.map { $0["name"] as? String } == ["All", "Web servers"])
            #expect(await api.put(path, #"{"name":"web"}"#)["name"] == "web")
            #expect(await api.put(path, "{}")["name"] == "web")
            await api.delete(path)
            #expect(await api.send(.GET, path).message == "group not found")
        }
    }

    @Test func `names are unique and All stays as it is`() async throws {
        try await TestAPI.run { api in
            let all = try #require(await api.get("/api/groups?name=All").list[0]["id"] as? String)
            let other: String = await api.post("/api/groups", #"{"name":"g"}"#)["id"]
            for (method, path, body, status) in [
                (HTTPMethod.POST, "/api/groups", #"{"name":"g"}"#, UInt(409)),
                (.POST, "/api/groups", #"{"name":"All"}"#, 409), (.POST, "/api/groups", "{}", 422),
                (.POST, "/api/groups", #"{"name":"\u0000"}"#, 422),
                (.POST, "/api/groups", #"{"name":"h","peers":["nobody"]}"#, 422),
                (.POST, "/api/groups", #"{"name":"h","resources":[{"id":"x","type":"host"}]}"#, 422),
                (.PUT, "/api/groups/\(other)", #"{"name":"All"}"#, 409),
                (.PUT, "/api/groups/\(all)", #"{"name":"h"}"#, 422), (.DELETE, "/api/groups/\(all)", "", 422),
            ] {
                #expect(await api.send(method, path, body).status == status, "\(method) \(body)")
            }
            #expect(await api.get("/api/groups").list.count == 2)
        }
    }

    @Test func `a change of members is in the maps of the agents, and a partial one keeps them`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let (a, b) = (try await mesh.join("a", setupKey: key), try await mesh.join("b", setupKey: key))
            let peers = await api.get("/api/peers").list
            let ids = try peers.map { try #require($0["id"] as? String) }
            // From now on only members of g talk.
            let administration = try mesh.administration
            let group: String = await api.post("/api/groups", #"{"name":"g","peers":["\#(ids[0])"]}"#)["id"]
            try await administration.store.write { transaction in
                for row in try transaction.all(PolicyRuleGroupRecord.self) {
                    try transaction.delete(row)
                    var row = row
                    row.groupID = group
                    try transaction.insert(row)
                }
                try transaction.mapsChanged()
            }
            try await mesh.following(a) { stream in
                #expect(try await stream.map().map.peers.isEmpty)
                let full = await api.put("/api/groups/\(group)", #"{"peers":["\#(ids[1])","\#(ids[0])","\#(ids[1])"]}"#)
                #expect(full.objects("peers")?.map { $0["name"] as? String } == ["b", "a"])
                let (map, waited) = try await stream.map()
                #expect(map.peers.map(\.publicKey) == [b.publicKey] && waited < .seconds(1))
                let renamed = await api.put("/api/groups/\(group)", #"{"name":"h"}"#)
                #expect(renamed.int("peers_count") == 2)
                _ = await api.put("/api/groups/\(group)", #"{"peers":["\#(ids[0])"]}"#)
                #expect(try await stream.map().map.peers.isEmpty)
            }
            let events = try await api.events().filter { $0.hasPrefix("peer.group") }
            #expect(events == ["peer.group.add", "peer.group.add", "peer.group.delete"])
        }
    }

    @Test func `a group in use says by what`() async throws {
        try await TestAPI.run { api in
            let group: String = await api.post("/api/groups", #"{"name":"g"}"#)["id"]
            let user: String = await api.post(
                "/api/users",
                #"{"name":"robot","is_service_user":true,"auto_groups":["\#(group)"]}"#
            )["id"]
            let refusal = await api.send(.DELETE, "/api/groups/\(group)")
            #expect(refusal.status == 400 && refusal.message == "group has been linked to user: robot (\(user))")
            await api.delete("/api/users/\(user)")
            await api.delete("/api/groups/\(group)")
        }
    }
}
