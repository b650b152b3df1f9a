import Dispatch
import Glibc
import MeshModel
import Testing

@testable import wgctl

struct AgentClientTests {
    @Test func `the request goes out as one line, the answer comes back whole`() async throws {
        let body = String(repeating: "0123456789\n", count: 100_000)
        let agent = try FakeAgent(answer: "wgmesh/1 0\n" + body)
        let reply = try AgentClient(path: agent.path).ask("status json")
        #expect(reply?.status == 0)
        #expect(reply?.body == Array(body.utf8))
        #expect(await agent.requests.first { _ in true } == "status json\n")
    }

    @Test func `no socket and a socket without a listener both mean that no agent runs`() throws {
        let agent = try FakeAgent(answer: nil)
        #expect(try AgentClient(path: agent.path).ask("down") == nil)
        #expect(try AgentClient(path: agent.path + ".missing").ask("down") == nil)
        let error = #expect(throws: CommandFailure.self) { try AgentClient(path: agent.path).run("up") }
        #expect(error?.status == .daemonUnreachable)
        #expect(error?.description.contains("wgmesh-agent run") == true)
    }

    @Test func `an answer of another program is said to be that`() throws {
        let agent = try FakeAgent(answer: "HTTP/1.1 400 Bad Request\r\n\r\n")
        let error = #expect(throws: CommandFailure.self) { try AgentClient(path: agent.path).ask("up") }
        #expect(error?.status == .daemonUnreachable)
    }

    @Test func `an answer without end is cut off`() throws {
        let agent = try FakeAgent(answer: "wgmesh/1 0\n" + String(repeating: "x", count: 17 << 20))
        let error = #expect(throws: CommandFailure.self) { try AgentClient(path: agent.path).ask("status text") }
        #expect(error?.description.contains("more than 16777216 bytes") == true)
    }

    @Test func `a path that no socket can have is a usage error`() {
        let path = "/run/" + String(repeating: "x", count: 200)
        let error = #expect(throws: CommandFailure.self) { try AgentClient(path: path).ask("up") }
        #expect(error?.status == .usage)
    }

    @Test func `the instance chooses the socket`() throws {
        #expect(try options([]).socketPath == "/run/wgmesh/agent.sock")
        #expect(try options(["--instance", "office"]).socketPath == "/run/wgmesh/office.sock")
        #expect(try options(["--instance", "office", "--socket", "/x"]).socketPath == "/x")
        for name in ["", "..", "a/b", "a b", String(repeating: "x", count: 65)] {
            let error = #expect(throws: CommandFailure.self) { try options(["--instance", name]) }
            #expect(error?.status == .usage)
        }
    }

    private func options(_ arguments: [String]) throws -> AgentOptions {
        var invocation = Invocation(program: "wgctl", verb: "status", arguments: arguments)
        return try AgentOptions(&invocation)
    }
}

/// Accepts one connection, reads one line, answers and closes; or, without an answer, only leaves its socket file behind.
private struct FakeAgent {
    let path: String
    /// The line it got.
    let requests: AsyncStream<String>

    init(answer: String?) throws {
        path = "/tmp/wgctl-test-\(UInt64.random(in: 0 ... .max)).sock"
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        requests = stream
        let listener = try bound(to: path)
        guard let answer else {
            close(listener)
            return
        }
        try #require(listen(listener, 1) == 0)
        DispatchQueue.global().async { [path] in
            defer { unlink(path) }
            let connection = accept(listener, nil, nil)
            var line = [UInt8](repeating: 0, count: 256)
            let count = read(connection, &line, line.count)
            continuation.yield(String(decoding: line.prefix(max(count, 0)), as: UTF8.self))
            let bytes = Array(answer.utf8)
            var sent = 0
            while sent < bytes.count {
                // The client leaves early when the answer is too long; that is no signal to die of.
                let part = bytes[sent...].withUnsafeBytes {
                    send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if part <= 0 { break }
                sent += part
            }
            close(connection)
            close(listener)
        }
    }
}

private func bound(to path: String) throws -> Int32 {
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
    }
    try #require(result == 0, "bind \(path): errno \(errno)")
    return listener
}
