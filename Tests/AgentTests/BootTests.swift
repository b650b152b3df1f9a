import Agent
import AgentCore
import GRPCCore
import Glibc
import MeshModel
import MeshProto
import NetlinkSocket
import Routing
import Synchronization
import TestSupport
import Testing

/// An agent's life from start to SIGTERM on a kernel in memory.
private struct AgentRun {
    let folder: String
    let server: ServerAddress
    var kernel = FakeKernel()
    var setupKey: String?

    /// Runs an agent on what the folder remembers until `isDone`, then ends it as SIGTERM does.
    ///
    /// - Returns: what ended it before; `nil`: nothing did.
    @discardableResult
    func run(until isDone: @escaping @Sendable (_ status: String) async -> Bool) async throws -> AgentFailure? {
        let state = try StateDirectory(path: folder)
        var configuration = try Sample.configuration(
            management: "\(server)",
            setupKey: setupKey,
            stateDirectory: folder,
            socketPath: folder + "/agent.sock"
        )
        configuration.marks.fwmark = 0  // marking is root's; the guest's stage `boot` has it
        let agent = Agent(
            configuration: configuration,
            identity: Sample.own,
            state: state,
            stored: StoredState(
                in: state,
                identity: Sample.own.publicKey,
                management: configuration.management,
                logger: Sample.quietLogger
            ),
            isEnabled: true,
            transport: kernel,
            logger: Sample.quietLogger,
            openSTUN: { (_, _, _) throws(STUNSocketError) in DeafPort() }
        )
        let statusServer = try await StatusServer.bind(path: configuration.socketPath)
        return try await withThrowingTaskGroup(of: AgentFailure?.self) { group in
            group.addTask {
                let (events, sink) = AsyncStream.makeStream(of: NetlinkMonitor.Event.self)
                defer { sink.finish() }
                do {
                    try await agent.run(kernelEvents: events, statusServer: statusServer)
                } catch let failure as AgentFailure {
                    return failure
                } catch is CancellationError {
                    // That is how it ends.
                }
                return nil
            }
            group.addTask {
                while await !isDone(await agent.statusText()) {
                    do { try await Task.sleep(for: .milliseconds(10)) } catch { break }  // the agent ended first
                }
                return nil
            }
            let failure = try await group.next() ?? nil
            group.cancelAll()
            while try await group.next() != nil {}
            return failure
        }
    }
}

private struct DeafPort: DatagramPort {
    func send(_ datagram: Datagram) {}
    func close() {}
}

private let peer = Sample.peer.publicKey
private let management = FakeManagement(sync: [FakeManagement.map(serial: 4, peers: [peer: "100.64.0.2/32"])])

/// An agent joins, has a handshake with its peer, and ends; then the server is gone.
private func joinOnce(_ folder: String, endpoint: Endpoint) async throws -> ServerAddress {
    let address = Mutex<ServerAddress?>(nil)  // the fake server's body returns nothing
    try await FakeControlPlane(management: management).run { server in
        address.withLock { $0 = server }
        let kernel = FakeKernel()
        try await AgentRun(folder: folder, server: server, kernel: kernel).run { status in
            guard status.contains("Map: fresh") else { return false }
            await kernel.roam("wgm0", peer: peer, to: endpoint)
            await kernel.completeHandshake("wgm0", peer: peer, atSeconds: 1_700_000_000)
            return access(folder + "/map", F_OK) == 0 && access(folder + "/hints", F_OK) == 0
        }
    }
    return try #require(address.withLock { $0 })
}

@Suite(.timeLimit(.minutes(2))) struct BootTests {
    private let endpoint = Endpoint("203.0.113.7:51820")

    @Test func `after a reboot without any server the tunnel is there, with the peers where they were`() async throws {
        try await withTemporaryFolder { folder in
            let server = try await joinOnce(folder, endpoint: try #require(endpoint))
            var status = stat()
            #expect(stat(folder + "/map", &status) == 0 && status.st_mode & 0o777 == 0o600)
            let kernel = FakeKernel()
            let shown = Mutex("")
            try await AgentRun(folder: folder, server: server, kernel: kernel).run { text in
                shown.withLock { $0 = text }
                return await kernel.wgText("wgm0").contains("endpoint: 203.0.113.7:51820")
                    && text.contains("Management: Disconnected")
            }
            #expect(shown.withLock { $0 }.contains("Map: stale since 2"))
            #expect(await kernel.ipText().contains("address 100.64.0.1/16 dev wgm0"))
            #expect(await kernel.wgText("wgm0").contains("allowed ips: 100.64.0.2/32"))
        }
    }

    @Test func `a restart leaves an endpoint alone that the kernel has roamed to`() async throws {
        try await withTemporaryFolder { folder in
            let server = try await joinOnce(folder, endpoint: try #require(endpoint))
            let kernel = FakeKernel()
            try await AgentRun(folder: folder, server: server, kernel: kernel).run { text in
                await kernel.wgText("wgm0").contains("endpoint: 203.0.113.7:51820")
            }
            let roamed = try #require(Endpoint("198.51.100.9:4242"))
            await kernel.roam("wgm0", peer: peer, to: roamed)
            let writes = await kernel.writes
            try await AgentRun(folder: folder, server: server, kernel: kernel).run { text in
                text.contains("Map: stale") && text.contains("WireGuard port: 51820")
            }
            #expect(await kernel.wgText("wgm0").contains("endpoint: 198.51.100.9:4242"))
            #expect(await kernel.writes == writes)
        }
    }

    @Test func `a server that refuses an agent with a stored map does not end it`() async throws {
        try await withTemporaryFolder { folder in
            let server = try await joinOnce(folder, endpoint: try #require(endpoint))
            var refusing = FakeManagement()
            refusing.login = { _ in throw RPCError(code: .permissionDenied, message: "no such peer") }
            try await FakeControlPlane(management: refusing, port: Int(server.port)).run { server in
                let kernel = FakeKernel()
                let failure = try await AgentRun(folder: folder, server: server, kernel: kernel).run { text in
                    text.contains("not logged in: this agent is not registered at") && text.contains("Map: stale")
                }
                #expect(failure == nil)
                #expect(await kernel.wgText("wgm0").contains("allowed ips: 100.64.0.2/32"))
            }
        }
    }

    @Test func `without a stored map a refused agent ends, as ever`() async throws {
        try await withTemporaryFolder { folder in
            var refusing = FakeManagement()
            refusing.login = { _ in throw RPCError(code: .permissionDenied, message: "no such peer") }
            try await FakeControlPlane(management: refusing).run { server in
                let failure = try await AgentRun(folder: folder, server: server).run { _ in false }
                #expect(failure?.status == .notLoggedIn)
            }
        }
    }

    @Test(arguments: ["map", "hints"])
    func `a damaged file is set aside, and the agent joins as without it`(name: String) throws {
        try withTemporaryFolder { folder in
            try StateDirectory(path: folder).write("wgmesh-\(name) 1 nonsense\n", to: name)
            let state = try StateDirectory(path: folder)
            let stored = load(state, Sample.own, "http://127.0.0.1:1")
            #expect(stored.map == nil && stored.hints.endpoints.isEmpty)
            #expect(try state.read(name) == nil)
            #expect(try state.read("\(name).set-aside") == "wgmesh-\(name) 1 nonsense\n")
        }
    }

    @Test func `what belongs to another identity or another server is set aside`() async throws {
        try await withTemporaryFolder { folder in
            let server = try await joinOnce(folder, endpoint: try #require(endpoint))
            let state = try StateDirectory(path: folder)
            #expect(load(state, Sample.own, "\(server)").map?.map.serial == 4)
            #expect(load(state, Sample.own, "http://127.0.0.2:1").map == nil)
            #expect(access(folder + "/map.set-aside", F_OK) == 0)
            #expect(load(state, Sample.own, "\(server)").hints.endpoints == [peer: try #require(endpoint)])
            #expect(load(state, Sample.peer, "\(server)").hints.endpoints.isEmpty)
            #expect(access(folder + "/hints.set-aside", F_OK) == 0)
        }
    }

    @Test func `who leaves the mesh forgets its map`() async throws {
        try await withTemporaryFolder { folder in
            _ = try await joinOnce(folder, endpoint: try #require(endpoint))
            try StoredState.remove(from: StateDirectory(path: folder))
            #expect(access(folder + "/map", F_OK) != 0 && access(folder + "/hints", F_OK) != 0)
        }
    }

    private func load(_ state: StateDirectory, _ identity: Identity, _ url: String) -> StoredState {
        guard let server = ServerAddress(url: url) else { preconditionFailure("bad sample") }
        return StoredState(
            in: state,
            identity: identity.publicKey,
            management: server,
            logger: Sample.quietLogger
        )
    }
}
