import MeshModel
import MeshProto
import RelayWire
import Testing

@testable import ControlPlane

/// What the one TCP port does beside gRPC.
@Suite(.timeLimit(.minutes(1)))
struct PortTests {
    @Test func `the first bytes tell gRPC from the rest`() {
        #expect(FirstBytes.greeting(of: Array("PRI * HTTP/2.0".utf8)) == .http2)
        #expect(FirstBytes.greeting(of: Array("PR".utf8)) == nil)
        #expect(FirstBytes.greeting(of: []) == nil)
        #expect(FirstBytes.greeting(of: Array("PUT / HTTP/1.1".utf8)) == .http1)
        #expect(FirstBytes.greeting(of: Array("P".utf8)) == nil)
        #expect(FirstBytes.greeting(of: [0]) == .http1)
    }

    @Test(arguments: [
        ("GET /health", "200 OK", #"{"status":"ok"}"#), ("GET /ready?x", "200 OK", #"{"status":"ok"}"#),
        ("POST /health", "405 Method Not Allowed", #"{"code":405,"message":"use GET"}"#),
        ("GET /", "404 Not Found", #"{"code":404,"message":"nothing is at /"}"#),
        ("GET /relay/", "404 Not Found", #"{"code":404,"message":"nothing is at /relay/"}"#),
        (
            "GET /relay", "426 Upgrade Required",
            #"{"code":426,"message":"this is for WebSocket connections of relayed peers"}"#
        ),
    ])
    func `plain requests get answers in JSON`(request: String, status: String, body: String) async throws {
        try await TestMesh.serve { mesh in
            try await TestSocket.connect(to: mesh.endpoint) { socket in
                // Twice: the connection stays.
                for _ in 0..<2 {
                    try await socket.send("\(request) HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
                    let head = try await socket.text(upTo: "\r\n\r\n")
                    #expect(head.hasPrefix("HTTP/1.1 \(status)\r\n"))
                    #expect(head.contains("content-type: application/json\r\n"))
                    #expect(try await socket.text(upTo: "}") == body)
                }
            }
        }
    }

    @Test func `an upgrade elsewhere is a request like any other`() async throws {
        try await TestMesh.serve { mesh in
            for path in ["/relay/", "/", "/Relay"] {
                try await TestSocket.connect(to: mesh.endpoint) { socket in
                    try await socket.send(TestSocket.upgradeRequest(path: path))
                    #expect(try await socket.text(upTo: "\r\n").hasPrefix("HTTP/1.1 404 "))
                }
            }
        }
    }

    @Test func `what is no HTTP, or too much of it, is refused and ended`() async throws {
        try await TestMesh.serve { mesh in
            for (request, answer) in [
                ("\u{0}\u{1}\u{2}\r\n\r\n", "HTTP/1.1 400 "), ("GET nowhere\r\n\r\n", "HTTP/1.1 400 "),
                ("GET / HTTP/1.1\r\nx: \(String(repeating: "y", count: 20_000))\r\n\r\n", "HTTP/1.1 4"),
                (
                    "GET / HTTP/1.1\r\n\((0..<200).map { "x\($0): y\r\n" }.joined())\r\n", "HTTP/1.1 4"
                ),
                ("POST / HTTP/1.1\r\ncontent-length: 2000000\r\n\r\n", ""),
            ] {
                try await TestSocket.connect(to: mesh.endpoint) { socket in
                    try await socket.send(request)
                    if answer.isEmpty {
                        try await socket.send([UInt8](repeating: 0x61, count: 2_000_000))
                        #expect(try await socket.text(upTo: "\r\n").hasPrefix("HTTP/1.1 413 "))
                    }
                    let rest = String(decoding: try await socket.rest(), as: UTF8.self)
                    #expect(rest.hasPrefix(answer), "\(request.prefix(20)): \(rest.prefix(100))")
                }
            }
            // And the server goes on.
            _ = try await mesh.management.isHealthy(.init())
        }
    }

    @Test(arguments: ["", "P", "GET /health HTTP/1.1\r\nhost: x\r\n"])
    func `a client that does not come to the point is cut off after five seconds`(start: String) async throws {
        try await TestMesh.serve { mesh in
            let clock = ContinuousClock()
            let begin = clock.now
            try await TestSocket.connect(to: mesh.endpoint) { socket in
                try await socket.send(start)
                #expect(try await socket.rest() == [])
            }
            #expect(clock.now - begin > .seconds(4) && clock.now - begin < .seconds(20))
        }
    }
}
