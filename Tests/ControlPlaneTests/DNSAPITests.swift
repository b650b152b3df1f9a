import Foundation
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct DNSAPITests {
    @Test func `name servers and unmanaged groups reach the agents of their groups`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let peer = try await mesh.join("a", setupKey: try await mesh.setupKey())
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            try await mesh.following(peer) { stream in
                let first = try await stream.map().map
                #expect(first.dns?.nameServerGroups.isEmpty == true)
                let made = await api.post(
                    "/api/dns/nameservers",
                    """
                    {"name":"corp","description":"","nameservers":[{"ip":"10.0.0.53","ns_type":"udp","port":5353}],
                    "enabled":true,"groups":["\(all)"],"primary":false,"domains":["corp.example"],
                    "search_domains_enabled":true}
                    """
                )
                #expect(made.objects("nameservers")?.map { $0["port"] as? Int } == [5353])
                let servers = try #require(try await stream.map().map.dns?.nameServerGroups.first)
                #expect(servers.servers.map(\.description) == ["10.0.0.53:5353"] && servers.areSearchDomains)
                #expect(servers.domains == ["corp.example"] && !servers.isPrimary)
                let path = "/api/dns/nameservers/\(made["id"] as String)"
                #expect(await api.get(path).text == made.text)
                #expect(await api.get("/api/dns/nameservers").text == "[\(made.text)]")
                #expect(await api.put(path, #"{"enabled":false}"#)["name"] == "corp")
                #expect(try await stream.map().map.dns?.nameServerGroups.isEmpty == true)
                #expect(await api.get("/api/dns/settings").text == #"{"disabled_management_groups":[]}"#)
                let off = await api.put("/api/dns/settings", #"{"disabled_management_groups":["\#(all)"]}"#)
                #expect(off.texts("disabled_management_groups") == [all])
                #expect(try await stream.map().map.dns?.isEnabled == false)
                _ = await api.put("/api/dns/settings", #"{"disabled_management_groups":[]}"#)
                #expect(try await stream.map().map.dns?.isEnabled == true)
                await api.delete(path)
                #expect(await api.send(.GET, path).message == "nameserver group not found")
            }
            #expect(
                try await api.events().suffix(5) == [
                    "nameserver.group.add", "nameserver.group.update", "dns.setting.disabled.management.group.add",
                    "dns.setting.disabled.management.group.delete", "nameserver.group.delete",
                ]
            )
        }
    }

    @Test func `what no name servers can be is refused`() async throws {
        try await TestAPI.run { api in
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let server = #""nameservers":[{"ip":"9.9.9.9","ns_type":"udp","port":53}]"#
            let groups = #""groups":["\#(all)"]"#
            _ = await api.post("/api/dns/nameservers", #"{"name":"n",\#(server),\#(groups),"primary":true}"#)
            for body in [
                "{}", #"{"name":"n",\#(server),\#(groups),"primary":true}"#,
                #"{"name":"m",\#(groups),"primary":true}"#, #"{"name":"m",\#(server),"primary":true}"#,
                #"{"name":"m",\#(server),\#(groups),"primary":false}"#,
                #"{"name":"m",\#(server),\#(groups),"primary":true,"domains":["a.example"]}"#,
                #"{"name":"m",\#(server),\#(groups),"domains":["*.example"]}"#,
                #"{"name":"m",\#(server),\#(groups),"primary":true,"search_domains_enabled":true}"#,
                #"{"name":"m",\#(groups),"primary":true,"nameservers":[{"ip":"x","port":53}]}"#,
                #"{"name":"m",\#(groups),"primary":true,"nameservers":[{"ip":"9.9.9.9","port":0}]}"#,
                #"{"name":"m",\#(groups),"primary":true,"nameservers":[{"ip":"9.9.9.9"}]}"#,
                #"{"name":"m",\#(groups),"primary":true,"nameservers":[{"ip":"9.9.9.9","port":53,"ns_type":"tcp"}]}"#,
            ] {
                #expect(await api.send(.POST, "/api/dns/nameservers", body).status == 422, "\(body)")
            }
            #expect(await api.send(.PUT, "/api/dns/settings", "{}").status == 400)
            #expect(await api.send(.PUT, "/api/dns/settings", #"{"disabled_management_groups":["x"]}"#).status == 422)
            #expect(await api.get("/api/dns/nameservers").list.count == 1)
        }
    }
}
