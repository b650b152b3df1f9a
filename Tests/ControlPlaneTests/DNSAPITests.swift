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

@Suite(.timeLimit(.minutes(1)))
struct EventsAPITests {
    @Test func `the audit log names who did what, newest first, also those who are gone`() async throws {
        try await TestAPI.run { api in
            let token = try await api.person(.admin, email: "gone@x.org")
            let group: String = await api.post("/api/groups", #"{"name":"g"}"#, token: token)["id"]
            let me: String = await api.get("/api/users/current", token: token)["id"]
            await api.delete("/api/users/\(me)")
            let events = await api.get("/api/events/audit").list
            #expect(await api.get("/api/events").list.count == events.count)
            #expect(events.first?["activity_code"] as? String == "user.delete")
            let made = try #require(events.first { $0["activity_code"] as? String == "group.add" })
            #expect(made["initiator_id"] as? String == me && made["initiator_email"] as? String == "gone@x.org")
            #expect(made["target_id"] as? String == group && made["meta"] as? [String: String] == ["name": "g"])
            let ids = events.compactMap { ($0["id"] as? String).flatMap(Int.init) }
            #expect(ids == ids.sorted(by: >) && ids.count == events.count)
            #expect(Set(Activity.allCases.map(\.code)).count == Activity.allCases.count)
        }
    }

    @Test func `what fails leaves no event`() async throws {
        try await TestAPI.run { api in
            let before = try await api.events()
            #expect(await api.send(.POST, "/api/groups", #"{"name":"g","peers":["nobody"]}"#).status == 422)
            #expect(try await api.events() == before)
            #expect(await api.get("/api/groups").list.count == 1)
        }
    }
}

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
