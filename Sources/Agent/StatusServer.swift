import CNetlink
import Glibc
package import Logging
import MeshModel
import NIOCore
import NIOPosix

/// The agent's unix socket: one `AgentRequest` line in, one `StatusResponse` out, then the connection ends.
///
/// Mode 0660, group `wgmesh` where that exists: reading is the group's, changing is root's (`SO_PEERCRED`).
package struct StatusServer: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let path: String
    private let listener: NIOAsyncChannel<Connection, Never>

    /// How long a client may take to send its line: it is a local program, not a person typing.
    private static let requestTimeout = TimeAmount.seconds(5)
    /// Enough for every tool that polls; more would be a fault that must not cost the agent its file descriptors.
    private static let maximumConnections = 32
    private static let groupName = "wgmesh"

    /// Listens on `path`, whose folder is made if it is missing. A socket file that nobody listens on is replaced.
    ///
    /// - Throws: `AgentFailure` with `.alreadyRunning` if another agent answers there, `.failure` if it cannot be made.
    package static func bind(path: String) async throws(AgentFailure) -> StatusServer {
        try makeFolder(of: path)
        if await isAnswered(path) {
            throw AgentFailure(
                .alreadyRunning,
                "another agent answers on \(path); stop it first, or choose another --socket"
            )
        }
        do {
            let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let configuration = Connection.Configuration(isOutboundHalfClosureEnabled: true)
                        return try Connection(wrappingChannelSynchronously: channel, configuration: configuration)
                    }
                }
            // Until here the umask decides; a connection needs write permission, which others never get.
            guard chmod(path, 0o660) == 0 else {
                throw AgentFailure(.failure, "cannot set the mode of \(path): \(errorText(errno))")
            }
            giveToGroup(path)
            return StatusServer(path: path, listener: listener)
        } catch let failure as AgentFailure {
            throw failure
        } catch {
            throw AgentFailure(.failure, "cannot listen on \(path): \(error); choose another --socket")
        }
    }

    /// Answers until the surrounding task is cancelled; then the socket file goes.
    package func run(
        logger: Logger,
        answer: @escaping @Sendable (_ request: AgentRequest) async -> StatusResponse
    ) async {
        defer { unlink(path) }
        do {
            try await listener.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    let slots = Slots(count: Self.maximumConnections)
                    for try await connection in connections {
                        guard await slots.take() else {
                            connection.channel.close(promise: nil)
                            continue
                        }
                        group.addTask {
                            await serve(connection, logger: logger, answer: answer)
                            await slots.giveBack()
                        }
                    }
                }
            }
        } catch is CancellationError {
            // The agent ends.
        } catch {
            logger.error("status socket failed", metadata: ["reason": "\(error)"])
        }
    }

    private func serve(
        _ connection: Connection,
        logger: Logger,
        answer: @Sendable (_ request: AgentRequest) async -> StatusResponse
    ) async {
        let channel = connection.channel
        let timeout = channel.eventLoop.scheduleTask(in: Self.requestTimeout) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        do {
            let isRoot = try await Self.isRoot(channel)
            try await connection.executeThenClose { inbound, outbound in
                guard let line = try await Self.readLine(inbound) else { return }
                timeout.cancel()
                let response = await respond(to: line, isRoot: isRoot, answer: answer)
                try await outbound.write(ByteBuffer(string: response.text))
                outbound.finish()
            }
        } catch {
            logger.debug("status client left", metadata: ["reason": "\(error)"])
        }
    }

    private func respond(
        to line: [UInt8],
        isRoot: Bool,
        answer: @Sendable (_ request: AgentRequest) async -> StatusResponse
    ) async -> StatusResponse {
        guard let request = AgentRequest(line: line) else {
            let known =
                StatusRequest.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
                + ", \"routes ...\", \"exit ...\", \"peer ...\", \"drain text\", \"undrain text\""
            return StatusResponse(.usage, "unknown request; known are \(known)\n")
        }
        guard isRoot || !request.needsRoot else {
            let text = String(decoding: line, as: UTF8.self)
            return StatusResponse(.notPrivileged, "\"\(text)\" is root's alone; run it with sudo\n")
        }
        return await answer(request)
    }

    /// - Returns: the first line without its newline; `nil` if the client left before one was complete. A line that is
    ///   too long comes back cut, and is no request.
    private static func readLine(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> [UInt8]? {
        var line: [UInt8] = []
        for try await buffer in inbound {
            line += buffer.readableBytesView
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) { return Array(line[..<end]) }
            if line.count >= AgentRequest.maximumLineBytes { return line }
        }
        return nil
    }

    private static func isRoot(_ channel: any Channel) async throws -> Bool {
        guard let provider = channel as? any SocketOptionProvider else { return false }
        let credentials: CNetlink_credentials = try await provider.unsafeGetSocketOption(
            level: .socket,
            name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        return credentials.uid == 0
    }

    private static func isAnswered(_ path: String) async -> Bool {
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.seconds(2))
                .connect(unixDomainSocketPath: path).get()
            channel.close(promise: nil)
            return true
        } catch {
            return false  // no such file, or a file that an agent left when it was killed
        }
    }

    private static func makeFolder(of path: String) throws(AgentFailure) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        // One level: /run is the system's, /run/wgmesh is ours.
        if mkdir(folder, 0o755) != 0, errno != EEXIST {
            throw AgentFailure(.failure, "cannot make \(folder): \(errorText(errno)); choose another --socket")
        }
    }

    /// Without the group only root can ask, which is the safe side.
    private static func giveToGroup(_ path: String) {
        guard let group = getgrnam(groupName) else { return }
        _ = chown(path, uid_t.max, group.pointee.gr_gid)
    }
}

/// A count of free places.
private actor Slots {
    private var free: Int

    init(count: Int) { free = count }

    func take() -> Bool {
        guard free > 0 else { return false }
        free -= 1
        return true
    }

    func giveBack() { free += 1 }
}
