import GRPCCore
import MeshModel
import MeshProto
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SyncTests {
    @Test func `the first message is complete, the next ones leave the services alone`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let peer = try await mesh.join("a", setupKey: key)
            try await mesh.following(peer) { stream in
                let first = try await stream.response()
                #expect(first.netbirdConfig.signal.uri == mesh.endpoint.description)
                #expect(first.hasPeerConfig && first.networkMap.hasPeerConfig)
                #expect(first.networkMap.remotePeersIsEmpty && first.networkMap.firewallRulesIsEmpty)
                #expect(first.networkMap.routesFirewallRulesIsEmpty)
                _ = try await mesh.join("b", setupKey: key)
                let second = try await stream.response()
                #expect(!second.hasNetbirdConfig)
                #expect(second.networkMap.remotePeers.map(\.fqdn) == ["b.netbird.selfhosted"])
            }
        }
    }

    @Test func `every other peer learns within a second who joins and who leaves`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let (a, b) = (try await mesh.join("a", setupKey: key), try await mesh.join("b", setupKey: key))
            try await mesh.following(a) { streamA in
                try await mesh.following(b) { streamB in
                    let (firstA, firstB) = (try await streamA.map().map, try await streamB.map().map)
                    #expect(firstA.peers.map(\.publicKey) == [b.publicKey])
                    #expect(firstB.peers.map(\.publicKey) == [a.publicKey])

                    let c = try await mesh.join("c", setupKey: key)
                    let (joinA, joinB) = (try await streamA.map(), try await streamB.map())
                    #expect(joinA.waited + joinB.waited < .seconds(1))
                    #expect(Set(joinA.map.peers.map(\.publicKey)) == [b.publicKey, c.publicKey])
                    #expect(Set(joinB.map.peers.map(\.publicKey)) == [a.publicKey, c.publicKey])
                    #expect(joinA.map.serial > firstA.serial && joinB.map.serial > firstB.serial)

                    try await mesh.logout(c)
                    let (leaveA, leaveB) = (try await streamA.map(), try await streamB.map())
                    #expect(leaveA.waited + leaveB.waited < .seconds(1))
                    #expect(leaveA.map.peers == firstA.peers && leaveB.map.peers == firstB.peers)
                    #expect(leaveA.map.serial > joinA.map.serial && leaveB.map.serial > joinB.map.serial)
                }
            }
        }
    }

    @Test func `a deleted peer is told, and its stream ends`() async throws {
        try await TestMesh.serve { mesh in
            let peer = try await mesh.join("a", setupKey: try await mesh.setupKey())
            try await mesh.following(peer) { stream in
                let first = try await stream.map().map
                // From a database connection of its own, as the command in another process has it.
                let start = ContinuousClock.now
                #expect(try await mesh.administration.deletePeer("a").publicKey == peer.publicKey.base64)
                let notice = try await stream.response()
                #expect(ContinuousClock.now - start < .seconds(1))
                #expect(!notice.hasPeerConfig && !notice.networkMap.hasPeerConfig && !notice.hasNetbirdConfig)
                #expect(notice.networkMap.remotePeersIsEmpty && notice.networkMap.serial > first.serial)
                #expect(try await stream.end() == nil)
            }
            let end = try await mesh.following(peer) { try await $0.end() }
            #expect(end == .permissionDenied)
        }
    }

    @Test func `a second stream of a peer ends only the older one`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let peer = try await mesh.join("a", setupKey: key)
            try await mesh.following(peer) { older in
                _ = try await older.map()
                try await mesh.following(peer) { newer in
                    _ = try await newer.map()
                    #expect(try await older.end() == nil)
                    _ = try await mesh.join("b", setupKey: key)
                    #expect(try await newer.map().map.peers.count == 1)
                    #expect(try await mesh.administration.peers().first { $0.name == "a" }?.isConnected == true)
                }
            }
        }
    }

    @Test func `the serial never goes back, restarts included`() async throws {
        try await withTemporaryFolder { folder in
            var serials: [UInt64] = []
            var peer: TestPeer?
            for round in 0..<3 {
                try await TestMesh.serve(folder) { mesh in
                    let key = try await mesh.setupKey()
                    let first: TestPeer
                    if let peer { first = peer } else { first = try await mesh.join("a", setupKey: key) }
                    peer = first
                    try await mesh.following(first) { stream in
                        serials.append(try await stream.map().map.serial)
                        _ = try await mesh.join("b\(round)", setupKey: key)
                        serials.append(try await stream.map().map.serial)
                    }
                }
            }
            #expect(serials == serials.sorted())
            #expect(serials.first == 1 && serials.last == 4)
        }
    }

    @Test func `SyncMeta reaches the maps of others, and an empty one changes nothing`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let a = try await mesh.join("a", setupKey: key)
            var b = try await mesh.join("b", setupKey: key)
            try await mesh.following(a) { stream in
                #expect(try await stream.map().map.peers.map(\.agentVersion) == [b.meta.agentVersion])
                var request = Management_SyncMetaRequest()
                request.meta = Management_PeerSystemMeta()
                _ = try await mesh.management.syncMeta(try await mesh.seal(request, by: b))
                b.meta.agentVersion = "0.61.0"
                request.meta = Management_PeerSystemMeta(b.meta)
                _ = try await mesh.management.syncMeta(try await mesh.seal(request, by: b))
                #expect(try await stream.map().map.peers.map(\.agentVersion) == ["0.61.0"])
            }
            let none = try await mesh.seal(Management_SyncMetaRequest(), by: b)
            try await expect(.failedPrecondition) { _ = try await mesh.management.syncMeta(none) }
        }
    }

    @Test func `a new domain reaches connected peers as new names`() async throws {
        try await withTemporaryFolder { folder in
            let peer = TestPeer(hostname: "a")
            try await TestMesh.serve(folder, domain: "one.example") { mesh in
                let grant = try await mesh.login(peer, setupKey: try await mesh.setupKey())
                #expect(grant.own.fqdn == "a.one.example")
            }
            try await TestMesh.serve(folder, domain: "two.example") { mesh in
                let grant = try await mesh.login(peer)
                #expect(grant.own.fqdn == "a.two.example")
            }
            try await TestMesh.serve(folder) { mesh in
                let grant = try await mesh.login(peer)
                #expect(grant.own.fqdn == "a.two.example")
            }
        }
    }
}
