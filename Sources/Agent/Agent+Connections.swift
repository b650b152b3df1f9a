import AgentCore
import Logging
import MeshModel
import MeshProto

/// The connections to the control plane: there while the tunnel is wanted up.
extension Agent {
    /// What ended first of the tasks that keep the connections.
    private enum Ended: Sendable {
        case connection
        /// `nil`: the agent ends.
        case wish(Bool?)
    }

    /// Messages to peers that wait to be sent: a few per peer, for some hundred peers that all come at once. What the
    /// buffer drops, the core offers again.
    private static var outboxCapacity: Int { 4096 }
    /// Signal should be registered before the map comes, so that no peer's offer is lost; a signal server that is down
    /// must not keep us from the map. Source: spec/wire/management.md A12a.
    private static var signalPatience: Duration { .seconds(10) }

    /// - Parameter isKnown: an earlier run was in the mesh, so that no refusal ends this one.
    /// - Throws: `AgentFailure` if the first login is refused for good.
    func runConnections(isKnown: Bool) async throws {
        while let isEnabled = await nextWish(besides: nil) {
            var wish: Bool? = isEnabled
            if isEnabled { wish = try await connectUntilUnwanted(isKnown: isKnown) }
            guard wish != nil else { return }
        }
    }

    /// - Returns: `false` when the tunnel shall go down, `nil` when the agent ends.
    private func connectUntilUnwanted(isKnown: Bool) async throws -> Bool? {
        let signalRegistered = Gate()
        // A gate whose waiter was cancelled is of no more use.
        servicesKnown = Gate()
        let (outbox, outboxSink) = AsyncStream.makeStream(
            of: SignalStream.Outgoing.self,
            bufferingPolicy: .bufferingNewest(Self.outboxCapacity)
        )
        setSignalSink { outboxSink.yield($0) }
        let signal = SignalStream(identity: identity, sockets: sockets, outbox: outbox, logger: logger)
        let management = ManagementStream(
            server: configuration.management,
            identity: identity,
            setupKey: configuration.setupKey,
            meta: .ofThisHost(hostname: configuration.hostname),
            isKnown: isKnown,
            sockets: sockets,
            logger: logger,
            readyToSync: { await signalRegistered.wait(atMost: Self.signalPatience) }
        )
        let wish = try await withThrowingTaskGroup(of: Ended.self) { group in
            group.addTask {
                try await management.run { await self.handle($0) }
                return .connection
            }
            group.addTask {
                await signal.run(server: { await self.knownSignalServer() }) { event in
                    await self.handle(event)
                    if case .state(.connected) = event { signalRegistered.open() }
                }
                return .connection
            }
            group.addTask { .wish(await self.nextWish(besides: true)) }
            while let ended = try await group.next() {
                guard case .wish(let wish) = ended else { continue }
                group.cancelAll()
                return wish
            }
            return nil
        }
        setSignalSink(nil)
        relaySink.yield(.configure(nil))
        deliver(.management(.disconnected(reason: "the tunnel is down")))
        deliver(.signalServer(.disconnected(reason: "the tunnel is down")))
        return wish
    }

    /// - Parameter current: a wish that changes nothing; `nil`: any wish counts.
    /// - Returns: `nil` if the task was cancelled.
    private func nextWish(besides current: Bool?) async -> Bool? {
        for await wish in wishes where wish != current { return wish }
        return nil
    }

    private func handle(_ event: ManagementStream.Event) {
        switch event {
        case .state(let state):
            if state == .connected { noteServers() }
            if state == .connected, !isManagementConnected { logger.info("management connected") }
            isManagementConnected = state == .connected
            deliver(.management(state))
        case .services(let services):
            handle(services)
        case .networkMap(let map, let message):
            logger.info("network map", metadata: ["serial": "\(map.serial)", "peers": "\(map.peers.count)"])
            deliver(.networkMap(map))
            if let message { note(message: message) }
        case .deregistered(let reason):
            deliver(.deregistered(reason: reason))
        }
    }

    func handle(_ services: ServiceConfiguration) {
        relaySink.yield(.configure(services.relay))
        stunServerSink.yield(services.stunServers)
        guard let signal = services.signal else { return }
        signalServer = ServerAddress(
            host: signal.address.host,
            port: signal.address.port,
            usesTLS: signal.usesTLS
        )
        servicesKnown.open()
    }

    /// Looks the servers up whenever the control plane names them; those that have no address are left out.
    func resolveSTUNServers() async {
        for await servers in stunServers {
            var endpoints: [Endpoint] = []
            for server in servers.prefix(Self.mostSTUNServers) {
                do throws(LookupFailure) {
                    endpoints += try await sockets.addresses.addresses(of: server.host).map {
                        Endpoint(address: $0, port: server.port)
                    }
                } catch {
                    logger.info("STUN server", metadata: ["reason": "\(error)"])
                }
            }
            deliver(.stunServers(endpoints))
        }
    }

    private static var mostSTUNServers: Int { 8 }

    private func handle(_ event: SignalStream.Event) {
        switch event {
        case .state(let state):
            if state == .connected { noteServers() }
            deliver(.signalServer(state))
        case .message(let sender, let message): deliver(.signal(from: sender, message))
        }
    }

    /// - Returns: `nil` only if the task was cancelled before the control plane named one.
    private func knownSignalServer() async -> ServerAddress? {
        if signalServer == nil { await servicesKnown.wait() }
        return signalServer
    }
}
