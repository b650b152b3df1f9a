package import AgentCore
import GRPCCore
package import Logging
package import MeshModel
package import MeshProto

/// The agent's client of the management server: logs in, follows the network map, reconnects for ever.
///
/// Each session is a new connection: server key, login without a key, registration if that is refused, then the Sync
/// stream. A server that is absent never ends it; a first login that can never succeed does.
package struct ManagementStream: Sendable {
    package enum Event: Sendable {
        case state(ConnectionState)
        /// Where the other services are; comes with each login and whenever they change.
        case services(ServiceConfiguration)
        /// With the message to keep for a start without a server: complete, in its wire form.
        case networkMap(NetworkMap, message: [UInt8]?)
        /// The server knows this agent no more, although it did before.
        case deregistered(reason: String)
    }

    private let server: ServerAddress
    private let identity: Identity
    private let setupKey: Result<SetupKey, AgentFailure>?
    private let meta: PeerMeta
    private let isKnown: Bool
    private let sockets: ControlSockets
    private let logger: Logger
    /// Returns when Sync may start; asked before each one.
    private let readyToSync: @Sendable () async -> Void

    /// Per call. Source: spec/wire/management.md A2.
    private static let serverKeyTimeout: Duration = .seconds(5)
    private static let loginTimeout: Duration = .seconds(10)
    private static let logoutTimeout: Duration = .seconds(15)

    /// - Parameter isKnown: this agent was in the mesh before: a refused first login is `.deregistered`, too.
    package init(
        server: ServerAddress,
        identity: Identity,
        setupKey: Result<SetupKey, AgentFailure>?,
        meta: PeerMeta,
        isKnown: Bool = false,
        sockets: ControlSockets = ControlSockets(),
        logger: Logger,
        readyToSync: @escaping @Sendable () async -> Void
    ) {
        self.server = server
        self.identity = identity
        self.setupKey = setupKey
        self.meta = meta
        self.isKnown = isKnown
        self.sockets = sockets
        self.logger = logger
        self.readyToSync = readyToSync
    }

    /// Runs until the surrounding task is cancelled; what happens goes to `deliver`, in order.
    ///
    /// - Throws: `AgentFailure` with `.notLoggedIn` or `.setupKeyRefused` if the first login of an agent that is not known
    ///   is refused for good. Other refusals are `.deregistered` and tried again: they may be a server's mistake.
    package func run(_ deliver: @escaping @Sendable (Event) async -> Void) async throws(AgentFailure) {
        var backoff = Backoff.connection
        var wasLoggedIn = false
        var lastReason: String?
        while !Task.isCancelled {
            await deliver(.state(.connecting))
            let end = await session(wasLoggedIn: wasLoggedIn, deliver)
            if Task.isCancelled { return }
            wasLoggedIn = wasLoggedIn || end.wasLoggedIn
            if end.wasSynced {
                backoff.reset()
                lastReason = nil
            }
            switch end.cause {
            case .lost(let reason):
                // Once per reason: a server that stays away would fill the log with one line each time.
                logger.log(
                    level: reason == lastReason ? .debug : .info,
                    "management disconnected",
                    metadata: ["reason": "\(reason)"]
                )
                lastReason = reason
                await deliver(.state(.disconnected(reason: reason)))
            case .refused(let failure):
                guard wasLoggedIn || isKnown else { throw failure }
                logger.log(
                    level: failure.description == lastReason ? .debug : .error,
                    "deregistered",
                    metadata: ["reason": "\(failure)"]
                )
                lastReason = failure.description
                await deliver(.deregistered(reason: failure.description))
            }
            do {
                try await Task.sleep(for: backoff.next(random: .random(in: 0..<1)))
            } catch {
                return  // cancelled: the agent ends, or the tunnel goes down
            }
        }
    }

    /// Tells the server to forget this agent.
    ///
    /// - Throws: `AgentFailure`: `.notLoggedIn` if the server does not know it, `.failure` if it cannot be reached.
    package func logout() async throws(AgentFailure) {
        do {
            try await withGRPCClient(transport: try GRPCConnection.transport(to: server, by: sockets)) { client in
                let management = Management_ManagementService.Client(wrapping: client)
                let key = try await serverKey(management)
                let request = try Management_EncryptedMessage(
                    sealing: Management_Empty(),
                    from: identity.publicKey,
                    with: key
                )
                _ = try await management.logout(request, options: GRPCConnection.options(timeout: Self.logoutTimeout))
            }
        } catch let error as RPCError where error.code == .notFound {
            throw AgentFailure(.notLoggedIn, "\(server) does not know this agent: \(error.message)")
        } catch {
            throw AgentFailure(.failure, "cannot log out at \(server): \(GRPCConnection.reason(error))")
        }
    }

    // MARK: - One session

    private struct SessionEnd: Sendable {
        enum Cause: Sendable {
            case lost(reason: String)
            case refused(AgentFailure)
        }
        var cause: Cause
        var wasLoggedIn = false
        /// Whether the Sync stream gave at least one message.
        var wasSynced = false
    }

    private func session(
        wasLoggedIn: Bool,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async -> SessionEnd {
        let progress = SessionProgress()
        do {
            try await withGRPCClient(transport: try GRPCConnection.transport(to: server, by: sockets)) { client in
                let management = Management_ManagementService.Client(wrapping: client)
                let response = try await login(management, mayRegister: !wasLoggedIn)
                let grant = try LoginGrant(wire: response)
                var record = SyncRecord()
                record.note(response)
                await progress.loggedIn()
                for skipped in grant.skipped { logger.warning("login: \(skipped)") }
                await deliver(.services(grant.services))
                await readyToSync()
                try await sync(management, record) { event in
                    await progress.synced()
                    await deliver(event)
                }
            }
            return await progress.end(.lost(reason: "the server ended the stream"))
        } catch let failure as AgentFailure {
            return await progress.end(.refused(failure))
        } catch {
            return await progress.end(.lost(reason: GRPCConnection.reason(error)))
        }
    }

    /// Asks whether the server knows us; if not, registers with the setup key, where that is allowed.
    ///
    /// - Throws: `AgentFailure` if the server refuses for good, anything else if it may help to try again.
    private func login(
        _ management: Management_ManagementService.Client<GRPCConnection.Transport>,
        mayRegister: Bool
    ) async throws -> Management_LoginResponse {
        let refusal: RPCError
        do {
            return try await login(management, setupKey: nil)
        } catch let error as RPCError where error.code == .permissionDenied {
            refusal = error
        }
        guard mayRegister else {
            throw AgentFailure(.notLoggedIn, "\(server) does not know this agent any more: \(refusal.message)")
        }
        guard let setupKey else {
            throw AgentFailure(
                .notLoggedIn,
                "this agent is not registered at \(server) (\(refusal.message)); give a key with --setup-key-file"
            )
        }
        do {
            let response = try await login(management, setupKey: setupKey.get())
            logger.info("registered", metadata: ["server": "\(server)"])
            return response
        } catch let error as RPCError where Self.isFinalRefusal(error.code) {
            throw AgentFailure(
                .setupKeyRefused,
                "\(server) refused the setup key: \(error.message); ask its administrator for a valid one"
            )
        }
    }

    /// Stock servers say NotFound for a bad key, ours InvalidArgument. Source: spec/wire/management.md A4.4, A4.5.
    private static func isFinalRefusal(_ code: RPCError.Code) -> Bool {
        [.invalidArgument, .notFound, .failedPrecondition, .permissionDenied, .unauthenticated].contains(code)
    }

    /// One Login, with a server key fetched for it. A server that restarted in between has a new one and answers
    /// InvalidArgument, so that answer counts only the second time.
    private func login(
        _ management: Management_ManagementService.Client<GRPCConnection.Transport>,
        setupKey: SetupKey?
    ) async throws -> Management_LoginResponse {
        do {
            return try await loginOnce(management, setupKey: setupKey)
        } catch let error as RPCError where error.code == .invalidArgument {
            return try await loginOnce(management, setupKey: setupKey)
        }
    }

    private func loginOnce(
        _ management: Management_ManagementService.Client<GRPCConnection.Transport>,
        setupKey: SetupKey?
    ) async throws -> Management_LoginResponse {
        let key = try await serverKey(management)
        let attempt = LoginAttempt(setupKey: setupKey?.text, meta: meta)
        let request = try Management_EncryptedMessage(
            sealing: Management_LoginRequest(attempt, publicKey: identity.publicKey),
            from: identity.publicKey,
            with: key
        )
        let answer = try await management.login(request, options: GRPCConnection.options(timeout: Self.loginTimeout))
        return try answer.open(as: Management_LoginResponse.self, with: key)
    }

    /// The server makes a new key at each start: it is asked for before every sealed call, never kept.
    private func serverKey(
        _ management: Management_ManagementService.Client<GRPCConnection.Transport>
    ) async throws -> BoxKey {
        let options = GRPCConnection.options(timeout: Self.serverKeyTimeout)
        let answer = try await management.getServerKey(Management_Empty(), options: options)
        guard let key = PublicKey(base64: answer.key) else {
            throw RPCError(code: .internalError, message: "the server's key is no public key")
        }
        return try BoxKey(own: identity.privateKey, other: key)
    }

    /// Follows the map until the stream ends. A message that cannot be read is logged and skipped.
    private func sync(
        _ management: Management_ManagementService.Client<GRPCConnection.Transport>,
        _ record: SyncRecord,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async throws {
        let key = try await serverKey(management)
        var content = Management_SyncRequest()
        content.meta = Management_PeerSystemMeta(meta)
        let request = try Management_EncryptedMessage(sealing: content, from: identity.publicKey, with: key)
        let options = GRPCConnection.options(timeout: nil)
        try await management.sync(request, options: options) { response in
            var record = record
            for try await message in response.messages {
                await deliver(.state(.connected))
                do {
                    let content = try message.open(as: Management_SyncResponse.self, with: key)
                    let update = try SyncUpdate(wire: content)
                    let complete = record.note(content)
                    for skipped in update.skipped { logger.warning("network map: \(skipped)") }
                    if let services = update.services { await deliver(.services(services)) }
                    if let map = update.map { await deliver(.networkMap(map, message: complete)) }
                } catch {
                    logger.warning("skipped a message of the management server", metadata: ["reason": "\(error)"])
                }
            }
        }
    }
}

extension ManagementStream {
    /// How far one session came: it is known even if the session then fails.
    private actor SessionProgress {
        private var wasLoggedIn = false
        private var wasSynced = false

        func loggedIn() { wasLoggedIn = true }
        func synced() { wasSynced = true }

        func end(_ cause: SessionEnd.Cause) -> SessionEnd {
            SessionEnd(cause: cause, wasLoggedIn: wasLoggedIn, wasSynced: wasSynced)
        }
    }
}
