import Foundation
import GRPCCore
import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

@testable import ControlPlane

/// Whatever a stranger sends, the server answers with a code and goes on.
@Suite(.timeLimit(.minutes(1)))
struct BadInputTests {
    @Test func `keys that are none and bodies that do not open are refused`() async throws {
        try await TestMesh.serve { mesh in
            let peer = TestPeer(hostname: "a")
            let good = try await mesh.seal(
                Management_LoginRequest(LoginAttempt(meta: peer.meta), publicKey: peer.publicKey),
                by: peer
            )
            var requests: [Management_EncryptedMessage] = []
            for key in [
                "", "AAAA", String(repeating: "A", count: 44), good.wgPubKey + "=",
                Base64.encode([UInt8](repeating: 0, count: 32)),
            ] {
                requests.append(good)
                requests[requests.count - 1].wgPubKey = key
            }
            for body in [Data(), Data(count: 39), Data(count: 40), good.body.dropLast(), good.body + Data([0])] {
                requests.append(good)
                requests[requests.count - 1].body = Data(body)
            }
            for request in requests {
                let codes = [
                    try await failure { _ = try await mesh.management.login(request) }.code,
                    try await failure { _ = try await mesh.management.logout(request) }.code,
                    try await failure { _ = try await mesh.management.syncMeta(request) }.code,
                    try await failure {
                        try await mesh.management.sync(request) { for try await _ in $0.messages {} }
                    }.code,
                ]
                #expect(codes == [RPCError.Code](repeating: .invalidArgument, count: 4))
            }
            _ = try await mesh.join("b", setupKey: try await mesh.setupKey())
        }
    }

    @Test func `a body sealed for an earlier start's key is refused, and a new key is told`() async throws {
        try await withTemporaryFolder { folder in
            let peer = TestPeer(hostname: "a")
            let stale = try await withStaleRequest(folder, peer)
            try await TestMesh.serve(folder) { mesh in
                let refusal = try await failure { _ = try await mesh.management.login(stale) }
                #expect(refusal == (.invalidArgument, "invalid request message"))
                _ = try await mesh.login(peer, setupKey: try await mesh.setupKey())
            }
        }
    }

    private func withStaleRequest(_ folder: String, _ peer: TestPeer) async throws -> Management_EncryptedMessage {
        var stale = Management_EncryptedMessage()
        try await TestMesh.serve(folder) { mesh in
            stale = try await mesh.seal(
                Management_LoginRequest(LoginAttempt(meta: peer.meta), publicKey: peer.publicKey),
                by: peer
            )
        }
        return stale
    }

    @Test func `damaged recordings of stock clients' logins end in an answer`() async throws {
        try await TestMesh.serve { mesh in
            let peer = TestPeer(hostname: "a")
            let recordings = try loginRecordings()
            try #require(recordings.count > 5)
            let box = try BoxKey(own: peer.privateKey, other: try await mesh.serverKey())
            var generator = SeededGenerator(state: 1)
            for _ in 0..<300 {
                var mutated = try #require(recordings.randomElement(using: &generator))
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    mutated[Int.random(in: mutated.indices, using: &generator)] = .random(
                        in: 0...255,
                        using: &generator
                    )
                }
                if Bool.random(using: &generator) {
                    mutated.removeLast(Int.random(in: mutated.indices, using: &generator))
                }
                let request = Management_EncryptedMessage.with { [mutated] in
                    $0.wgPubKey = peer.publicKey.base64
                    $0.body = Data(box.seal(mutated))
                }
                let code = try await failure { _ = try await mesh.management.login(request) }.code
                #expect([.invalidArgument, .failedPrecondition, .permissionDenied].contains(code))
            }
            _ = try await mesh.management.isHealthy(Management_Empty())
        }
    }

    /// Plaintexts of LoginRequests.
    private func loginRecordings() throws -> [[UInt8]] {
        let root = Fixtures.root + "/captures"
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root)
        return try paths.filter { $0.hasSuffix("management.LoginRequest.pb") }.sorted().map {
            try Fixtures.bytes(root + "/" + $0)
        }
    }

    @Test func `an oversized message ends its own call only`() async throws {
        try await TestMesh.serve { mesh in
            let peer = try await mesh.join("b", setupKey: try await mesh.setupKey())
            try await mesh.following(peer) { stream in
                _ = try await stream.map()
                let request = Management_EncryptedMessage.with {
                    $0.wgPubKey = TestPeer(hostname: "a").publicKey.base64
                    $0.body = Data(count: 5 << 20)
                }
                let code = try await failure { _ = try await mesh.management.login(request) }.code
                #expect(code == .unavailable)  // the transport resets the stream, and not the connection
                _ = try await mesh.join("c", setupKey: try await mesh.setupKey())
                #expect(try await stream.map().map.peers.count == 1)
            }
        }
    }

    @Test func `host names that cannot be shown are refused`() async throws {
        try await TestMesh.serve { mesh in
            let key = try await mesh.setupKey()
            for hostname in ["a\u{1b}[31m", String(repeating: "a", count: 300)] {
                let refusal = try await failure {
                    _ = try await mesh.login(TestPeer(hostname: hostname), setupKey: key)
                }
                #expect(refusal.code == .invalidArgument)
            }
        }
    }
}

/// SplitMix64: the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
