import Agent
import AgentCore
import GRPCCore
import MeshModel
import MeshProto
import Testing

private let setupKey = SetupKey("a2c8e62b-38f5-4553-b31e-dd66c696cebb")

/// Refuses an agent without the right key, as servers do.
private let known: @Sendable (LoginAttempt) throws -> Void = { _ in }
private let unknown: @Sendable (LoginAttempt) throws -> Void = { attempt in
    guard attempt.setupKey != nil else { throw RPCError(code: .permissionDenied, message: "no peer auth method") }
}

private func stream(_ server: ServerAddress, setupKey: SetupKey? = nil) -> ManagementStream {
    ManagementStream(
        server: server,
        identity: Sample.own,
        setupKey: setupKey.map { .success($0) },
        meta: .ofThisHost(hostname: "a"),
        logger: Sample.quietLogger,
        readyToSync: {}
    )
}

/// Runs a stream and returns its events as words until `isLast` says so, or until it fails.
private func words(
    of stream: ManagementStream,
    until isLast: @escaping @Sendable (String) -> Bool
) async -> (words: [String], failure: AgentFailure?) {
    let (events, sink) = AsyncStream.makeStream(of: ManagementStream.Event.self)
    return await withTaskGroup(of: AgentFailure?.self) { group in
        group.addTask {
            defer { sink.finish() }
            do throws(AgentFailure) {
                try await stream.run { sink.yield($0) }
                return nil
            } catch {
                return error
            }
        }
        var words: [String] = []
        for await event in events {
            words.append(word(event))
            if isLast(word(event)) { break }
        }
        group.cancelAll()
        return (words, await group.next() ?? nil)
    }
}

private func word(_ event: ManagementStream.Event) -> String {
    switch event {
    case .state(.connecting): "connecting"
    case .state(.connected): "connected"
    case .state(.disconnected(let reason)): "disconnected: \(reason)"
    case .services(let services): "signal at \(services.signal.map { "\($0.address)" } ?? "-")"
    case .networkMap(let map, _): "map \(map.serial)"
    case .deregistered(let reason): "deregistered: \(reason)"
    }
}

@Suite(.timeLimit(.minutes(1))) struct ManagementStreamTests {
    @Test func `a known agent logs in without a key and follows the map`() async throws {
        let management = FakeManagement(
            login: known,
            sync: [FakeManagement.map(serial: 1), FakeManagement.map(serial: 2)]
        )
        try await FakeControlPlane(management: management).run { server in
            let result = await words(of: stream(server)) { $0 == "map 2" }
            let expected = [
                "connecting", "signal at 127.0.0.1:1", "connected", "map 1", "connected", "map 2",
            ]
            #expect(result.words == expected)
        }
    }

    @Test func `a new agent registers with its key`() async throws {
        let management = FakeManagement(login: unknown, sync: [FakeManagement.map(serial: 1)])
        try await FakeControlPlane(management: management).run { server in
            let result = await words(of: stream(server, setupKey: setupKey)) { $0 == "map 1" }
            #expect(result.words.last == "map 1")
            #expect(result.failure == nil)
        }
    }

    @Test(arguments: [RPCError.Code.invalidArgument, .notFound, .failedPrecondition])
    func `a key that the server refuses ends the agent with its own status`(code: RPCError.Code) async throws {
        let management = FakeManagement(login: { attempt in
            let isProbe = attempt.setupKey == nil
            throw RPCError(code: isProbe ? .permissionDenied : code, message: "setup key is invalid")
        })
        try await FakeControlPlane(management: management).run { server in
            let result = await words(of: stream(server, setupKey: setupKey)) { _ in false }
            #expect(result.failure?.status == .setupKeyRefused)
            #expect(result.failure?.description.contains("refused the setup key: setup key is invalid") == true)
            #expect(result.failure?.description.contains("a2c8e62b") == false)
        }
    }

    @Test func `without a key an unknown agent ends and says how to join`() async throws {
        try await FakeControlPlane(management: FakeManagement(login: unknown)).run { server in
            let result = await words(of: stream(server)) { _ in false }
            #expect(result.failure?.status == .notLoggedIn)
            #expect(result.failure?.description.hasSuffix("give a key with --setup-key-file") == true)
        }
    }

    @Test func `an absent server is tried again and again, with the reason`() async throws {
        let nowhere = ServerAddress(host: "127.0.0.1", port: 1, usesTLS: false)
        let counter = Counter()
        let result = await words(of: stream(nowhere)) { word in
            word.hasPrefix("disconnected") && counter.next() == 2
        }
        #expect(result.failure == nil)
        let reasons = result.words.filter { $0 != "connecting" }
        #expect(reasons.count == 2)
        #expect(reasons.allSatisfy { $0.hasPrefix("disconnected: unavailable") })
    }

    @Test func `messages that cannot be read are skipped and the stream goes on`() async throws {
        let messages = [FakeManagement.garbage, FakeManagement.nonsense, FakeManagement.map(serial: 3)]
        try await FakeControlPlane(management: FakeManagement(sync: messages)).run { server in
            let result = await words(of: stream(server)) { $0 == "map 3" }
            #expect(result.words.filter { $0 != "connected" } == ["connecting", "signal at 127.0.0.1:1", "map 3"])
        }
    }

    @Test func `an agent that was deleted is told so and asks again`() async throws {
        let counter = Counter()
        var management = FakeManagement(sync: [FakeManagement.map(serial: 1)])
        management.login = { _ in
            if counter.next() > 1 { throw RPCError(code: .permissionDenied, message: "peer is not registered") }
        }
        management.syncError = RPCError(code: .permissionDenied, message: "peer is not registered")
        try await FakeControlPlane(management: management).run { [management] server in
            _ = management
            let result = await words(of: stream(server, setupKey: setupKey)) { $0.hasPrefix("deregistered") }
            #expect(result.failure == nil)
            #expect(result.words.last?.contains("does not know this agent any more: peer is not registered") == true)
        }
    }

    @Test func `logging out where nobody knows us says so`() async throws {
        try await FakeControlPlane().run { server in
            let failure = await #expect(throws: AgentFailure.self) { try await stream(server).logout() }
            #expect(failure?.status == .notLoggedIn)
        }
    }
}
