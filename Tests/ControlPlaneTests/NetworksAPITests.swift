import Foundation
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct NetworksAPITests {
    @Test func `a network with resources and routers reaches agents, and says what leads to it`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let (router, client) = (TestPeer(hostname: "router"), TestPeer(hostname: "client"))
            for peer in [router, client] { _ = try await mesh.login(peer, setupKey: key) }
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let policy = try #require(await api.get("/api/policies").list[0]["id"] as? String)
            let peer = try #require(await api.get("/api/peers?name=router").list[0]["id"] as? String)
            try await mesh.following(client) { stream in
                let first = try await stream.map().map
                #expect(first.routes.isEmpty)
                let network = await api.post("/api/networks", #"{"name":"office","description":"first floor"}"#)
                #expect(network.texts("resources") == [] && network.int("routing_peers_count") == 0)
                let path = "/api/networks/\(network["id"] as String)"
                let added = await api.post("\(path)/routers", #"{"peer":"\#(peer)","metric":50,"masquerade":true}"#)
                #expect(added["peer"] == peer && added.bool("enabled") == true && added.texts("peer_groups") == [])
                let resource = await api.post(
                    "\(path)/resources",
                    #"{"name":"db","address":"10.1.0.5","groups":["\#(all)"]}"#
                )
                #expect(resource["address"] == "10.1.0.5/32" && resource["type"] == "host")
                #expect(resource.objects("groups")?.map { $0["name"] as? String } == ["All"])
                #expect(try await stream.map().map.routes.map(\.prefix) == [IPPrefix("10.1.0.5/32")])
                let full = await api.get(path)
                #expect(full.texts("policies") == [policy] && full.int("routing_peers_count") == 1)
                #expect(full.texts("resources") == [resource["id"]] && full.texts("routers") == [added["id"]])
                #expect(await api.get("/api/networks").text == "[\(full.text)]")
                for (list, one) in [("resources", resource), ("routers", added)] {
                    #expect(await api.get("/api/networks/\(list)").text == "[\(one.text)]")
                    #expect(await api.get("\(path)/\(list)").text == "[\(one.text)]")
                    #expect(await api.get("\(path)/\(list)/\(one["id"] as String)").text == one.text)
                }
                let group = await api.get("/api/groups/\(all)").objects("resources")
                #expect(group?.map { $0["type"] as? String } == ["host"])
                let off = await api.put("\(path)/resources/\(resource["id"] as String)", #"{"enabled":false}"#)
                #expect(off.bool("enabled") == false && off["name"] == "db" && off.objects("groups")?.count == 1)
                #expect(try await stream.map().map.routes.isEmpty)
                let moved = await api.put(
                    "\(path)/routers/\(added["id"] as String)",
                    #"{"peer":null,"peer_groups":["\#(all)"]}"#
                )
                #expect(moved.object["peer"] == nil && moved.int("metric") == 50)
                #expect(await api.get(path).int("routing_peers_count") == 2)
                await api.delete("\(path)/resources/\(resource["id"] as String)")
                await api.delete("\(path)/routers/\(added["id"] as String)")
                #expect(await api.put(path, #"{"description":""}"#)["name"] == "office")
                await api.delete(path)
                #expect(await api.send(.GET, path).message == "network not found")
            }
        }
    }

    @Test func `what cannot be in a network is refused`() async throws {
        try await TestAPI.run { api in
            let path = "/api/networks/\(await api.post("/api/networks", #"{"name":"a"}"#)["id"] as String)"
            let other = "/api/networks/\(await api.post("/api/networks", #"{"name":"b"}"#)["id"] as String)"
            let resource: String = await api.post(
                "\(path)/resources",
                #"{"name":"r","address":"10.1.2.3/16","groups":[]}"#
            )["id"]
            #expect(await api.get("\(path)/resources/\(resource)")["address"] == "10.1.0.0/16")
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let router: String = await api.post("\(path)/routers", #"{"peer_groups":["\#(all)"]}"#)["id"]
            for (method, target, body, status) in [
                (HTTPMethod.POST, "/api/networks", #"{"name":"a"}"#, UInt(409)), (.POST, "/api/networks", "{}", 422),
                (.POST, "\(path)/resources", #"{"name":"r","address":"10.2.0.0/16"}"#, 422),
                (.POST, "\(other)/resources", #"{"name":"r","address":"10.2.0.0/16"}"#, 422),
                (.POST, "\(path)/resources", #"{"name":"s","address":"no where"}"#, 422),
                (.POST, "\(path)/resources", #"{"name":"s","address":"0.0.0.0/0"}"#, 422),
                (.POST, "\(path)/resources", #"{"name":"s","address":"10.2.0.0/16","groups":["x"]}"#, 422),
                (.GET, "\(other)/resources/\(resource)", "", 400), (.GET, "\(other)/routers/\(router)", "", 400),
                (.GET, "\(path)/resources/nothing", "", 404), (.GET, "/api/networks/nothing/routers", "", 404),
                (.POST, "\(path)/routers", "{}", 400), (.POST, "\(path)/routers", #"{"peer":"nobody"}"#, 422),
                (.POST, "\(path)/routers", #"{"peer":"x","peer_groups":["\#(all)"]}"#, 400),
                (.POST, "\(path)/routers", #"{"peer_groups":["\#(all)"],"metric":0}"#, 422),
            ] {
                #expect(await api.send(method, target, body).status == status, "\(method) \(target) \(body)")
            }
            #expect(await api.get(path).texts("resources") == [resource])
            #expect(await api.get(path).texts("routers") == [router])
        }
    }
}
