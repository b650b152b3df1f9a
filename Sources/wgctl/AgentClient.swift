import Glibc
import MeshModel

/// Asks the agent on its unix socket.
struct AgentClient {
    let path: String

    /// Asks and prints the answer.
    ///
    /// - Parameter request: one line, without its newline.
    /// - Returns: the exit status that the agent chose.
    /// - Throws: `CommandFailure` (`daemonUnreachable`) if nobody answers.
    func run(_ request: String) throws(CommandFailure) -> Int32 {
        guard let reply = try ask(request) else { throw unreachable() }
        return finish(reply)
    }

    /// Prints the answer; its status is the result.
    func finish(_ reply: AgentReply) -> Int32 {
        let isWritten = writeAll(reply.body, to: reply.isAnswer ? STDOUT_FILENO : STDERR_FILENO) == 0
        return isWritten ? Int32(reply.status) : ExitStatus.failure.rawValue
    }

    /// - Returns: `nil` if there is no agent: the socket is not there, or nobody listens on it.
    func ask(_ request: String) throws(CommandFailure) -> AgentReply? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("cannot make a socket", errno) }
        defer { close(descriptor) }
        guard try connect(descriptor) else { return nil }
        try send(Array((request + "\n").utf8), on: descriptor)
        let bytes = try receiveAll(from: descriptor)
        guard let reply = AgentReply(bytes) else {
            throw CommandFailure(
                .daemonUnreachable,
                "what answers on \(path) is not an agent of this version; restart wgmesh-agent"
            )
        }
        return reply
    }

    func unreachable() -> CommandFailure {
        CommandFailure(
            .daemonUnreachable,
            "no agent answers on \(path); start it with `systemctl start wgmesh-agent` or `wgmesh-agent run`"
        )
    }

    private func connect(_ descriptor: Int32) throws(CommandFailure) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        let name = Array(path.utf8)
        guard name.count < capacity, !name.contains(0) else {
            throw CommandFailure(.usage, "the path of a socket has at most \(capacity - 1) bytes: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return true }
        switch errno {
        case ENOENT, ECONNREFUSED, ENOTDIR: return false
        case EACCES, EPERM:
            throw CommandFailure(
                .notPrivileged,
                "\(path) is open to root and the group wgmesh only; run it with sudo"
            )
        default: throw failure("cannot connect to \(path)", errno)
        }
    }

    private func send(_ bytes: [UInt8], on descriptor: Int32) throws(CommandFailure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw failure("cannot ask the agent on \(path)", errno)
            }
        }
    }

    private func receiveAll(from descriptor: Int32) throws(CommandFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&readiness, 1, Self.silenceLimitMilliseconds)
            if ready == 0 {
                throw CommandFailure(.daemonUnreachable, "the agent on \(path) does not answer; see its log")
            }
            let count = ready < 0 ? -1 : read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("cannot read the answer on \(path)", errno)
            }
            bytes += buffer[..<count]
            guard bytes.count <= Self.replyLimitBytes else {
                throw CommandFailure(.failure, "the answer on \(path) has more than \(Self.replyLimitBytes) bytes")
            }
        }
    }

    private func failure(_ what: String, _ code: Int32) -> CommandFailure {
        CommandFailure(.failure, "\(what): \(String(cString: strerror(code)))")
    }

    /// `up` waits for the kernel and `down` for the server's farewell; neither is silent for so long.
    private static let silenceLimitMilliseconds: Int32 = 30_000
    /// A status of 10,000 peers is about 5 MiB.
    private static let replyLimitBytes = 16 << 20
}
