import Foundation
import MapCompiler
import MeshModel
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct NetworkStoreTests {
    private func refusal(_ body: () async throws -> Void) async throws -> String {
        do {
            try await body()
        } catch let failure as ServerFailure {
            return failure.description
        }
        Issue.record("it was done")
        throw CancellationError()
    }

    @Test func `a resource reaches the maps of its clients and routers, and leaves them`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let router = try await mesh.join("router", setupKey: key)
            let client = try await mesh.join("client", setupKey: key)
            let administration = try mesh.administration
            try await mesh.following(router) { routerStream in
                try await mesh.following(client) { clientStream in
                    let first = try await clientStream.map().map
                    #expect(try await routerStream.map().map.routes.isEmpty && first.routes.isEmpty)
                    _ = try await administration.createNetwork(name: "office")
                    _ = try await administration.addRouter(
                        RouterRequest(routers: .peer("router"), metric: 5, masquerade: false),
                        toNetwork: "office"
                    )
                    let request = ResourceRequest(name: "lan", address: "10.7.0.0/16", groups: ["All"])
                    let network = try await administration.addResource(request, toNetwork: "office")
                    let id = try #require(network.resources.first?.id)
                    let maps = (try await routerStream.map().map, try await clientStream.map().map)
                    for map in [maps.0, maps.1] {
                        #expect(map.routes.map(\.networkID) == ["lan"] && map.routes.map(\.metric) == [5])
                        #expect(map.routes.map(\.prefix) == [IPPrefix("10.7.0.0/16")])
                        #expect(map.routes.first?.id.hasPrefix(id + ":") == true)
                    }
                    #expect(maps.0.routeFirewallRules.count == 1 && maps.1.routeFirewallRules.isEmpty)
                    #expect(maps.1.serial > first.serial)
                    _ = try await administration.removeResource("lan", fromNetwork: "office")
                    #expect(try await clientStream.map().map.routes.isEmpty)
                }
            }
        }
    }

    @Test func `what cannot be is refused with its reason, and nothing of it is done`() async throws {
        try await withTemporaryFolder { path in
            let store = try SQLiteStore.open(
                DataDirectory(path: path),
                mayCreate: true,
                mayUpgrade: true,
                atSeconds: 0
            )
            let administration = try Administration(dataDirectory: path)
            _ = try await administration.createNetwork(name: "office")
            _ = try await administration.createGroup(name: "lans")
            let lan = ResourceRequest(name: "lan", address: "10.7.0.0/16", groups: ["lans"])
            _ = try await administration.addResource(lan, toNetwork: "office")
            let before = try await store.directory()
            let overlay = before.network.v4.description
            let overlapping = ResourceRequest(name: "x", address: overlay, groups: ["All"])
            let nowhere = ResourceRequest(name: "x", address: "10.8.0.0/16", groups: ["nowhere"])
            let router = RouterRequest(routers: .peer("nobody"), metric: 1, masquerade: true)
            let cases: [(words: String, body: () async throws -> Void)] = [
                ("already", { _ = try await administration.createNetwork(name: "office") }),
                ("already", { _ = try await administration.addResource(lan, toNetwork: "office") }),
                ("no network other", { _ = try await administration.addResource(lan, toNetwork: "other") }),
                ("overlaps", { _ = try await administration.addResource(overlapping, toNetwork: "office") }),
                ("no group nowhere", { _ = try await administration.addResource(nowhere, toNetwork: "office") }),
                ("no host nobody", { _ = try await administration.addRouter(router, toNetwork: "office") }),
                ("nobody", { _ = try await administration.removeRouter("nobody", fromNetwork: "office") }),
                ("resource lan of network office", { _ = try await administration.deleteGroup("lans") }),
            ]
            for (words, body) in cases {
                let refusal = try await refusal(body)
                #expect(refusal.contains(words))
                #expect(try await store.directory() == before, "\(refusal)")
            }
            #expect(before.groups.values.map(\.resources.count).sorted() == [0, 1])
            _ = try await administration.deleteNetwork("office")
            #expect(try await store.directory().networks.isEmpty)
            _ = try await administration.deleteGroup("lans")
        }
    }

    @Test(arguments: [
        ("10.1.0.5", "10.1.0.5/32"), ("2001:db8::5", "2001:db8::5/128"), ("10.1.0.0/16", "10.1.0.0/16"),
        ("DB.example", "db.example"), ("*.example.org", "*.example.org"),
    ])
    func `an address is a host, a subnet or a domain`(text: String, address: String) throws {
        #expect(try resourceAddress(text) == address)
    }

    @Test(arguments: ["", "10.1.0.5/16", "0.0.0.0/0", "127.0.0.1", "a b", "*", "10.1.0.0/40"])
    func `anything else is no address`(text: String) {
        #expect(throws: RouteTextError.self) { try resourceAddress(text) }
    }
}
