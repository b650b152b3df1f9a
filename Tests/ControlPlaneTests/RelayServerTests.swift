import MeshModel
import NIOCore
import NIOPosix
import RelayWire
import Testing

@testable import ControlPlane

/// The relay on the one port of a running server, spoken to by a client of the tests' own.
@Suite(.timeLimit(.minutes(1)))
struct RelayServerTests {
    @Test func `two peers exchange packets of every size, and each hears of the other`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                try await a.send(.subscribe([testPeer("b")]))
                try await TestSocket.relay(at: endpoint, as: testPeer("b"), secret: secret) { b in
                    #expect(try await a.frame() == .peersOnline([testPeer("b")]))
                    for count in [0, 1, 86, 87, 88, 1400, RelayLimits.longestPayloadBytes] {
                        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                        try await a.send(.transport(testPeer("b"), payload: payload))
                        #expect(try await b.frame() == .transport(testPeer("a"), payload: payload))
                        try await b.send(.transport(testPeer("a"), payload: payload))
                        #expect(try await a.frame() == .transport(testPeer("b"), payload: payload))
                    }
                    try await a.send(.transport(testPeer("a"), payload: [1, 2]))
                    #expect(try await a.frame() == .transport(testPeer("a"), payload: [1, 2]))
                }
                #expect(try await a.frame() == .peersWentOffline([testPeer("b")]))
            }
        }
    }

    @Test func `packets for many peers in one write go each where it belongs, in order`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("b"), secret: secret) { b in
                try await TestSocket.relay(at: endpoint, as: testPeer("c"), secret: secret) { c in
                    try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                        var bytes: [UInt8] = []
                        for index in 0..<200 {
                            let name = ["b", "b", "c", "nobody", "b", "c"][index % 6]
                            let frame = RelayFrame.transport(testPeer(name), payload: [UInt8(index)])
                            bytes += TestSocket.masked(frame.encode())
                        }
                        // Cut where it hurts: headers and ids arrive in parts.
                        for start in stride(from: 0, to: bytes.count, by: 701) {
                            try await a.send(Array(bytes[start..<min(start + 701, bytes.count)]))
                        }
                        for index in 0..<200 {
                            let payload = [UInt8(index)]
                            switch index % 6 {
                            case 3: continue
                            case 2, 5: #expect(try await c.frame() == .transport(testPeer("a"), payload: payload))
                            default: #expect(try await b.frame() == .transport(testPeer("a"), payload: payload))
                            }
                        }
                    }
                }
            }
        }
    }

    @Test func `a second connection of a peer takes over, and the first ends without a word`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                try await TestSocket.relay(at: endpoint, as: testPeer("b"), secret: secret) { first in
                    try await a.send(.subscribe([testPeer("b")]))
                    #expect(try await a.frame() == .peersOnline([testPeer("b")]))
                    try await TestSocket.relay(at: endpoint, as: testPeer("b"), secret: secret) { second in
                        #expect(try await first.rest() == [])
                        #expect(try await a.frame() == .peersOnline([testPeer("b")]))
                        try await a.send(.transport(testPeer("b"), payload: [7]))
                        #expect(try await second.frame() == .transport(testPeer("a"), payload: [7]))
                        try await second.send(.close)
                        #expect(try await second.rest() == [])
                    }
                    #expect(try await a.frame() == .peersWentOffline([testPeer("b")]))
                }
            }
        }
    }

    @Test func `whoever is not let in hears nothing`() async throws {
        try await serve { endpoint, secret in
            let peer = testPeer("a")
            let expired = secret.token(expirySeconds: secondsSince1970() - 1).wire
            let right = RelayFrame.auth(peer, token: secret.token(expirySeconds: secondsSince1970() + 60).wire).encode()
            var wrongMagic = right
            wrongMagic[2] = 0
            let probe = [1] + [UInt8](repeating: 0, count: 32) + Array("healthcheck".utf8)
            for bytes in [
                TestSocket.masked(RelayFrame.auth(peer, token: expired).encode()),
                TestSocket.masked(RelayFrame.auth(.healthProbe, token: probe).encode()),
                TestSocket.masked(RelayFrame.auth(peer, token: []).encode()), TestSocket.masked(wrongMagic),
                TestSocket.masked(RelayFrame.healthCheck.encode()), TestSocket.masked([1, 1]), TestSocket.masked([]),
                TestSocket.masked(RelayFrame.transport(peer, payload: []).encode()),
                TestSocket.masked(right + [UInt8](repeating: 0x30, count: 213 - right.count)),
                TestSocket.masked(right, first: 0x81), TestSocket.masked(right, first: 0x02),
                TestSocket.masked(right, first: 0xc2), [0x82, 0x02, 1, 5],
            ] {
                try await TestSocket.relay(at: endpoint) { socket in
                    try await socket.send(bytes)
                    #expect(try await socket.rest() == [])
                }
            }
        }
    }

    @Test(arguments: [
        [1, 7, 0x78], [2, 5], [1, 12], [1], [], [1, 10], [1, 11],
        [UInt8](repeating: 1, count: RelayLimits.longestMessageBytes + 1),
    ])
    func `messages that no client sends end the connection`(message: [UInt8]) async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                try await a.send(TestSocket.masked(message))
                #expect(try await a.rest() == [])
            }
        }
    }

    @Test func `what stock relays overlook is overlooked, and pings are answered`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                for message in [[1, 3], [1, 3, 4], [1, 8], [1, 9], [1, 8, 1], [1, 5]] as [[UInt8]] {
                    try await a.send(TestSocket.masked(message))
                }
                try await a.send(.auth(testPeer("b"), token: []))
                try await a.send(TestSocket.masked([1, 2, 3], first: 0x8a))
                try await a.send(TestSocket.masked(Array("here?".utf8), first: 0x89))
                let pong = try await a.webSocketFrame()
                #expect(pong.opcode == 10 && pong.payload == Array("here?".utf8))
                try await a.send(.subscribe([testPeer("a")]))
                #expect(try await a.frame() == .peersOnline([testPeer("a")]))
                try await a.send(TestSocket.masked([3, 232], first: 0x88))
                let close = try await a.webSocketFrame()
                #expect(close.opcode == 8 && close.payload == [3, 232])
            }
        }
    }

    @Test func `messages sent together with auth are read once it is answered`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint) { a in
                let token = secret.token(expirySeconds: secondsSince1970() + 60).wire
                let auth = TestSocket.masked(RelayFrame.auth(testPeer("a"), token: token).encode())
                let packet = TestSocket.masked(RelayFrame.transport(testPeer("a"), payload: [9]).encode())
                try await a.send(auth + packet)
                #expect(try await a.frame() == .authResponse(instanceURL: "rel://\(endpoint)"))
                #expect(try await a.frame() == .transport(testPeer("a"), payload: [9]))
            }
        }
    }

    /// It sends 40 MB to a receiver that reads nothing; all of it is read from the sender, and another receiver gets its
    /// packets meanwhile.
    @Test func `a receiver that reads nothing costs others nothing`() async throws {
        try await serve { endpoint, secret in
            try await TestSocket.relay(at: endpoint, as: testPeer("slow"), secret: secret) { _ in
                try await TestSocket.relay(at: endpoint, as: testPeer("b"), secret: secret) { b in
                    try await TestSocket.relay(at: endpoint, as: testPeer("a"), secret: secret) { a in
                        let packet = RelayFrame.transport(testPeer("slow"), payload: [UInt8](repeating: 1, count: 8000))
                        let block = (0..<10).flatMap { _ in TestSocket.masked(packet.encode()) }
                        for index in 0..<500 {
                            try await a.send(block)
                            if index % 50 == 0 {
                                try await a.send(.transport(testPeer("b"), payload: [UInt8(index / 50)]))
                                #expect(
                                    try await b.frame() == .transport(testPeer("a"), payload: [UInt8(index / 50)])
                                )
                            }
                        }
                    }
                }
            }
        }
    }

    /// A server with a relay, and the secret of it.
    private func serve(_ body: (Endpoint, RelaySecret) async throws -> Void) async throws {
        try await TestMesh.serve { mesh in
            try await body(mesh.endpoint, try DataDirectory(path: mesh.folder).relaySecret())
        }
    }
}
