import Agent
import Foundation
import Glibc
import MeshModel
import Testing

@Suite struct StatusServerTests {
    @Test(arguments: StatusRequest.allCases)
    func `a request line is answered with status line and body`(request: StatusRequest) async throws {
        try await withServer { path in
            let reply = try await ask(path, request.rawValue + "\n")
            #expect(reply == "wgmesh/1 5\n\(request.rawValue)\n")
        }
    }

    @Test(arguments: ["bogus\n", "\n", "status text \n", "STATUS TEXT\n", "status json\r\n", "\u{0}\n"])
    func `an unknown request is refused and says what is known`(line: String) async throws {
        try await withServer { path in
            let reply = try await ask(path, line)
            #expect(reply.hasPrefix("wgmesh/1 2\nunknown request; known are \"status text\""))
        }
    }

    @Test func `an endless line is refused without being read to its end`() async throws {
        try await withServer { path in
            let reply = try await ask(path, String(repeating: "x", count: 4096))
            #expect(reply.hasPrefix("wgmesh/1 2\n"))
        }
    }

    @Test func `a request for routes reaches the agent with its names`() async throws {
        try await withServer { path in
            let reply = try await ask(path, "routes select json append a%20b c\n")
            #expect(reply.hasPrefix("wgmesh/1 5\n"))
            #expect(reply.contains("\"a b\", \"c\""))
        }
    }

    @Test func `only root and the group reach the socket, and it goes with the server`() async throws {
        try await withServer { path in
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o660)
        } afterwards: { path in
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test func `a socket file that a killed agent left is replaced, a living agent's is not`() async throws {
        try await withServer { path in
            let failure = await #expect(throws: AgentFailure.self) { _ = try await StatusServer.bind(path: path) }
            #expect(failure?.status == .alreadyRunning)
            let reply = try await ask(path, "up\n")
            #expect(reply == "wgmesh/1 5\nup\n")
        } before: { path in
            let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            #expect(withAddress(path) { bind(stale, $0, $1) } == 0)
            close(stale)
        }
    }

    private func withServer(
        _ body: (String) async throws -> Void,
        before: (String) throws -> Void = { _ in },
        afterwards: (String) throws -> Void = { _ in }
    ) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/agent.sock"
            try before(path)
            let server = try await StatusServer.bind(path: path)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await server.run(logger: Sample.quietLogger) { StatusResponse(.degraded, "\($0.text)\n") }
                }
                try await body(path)
                group.cancelAll()
            }
            try afterwards(path)
        }
    }
}

extension AgentRequest {
    fileprivate var text: String {
        switch self {
        case .status(let request): request.rawValue
        case .routes(let request): "\(request)"
        case .peer(let request): "\(request)"
        case .drain(let request): request.rawValue
        }
    }
}

/// Sends `text` and reads until the other side closes.
///
/// On a thread of its own: a call that blocks on one of Dispatch's would take it from Swift's tasks.
private func ask(_ path: String, _ text: String) async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try askBlocking(path, text) }) }
    }
}

private func askBlocking(_ path: String, _ text: String) throws -> String {
    let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    guard withAddress(path, { connect(client, $0, $1) }) == 0 else { throw TestFolderError(errno: errno) }
    let bytes = Array(text.utf8)
    _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    var reply: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = recv(client, &buffer, buffer.count, 0)
        guard count > 0 else { return String(decoding: reply, as: UTF8.self) }
        reply += buffer.prefix(count)
    }
}

private func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
