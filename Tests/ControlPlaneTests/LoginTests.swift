import GRPCCore
import MeshModel
import MeshProto
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct LoginTests {
    @Test func `a new peer registers with a setup key and learns its place`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            let grant = try await mesh.login(TestPeer(hostname: "Web-1.example"), setupKey: key.lowercased())
            #expect(grant.own.fqdn == "web-1.netbird.selfhosted")
            #expect(grant.own.address.length == 16)
            let range = try #require(IPPrefix("100.64.0.0/10"))
            #expect(range.contains(grant.own.address.address))
            #expect(grant.own.addressV6?.length == 64)
            #expect(grant.services.signal?.address.description == mesh.endpoint.description)
            #expect(grant.services.signal?.usesTLS == false)
            #expect(grant.services.relay?.urls == ["rel://\(mesh.endpoint)"])
            #expect(grant.services.stunServers.isEmpty)
            #expect(grant.skipped.isEmpty)
        }
    }

    @Test func `each peer gets addresses and a name of its own`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            var addresses: Set<IPAddress> = []
            var names: Set<String> = []
            for _ in 0..<20 {
                let own = try await mesh.login(TestPeer(hostname: "web"), setupKey: key).own
                addresses.insert(own.address.address)
                addresses.formUnion([try #require(own.addressV6).address])
                names.insert(own.fqdn)
            }
            #expect(addresses.count == 40)
            #expect(names.count == 20)
        }
    }

    @Test func `an unknown peer without a key is told to register`() async throws {
        try await TestMesh.serve { mesh in
            let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: "a")) }
            #expect(refusal.code == .permissionDenied)
            #expect(refusal.message.contains("no peer auth method provided"))
        }
    }

    @Test func `a known peer needs no key and keeps its place`() async throws {
        try await TestMesh.serve { mesh in
            var peer = TestPeer(hostname: "first")
            let first = try await mesh.login(peer, setupKey: try await mesh.setupKey())
            peer.meta.hostname = "second"
            #expect(try await mesh.login(peer).own == first.own)
            // A known peer's key is ignored, even a wrong one.
            #expect(try await mesh.login(peer, setupKey: "wrong").own == first.own)
        }
    }

    @Test(arguments: ["wrong", "00000000-0000-0000-0000-000000000000"])
    func `a wrong key fails at once`(key: String) async throws {
        try await TestMesh.serve { mesh in
            let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: "a"), setupKey: key) }
            #expect(refusal == (.invalidArgument, "couldn't add peer: setup key is invalid"))
        }
    }

    @Test func `a revoked key admits nobody, but who has joined stays`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey(name: "office")
            let peer = try await mesh.join("a", setupKey: key)
            #expect(try await mesh.administration.revokeSetupKey("office").state == "revoked")
            let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: "b"), setupKey: key) }
            #expect(refusal.code == .invalidArgument)
            _ = try await mesh.login(peer)
        }
    }

    @Test func `a key admits as many peers as its limit says`() async throws {
        try await TestMesh.serve { mesh in
            for (key, limit) in [
                (try await mesh.setupKey(isOneOff: true), 1), (try await mesh.setupKey(usageLimit: 2), 2),
            ] {
                for _ in 0..<limit { _ = try await mesh.join("a", setupKey: key) }
                let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: "b"), setupKey: key) }
                #expect(refusal.code == .invalidArgument)
            }
            #expect(try await mesh.administration.setupKeys().map(\.state) == ["used up", "used up"])
        }
    }

    @Test func `an expired key admits nobody`() async throws {
        try await TestMesh.serve { mesh in
            let yesterday = try Administration(dataDirectory: mesh.folder, now: { secondsSince1970() - 86_400 })
            let key = try await yesterday.createSetupKey(
                .init(name: "a", isOneOff: false, lifetime: .seconds(3600), usageLimit: 0, isEphemeral: false)
            ).key
            let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: "a"), setupKey: key) }
            #expect(refusal.code == .invalidArgument)
            #expect(try await mesh.administration.setupKeys().map(\.state) == ["expired"])
        }
    }

    @Test func `a refused registration leaves nothing behind`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey(isOneOff: true)
            // No host name gives no DNS label.
            let refusal = try await failure { _ = try await mesh.login(TestPeer(hostname: ""), setupKey: key) }
            #expect(refusal.code == .internalError)
            #expect(try await mesh.administration.setupKeys().map(\.usedTimes) == [0])
            #expect(try await mesh.administration.peers().isEmpty)
        }
    }

    @Test func `meta is required, and extra labels are refused`() async throws {
        try await TestMesh.serve { mesh in
            let peer = TestPeer(hostname: "a")
            let bare = try await mesh.seal(Management_LoginRequest(), by: peer)
            try await expect(.failedPrecondition) { _ = try await mesh.management.login(bare) }
            let key = try await mesh.setupKey()
            let refusal = try await failure { _ = try await mesh.login(peer, setupKey: key, extraLabels: ["www"]) }
            #expect(refusal.code == .failedPrecondition)
        }
    }

    @Test func `a token instead of a key is refused, as there is no single sign-on`() async throws {
        try await TestMesh.serve { mesh in
            let peer = TestPeer(hostname: "a")
            let attempt = LoginAttempt(token: "e30.e30.", meta: peer.meta)
            let request = try await mesh.seal(
                Management_LoginRequest(attempt, publicKey: peer.publicKey),
                by: peer
            )
            try await expect(.invalidArgument) { _ = try await mesh.management.login(request) }
        }
    }

    @Test func `services that do not exist say so with the codes that clients know`() async throws {
        try await TestMesh.serve { mesh in
            let request = try await mesh.seal(Management_Empty(), by: TestPeer(hostname: "a"))
            let codes = [
                try await failure { _ = try await mesh.management.getDeviceAuthorizationFlow(request) }.code,
                try await failure { _ = try await mesh.management.getPKCEAuthorizationFlow(request) }.code,
                try await failure { _ = try await mesh.management.extendAuthSession(request) }.code,
                try await failure { _ = try await mesh.management.createExpose(request) }.code,
                try await failure {
                    try await mesh.management.job { writer in
                        try await writer.write(request)
                    } onResponse: { response in
                        for try await _ in response.messages {}
                    }
                }.code,
            ]
            #expect(codes == [.notFound, .notFound, .failedPrecondition, .unimplemented, .unimplemented])
            _ = try await mesh.management.isHealthy(Management_Empty())
        }
    }

    @Test func `logout deletes the peer, once`() async throws {
        try await TestMesh.serve { mesh in
            let peer = try await mesh.join("a", setupKey: try await mesh.setupKey())
            try await mesh.logout(peer)
            #expect(try await mesh.administration.peers().isEmpty)
            try await expect(.notFound) { try await mesh.logout(peer) }
            try await expect(.permissionDenied) { _ = try await mesh.login(peer) }
        }
    }
}
