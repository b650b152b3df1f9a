import Foundation
import MeshModel
import MeshProto
import NIOHTTP1
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct PeersAPITests {
    @Test func `peers are listed, filtered and shown`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            #expect(await api.get("/api/peers").text == "[]")
            let key = try await mesh.setupKey()
            for name in ["web-1", "web-2", "db"] { _ = try await mesh.join(name, setupKey: key) }
            let peers = await api.get("/api/peers").list
            #expect(peers.map { $0["name"] as? String } == ["web-1", "web-2", "db"])
            #expect(await api.get("/api/peers?name=web").list.count == 2)
            let address = try #require(peers[2]["ip"] as? String)
            #expect(await api.get("/api/peers?ip=\(address)").list.contains { $0["name"] as? String == "db" })
            #expect(await api.get("/api/peers?ip=nowhere").text == "[]")
            let id = try #require(peers[0]["id"] as? String)
            let peer = await api.get("/api/peers/\(id)")
            #expect(peer["dns_label"] == "web-1.netbird.selfhosted" && peer["hostname"] == "web-1")
            #expect(peer.bool("connected") == false && peer.bool("ssh_enabled") == false)
            #expect(peer.objects("groups")?.map { $0["name"] as? String } == ["All"])
            #expect(peer.objects("groups")?.map { $0["peers_count"] as? Int } == [3])
            #expect(peer["ipv6"].hasPrefix("fd") && peer["last_login"] == APITime.never)
            let reachable = await api.get("/api/peers/\(id)/accessible-peers").list.compactMap { $0["name"] as? String }
            #expect(reachable == ["web-2", "db"])
        }
    }

    @Test func `a new name, address or SSH is in the others' maps`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let (a, b) = (try await mesh.join("a", setupKey: key), try await mesh.join("b", setupKey: key))
            let id = try #require(await api.get("/api/peers?name=a").list[0]["id"] as? String)
            let path = "/api/peers/\(id)"
            try await mesh.following(b) { stream in
                #expect(try await stream.map().map.peers.map(\.fqdn) == ["a.netbird.selfhosted"])
                let old = try #require(IPPrefix(await api.get(path)["ip"] + "/16"))
                let renamed = await api.put(path, #"{"name":"Web 1"}"#)
                #expect(renamed["name"] == "Web 1" && renamed["dns_label"] == "web-1.netbird.selfhosted")
                #expect(try await stream.map().map.peers.map(\.fqdn) == ["web-1.netbird.selfhosted"])
                let free = old.network.address.bytes.dropLast(2).map { "\($0)" }.joined(separator: ".") + ".200.7"
                let moved = await api.put(path, #"{"ip":"\#(free)","ssh_enabled":true}"#)
                #expect(moved["ip"] == free && moved.bool("ssh_enabled") == true && moved["name"] == "Web 1")
                let peer = try #require(try await stream.map().map.peers.first)
                #expect(peer.publicKey == a.publicKey)
                #expect(peer.allowedIPs.contains { $0.description == free + "/32" })
                let events = try await api.events().suffix(3)
                #expect(events == ["peer.rename", "peer.ssh.enable", "peer.ip.update"])
                // What is as it was is no change.
                _ = await api.put(path, #"{"name":"Web 1","ssh_enabled":true,"login_expiration_enabled":false}"#)
                #expect(try await api.events().last == "peer.ip.update")
            }
        }
    }

    @Test func `what a peer cannot be is refused`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            for name in ["a", "b"] { _ = try await mesh.join(name, setupKey: key) }
            let peers = await api.get("/api/peers").list
            let path = "/api/peers/\(try #require(peers[0]["id"] as? String))"
            let other = try #require(peers[1]["ip"] as? String)
            let own = try #require(IPPrefix("\(other)/16")?.network.address.description)
            for (body, status) in [
                (#"{"name":""}"#, UInt(422)), (#"{"name":".."}"#, 422), (#"{"ip":"\#(other)"}"#, 422),
                (#"{"ip":"10.0.0.1"}"#, 422), (#"{"ip":"x"}"#, 422), (#"{"ip":"\#(own)"}"#, 422),
                (#"{"ipv6":"fe80::1"}"#, 422), (#"{"login_expiration_enabled":true}"#, 412),
                (#"{"inactivity_expiration_enabled":true}"#, 412), (#"{"name":7}"#, 400),
            ] {
                #expect(await api.send(.PUT, path, body).status == status, "\(body)")
            }
            let before = peers[0]["ip"] as? String
            #expect(await api.get(path)["ip"] == before)
        }
    }

    @Test func `a deleted peer hears of it, and a router stays`() async throws {
        try await TestMesh.serve { mesh in
            let api = try await TestAPI(mesh)
            let key = try await mesh.setupKey()
            let a = try await mesh.join("a", setupKey: key)
            let id = try #require(await api.get("/api/peers").list[0]["id"] as? String)
            let administration = try mesh.administration
            let network = try await administration.createNetwork(name: "office")
            let request = RouterRequest(routers: .peer("a"), metric: 9, masquerade: true)
            _ = try await administration.addRouter(request, toNetwork: network.id)
            #expect(await api.send(.DELETE, "/api/peers/\(id)").status == 412)
            _ = try await administration.deleteNetwork(network.id)
            try await mesh.following(a) { stream in
                _ = try await stream.map()
                #expect(await api.get("/api/peers/\(id)").bool("connected") == true)
                await api.delete("/api/peers/\(id)")
                #expect(try await stream.response().networkMap.remotePeersIsEmpty)
                #expect(try await stream.end() == nil)
            }
            #expect(await api.send(.GET, "/api/peers/\(id)").message == "peer not found")
        }
    }
}
