package import AgentCore
import GRPCCore
package import Logging
package import MeshModel
import MeshProto

/// The agent's client of the signal server: one stream in, one call per message out, both for as long as it runs.
///
/// Messages to one peer keep their order: they are sent one after the other. What cannot be sent is dropped, since the
/// core offers again when the connection is back.
package actor SignalStream {
    package enum Event: Sendable {
        case state(ConnectionState)
        case message(from: PublicKey, SignalMessage)
    }

    package struct Outgoing: Sendable {
        package var recipient: PublicKey
        package var message: SignalMessage

        package init(to recipient: PublicKey, _ message: SignalMessage) {
            self.recipient = recipient
            self.message = message
        }
    }

    private typealias Client = Signalexchange_SignalExchange.Client<GRPCConnection.Transport>

    private let identity: Identity
    private let sockets: ControlSockets
    private let outbox: AsyncStream<Outgoing>
    private let logger: Logger
    private let clock = ContinuousClock()
    /// `nil` while there is no registered stream.
    private var client: Client?
    private var lastReceived: ContinuousClock.Instant
    private var wasRegistered = false
    private var boxKeys: [PublicKey: BoxKey] = [:]
    /// Our username fragment towards each peer, which stock agents expect in candidate lines.
    private var usernameFragments: [PublicKey: String] = [:]

    /// Request metadata that names us, and response metadata that proves the registration. Source: spec/wire/signal.md 3.
    private static let identityKey = "x-wiretrustee-peer-id"
    private static let registeredKey = "x-wiretrustee-peer-registered"
    /// Silence before we send ourselves a heartbeat, and how long that may take. Source: spec/wire/signal.md 5.1.
    private static let silence: Duration = .seconds(30)
    private static let heartbeatTimeout: Duration = .seconds(10)
    private static let sendTimeout: Duration = .seconds(10)
    private static let sendAttempts = 3
    /// Bounds memory against a stranger who writes with ever new keys.
    private static let maximumBoxKeys = 4096

    /// - Parameter outbox: what to send; whoever makes it bounds its buffer.
    package init(
        identity: Identity,
        sockets: ControlSockets = ControlSockets(),
        outbox: AsyncStream<Outgoing>,
        logger: Logger
    ) {
        self.identity = identity
        self.sockets = sockets
        self.outbox = outbox
        self.logger = logger
        lastReceived = clock.now
    }

    /// Runs until the surrounding task is cancelled.
    ///
    /// - Parameter server: asked before each connection; `nil` while the control plane has named none.
    package func run(
        server: @escaping @Sendable () async -> ServerAddress?,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.receiveForever(server: server, deliver) }
            group.addTask { await self.sendForever() }
        }
    }

    // MARK: - Receiving

    private func receiveForever(
        server: @Sendable () async -> ServerAddress?,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async {
        var backoff = Backoff.connection
        var lastReason: String?
        while !Task.isCancelled {
            guard let address = await server() else { return }
            await deliver(.state(.connecting))
            wasRegistered = false
            var reason = "the server ended the stream"
            do {
                try await connect(to: address, deliver)
            } catch {
                reason = GRPCConnection.reason(error)
            }
            client = nil
            if Task.isCancelled { return }
            if wasRegistered {
                backoff.reset()
                lastReason = nil
            }
            // Once per reason, as for management.
            logger.log(
                level: reason == lastReason ? .debug : .info,
                "signal disconnected",
                metadata: ["reason": "\(reason)"]
            )
            lastReason = reason
            await deliver(.state(.disconnected(reason: reason)))
            do {
                try await Task.sleep(for: backoff.next(random: .random(in: 0..<1)))
            } catch {
                return  // cancelled: the agent ends, or the tunnel goes down
            }
        }
    }

    /// One connection: returns when the server ends the stream, throws when it breaks or falls silent.
    private func connect(
        to server: ServerAddress,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async throws {
        try await withGRPCClient(transport: try GRPCConnection.transport(to: server, by: sockets)) { connection in
            let client = Client(wrapping: connection)
            try await client.connectStream(
                metadata: [Self.identityKey: .string(identity.publicKey.base64)],
                options: GRPCConnection.options(timeout: nil),
                requestProducer: { _ in await untilCancelled() },
                onResponse: { response in
                    let contents = try response.accepted.get()
                    guard contents.metadata[stringValues: Self.registeredKey].contains(where: { _ in true }) else {
                        throw RPCError(code: .failedPrecondition, message: "the server did not register this agent")
                    }
                    await self.registered(client)
                    await deliver(.state(.connected))
                    try await self.follow(contents.bodyParts, deliver)
                }
            )
        }
    }

    private func registered(_ client: Client) {
        self.client = client
        wasRegistered = true
        lastReceived = clock.now
        logger.info("signal connected")
    }

    private func follow(
        _ parts: RPCAsyncSequence<
            StreamingClientResponse<Signalexchange_EncryptedMessage>.Contents.BodyPart, any Error
        >,
        _ deliver: @escaping @Sendable (Event) async -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await part in parts {
                    guard case .message(let message) = part else { continue }
                    if let event = await self.receive(message) { await deliver(event) }
                }
            }
            group.addTask { try await self.watch() }
            // The first to end, the stream or the watchdog, ends the connection.
            try await group.next()
            group.cancelAll()
        }
    }

    /// - Returns: `nil` for what is not for the core: our own heartbeat and whatever cannot be read.
    private func receive(_ message: Signalexchange_EncryptedMessage) -> Event? {
        lastReceived = clock.now
        guard let sender = message.sender else {
            logger.debug("skipped a signal message without a sender's key")
            return nil
        }
        do {
            let key = try boxKey(for: sender)
            let content = try SignalMessage(wire: message.open(with: key))
            return content == .heartbeat ? nil : .message(from: sender, content)
        } catch {
            logger.debug("skipped a signal message", metadata: ["peer": "\(sender)", "reason": "\(error)"])
            return nil
        }
    }

    /// Notices a stream that is open but dead.
    ///
    /// - Throws: `RPCError` with `.unavailable` if not even our own heartbeat comes back.
    private func watch() async throws {
        while true {
            let quietSince = lastReceived
            try await clock.sleep(until: quietSince + Self.silence)
            guard lastReceived == quietSince else { continue }
            let sent = clock.now
            await transmit(Outgoing(to: identity.publicKey, .heartbeat))
            try await clock.sleep(until: sent + Self.heartbeatTimeout)
            guard lastReceived == quietSince else { continue }
            throw RPCError(code: .unavailable, message: "the stream is silent: our own heartbeat did not come back")
        }
    }

    // MARK: - Sending

    private func sendForever() async {
        for await outgoing in outbox { await transmit(outgoing) }
    }

    private func transmit(_ outgoing: Outgoing) async {
        let peer = outgoing.recipient
        let sealed: Signalexchange_EncryptedMessage
        do {
            let body = Signalexchange_Body(outgoing.message, usernameFragment: usernameFragment(for: outgoing))
            sealed = try Signalexchange_EncryptedMessage(
                sealing: body,
                from: identity.publicKey,
                to: peer,
                with: boxKey(for: peer)
            )
        } catch {
            logger.debug("cannot seal for a peer", metadata: ["peer": "\(peer)", "reason": "\(error)"])
            return
        }
        for attempt in 1...Self.sendAttempts {
            guard let client, !Task.isCancelled else { return }
            do {
                _ = try await client.send(sealed, options: GRPCConnection.options(timeout: Self.sendTimeout))
                return
            } catch {
                let metadata: Logger.Metadata = [
                    "peer": "\(peer)", "attempt": "\(attempt)", "reason": "\(GRPCConnection.reason(error))",
                ]
                logger.debug("cannot send a signal message", metadata: metadata)
            }
        }
    }

    private func usernameFragment(for outgoing: Outgoing) -> String {
        switch outgoing.message {
        case .offer(let description), .answer(let description):
            usernameFragments[outgoing.recipient] = description.credentials?.usernameFragment
        case .candidate, .goIdle, .heartbeat:
            break
        }
        return usernameFragments[outgoing.recipient] ?? ""
    }

    private func boxKey(for peer: PublicKey) throws(SealedBodyError) -> BoxKey {
        if let key = boxKeys[peer] { return key }
        let key = try BoxKey(own: identity.privateKey, other: peer)
        if boxKeys.count >= Self.maximumBoxKeys { boxKeys.removeAll() }
        boxKeys[peer] = key
        return key
    }
}

/// Keeps our half of the stream open: servers may take its end for ours.
private func untilCancelled() async {
    let (never, continuation) = AsyncStream.makeStream(of: Never.self)
    for await _ in never {}
    continuation.finish()
}
