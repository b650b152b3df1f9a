import Foundation
import MeshModel
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct DNSZonesAPITests {
    @Test func `a zone and its records reach the agents of its groups`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let peer = try await mesh.join("a", setupKey: try await mesh.setupKey())
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            try await mesh.following(peer) { stream in
                let first = try await stream.map().map
                #expect(first.dns?.zones.count == 1)
                let made = await api.post(
                    "/api/dns/zones",
                    #"{"name":"Corp","domain":"Corp.example","enable_search_domain":true,"distribution_groups":["\#(all)"]}"#
                )
                #expect(made["domain"] == "corp.example" && made.bool("enabled") == true)
                #expect(made.objects("records")?.isEmpty == true)
                let path = "/api/dns/zones/\(made["id"] as String)"
                let record = await api.post(
                    "\(path)/records",
                    #"{"name":"db.corp.example","type":"A","content":"10.0.0.5","ttl":60}"#
                )
                let zone = try #require(try await stream.map().map.dns?.zones.first { $0.domain == "corp.example." })
                #expect(!zone.isSearchDomainDisabled && zone.records.map(\.name) == ["db.corp.example."])
                #expect(zone.records.map(\.ttlSeconds) == [60])
                let one = "\(path)/records/\(record["id"] as String)"
                #expect(await api.get(one).text == record.text)
                #expect(await api.get("\(path)/records").text == "[\(record.text)]")
                #expect(await api.get(path).objects("records")?.count == 1)
                let alias = await api.put(one, #"{"type":"CNAME","content":"web.example"}"#)
                #expect(alias["name"] == "db.corp.example" && alias.int("ttl") == 60)
                let changed = try #require(try await stream.map().map.dns?.zones.first { $0.domain == "corp.example." })
                #expect(changed.records.map(\.data) == [.alias("web.example.")])
                #expect(await api.send(.DELETE, "/api/groups/\(all)").status == 422)
                #expect(await api.put(path, #"{"name":"C"}"#).texts("distribution_groups") == [all])
                await api.delete(one)
                await api.delete(path)
                #expect(await api.send(.GET, path).message == "zone not found")
            }
            #expect(
                try await api.events().suffix(6) == [
                    "dns.zone.create", "dns.zone.record.create", "dns.zone.record.update", "dns.zone.update",
                    "dns.zone.record.delete", "dns.zone.delete",
                ]
            )
        }
    }

    @Test func `what no zone or record can be is refused`() async throws {
        try await TestAPI.run { api in
            let all = try #require(await api.get("/api/groups").list[0]["id"] as? String)
            let groups = #""distribution_groups":["\#(all)"]"#
            let made = await api.post("/api/dns/zones", #"{"name":"z","domain":"corp.example",\#(groups)}"#)
            let path = "/api/dns/zones/\(made["id"] as String)"
            for (method, target, body, status) in [
                (HTTPMethod.POST, "/api/dns/zones", "{}", UInt(422)),
                (.POST, "/api/dns/zones", #"{"name":"z","domain":"corp.example",\#(groups)}"#, 409),
                (.POST, "/api/dns/zones", #"{"name":"z","domain":"netbird.selfhosted",\#(groups)}"#, 422),
                (.POST, "/api/dns/zones", #"{"name":"z","domain":"other.example"}"#, 422),
                (.POST, "/api/dns/zones", #"{"name":"z","domain":"*.other.example",\#(groups)}"#, 422),
                (.PUT, path, #"{"domain":"other.example"}"#, 422), (.PUT, path, #"{"distribution_groups":[]}"#, 422),
            ] {
                #expect(await api.send(method, target, body).status == status, "\(method) \(body)")
            }
            _ = await api.post("\(path)/records", #"{"name":"a.corp.example","type":"A","content":"10.0.0.1","ttl":0}"#)
            for (body, status) in [
                ("{}", UInt(422)), (#"{"name":"a.other.example","type":"A","content":"10.0.0.1"}"#, 422),
                (#"{"name":"xcorp.example","type":"A","content":"10.0.0.1"}"#, 422),
                (#"{"name":"a.corp.example","type":"A","content":"10.0.0.1","ttl":9}"#, 409),
                (#"{"name":"a.corp.example","type":"CNAME","content":"b.example"}"#, 422),
                (#"{"name":"b.corp.example","type":"A","content":"fd00::1"}"#, 422),
                (#"{"name":"b.corp.example","type":"AAAA","content":"10.0.0.1"}"#, 422),
                (#"{"name":"b.corp.example","type":"MX","content":"10.0.0.1"}"#, 422),
                (#"{"name":"b.corp.example","type":"CNAME","content":"-"}"#, 422),
                (#"{"name":"b.corp.example","type":"A","content":"10.0.0.1","ttl":-1}"#, 422),
            ] {
                #expect(await api.send(.POST, "\(path)/records", body).status == status, "\(body)")
            }
            _ = await api.post("\(path)/records", #"{"name":"*.corp.example","type":"AAAA","content":"fd00::1"}"#)
            #expect(await api.send(.GET, "\(path)/records/nothing").message == "record not found")
            #expect(await api.get("\(path)/records").list.count == 2)
        }
    }
}
