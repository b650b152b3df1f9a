import Foundation
import MapCompiler
import NIOHTTP1
import Testing

@testable import ControlPlane

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

    @Test func `commands beside the server leave events too, each once`() async throws {
        try await withTemporaryFolder { folder in
            let administration = try Administration(dataDirectory: folder, mayCreate: true)
            let request = Administration.SetupKeyRequest(
                name: "k",
                isOneOff: false,
                lifetime: nil,
                usageLimit: 0,
                isEphemeral: false
            )
            _ = try await administration.createSetupKey(request)
            _ = try await administration.revokeSetupKey("k")
            _ = try await administration.createGroup(name: "g")
            _ = try await administration.createNetwork(name: "n")
            let router = RouterRequest(routers: .groups(["g"]), metric: 1, masquerade: true)
            let network = try await administration.addRouter(router, toNetwork: "n")
            let resource = ResourceRequest(name: "r", address: "10.1.0.5", groups: ["g"])
            _ = try await administration.addResource(resource, toNetwork: "n")
            _ = try await administration.removeResource("r", fromNetwork: "n")
            _ = try await administration.removeRouter(network.routers[0].id, fromNetwork: "n")
            _ = try await administration.deleteNetwork("n")
            var route = RouteChange()
            route.networkID = "office"
            route.destination = try routeDestination(prefix: "10.2.0.0/16")
            route.routers = .groups(["g"])
            route.distributionGroups = ["All"]
            _ = try await administration.createRoute(route)
            var change = RouteChange()
            change.metric = 7
            _ = try await administration.updateRoute("office", change)
            _ = try await administration.deleteRoute("office")
            _ = try await administration.deleteGroup("g")
            await #expect(throws: ServerFailure.self) { try await administration.deleteGroup("g") }
            let events = try await administration.store.read { try $0.all(EventRecord.self) }
            #expect(
                events.compactMap { Activity(rawValue: $0.activity)?.code } == [
                    "setupkey.add", "setupkey.revoke", "group.add", "network.create", "network.router.create",
                    "network.resource.create", "network.resource.delete", "network.router.delete", "network.delete",
                    "route.add", "route.update", "route.delete", "group.delete",
                ]
            )
            #expect(Set(events.map(\.initiatorID)) == [EventRecord.system])
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
