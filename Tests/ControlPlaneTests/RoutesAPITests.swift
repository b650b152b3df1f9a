import Foundation
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct RoutesAPITests {
    @Test func `a route is made, reaches agents, changes in part and goes`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let (router, client) = (TestPeer(hostname: "router"), TestPeer(hostname: "client"))
            for peer in [router, client] { _ = try await mesh.login(peer, setupKey: key) }
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let peer = try #require(await api.get("/api/peers?name=router").list[0]["id"] as? String)
            try await mesh.following(client) { stream in
                #expect(try await stream.map().map.routes.isEmpty)
                let made = await api.post(
                    "/api/routes",
                    """
                    {"network_id":"office","description":"d","network":"10.1.0.0/16","network_type":"IPv4","enabled":true,
                    "peer":"\(peer)","metric":100,"masquerade":false,"groups":["\(all)"],"keep_route":true}
                    """
                )
                #expect(made["network_type"] == "IPv4" && made["description"] == "d" && made["peer"] == peer)
                #expect(made.texts("groups") == [all] && made.texts("peer_groups") == [] && made.texts("domains") == [])
                #expect(made.texts("access_control_groups") == [] && made.bool("skip_auto_apply") == false)
                let map = try await stream.map().map
                #expect(map.routes.map(\.prefix) == [IPPrefix("10.1.0.0/16")])
                #expect(map.routes.map(\.masquerade) == [false] && map.routes.map(\.metric) == [100])
                let path = "/api/routes/\(made["id"] as String)"
                #expect(await api.get("/api/routes").text == "[\(made.text)]")
                let changed = await api.put(path, #"{"metric":7}"#)
                #expect(changed.int("metric") == 7 && changed["peer"] == peer && changed["network"] == "10.1.0.0/16")
                #expect(try await stream.map().map.routes.map(\.metric) == [7])
                let grouped = await api.put(path, #"{"peer":"","peer_groups":["\#(all)"],"domains":["db.example"]}"#)
                #expect(grouped.texts("peer_groups") == [all] && grouped.object["peer"] == nil)
                #expect(grouped["network_type"] == "Domain" && grouped.object["network"] == nil)
                await api.delete(path)
                #expect(await api.send(.GET, path).message == "route not found")
            }
            #expect(try await api.events().suffix(4) == ["route.add", "route.update", "route.update", "route.delete"])
        }
    }

    @Test func `what no route can be is refused`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            _ = try await mesh.join("router", setupKey: try await mesh.setupKey())
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let peer = try #require(await api.get("/api/peers").list[0]["id"] as? String)
            let good = #""network_id":"n","network":"10.1.0.0/16","peer":"\#(peer)","groups":["\#(all)"]"#
            _ = await api.post("/api/routes", "{\(good)}")
            for (body, status) in [
                ("{\(good)}", UInt(409)), ("{}", 422), (#"{"network_id":"","network":"10.2.0.0/16"}"#, 422),
                (#"{"network_id":"m","network":"10.2.0.0/16","peer":"\#(peer)","groups":[]}"#, 422),
                (#"{"network_id":"m","network":"10.2.0.0/16","groups":["\#(all)"]}"#, 422),
                (#"{"network_id":"m","network":"10.2.0.0/16","peer":"nobody","groups":["\#(all)"]}"#, 422),
                (#"{"network_id":"m","network":"nowhere","peer":"\#(peer)","groups":["\#(all)"]}"#, 422),
                (#"{"network_id":"m","peer":"\#(peer)","groups":["\#(all)"],"metric":1,"domains":["a b"]}"#, 422),
                (
                    #"{"network_id":"m","network":"10.2.0.0/16","metric":10000,"peer":"\#(peer)","groups":["\#(all)"]}"#,
                    422
                ),
                (
                    #"{"network_id":"m","network":"10.2.0.0/16","domains":["a.b"],"peer":"\#(peer)","groups":["\#(all)"]}"#,
                    422
                ),
                (
                    #"{"network_id":"m","network":"10.2.0.0/16","peer":"\#(peer)","peer_groups":["\#(all)"],"groups":["\#(all)"]}"#,
                    422
                ),
            ] {
                #expect(await api.send(.POST, "/api/routes", body).status == status, "\(body)")
            }
            #expect(await api.get("/api/routes").list.count == 1)
        }
    }
}
