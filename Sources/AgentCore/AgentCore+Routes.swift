import MeshModel

extension AgentCore {
    /// Which prefixes have a route of ours now, and who carries each.
    public var routeChoice: RouteChoice { routing.selection.choice }

    /// What the user wants of routes.
    public var routeIntent: RouteIntent { routing.intent }

    /// Whether echoes are sent at all.
    public var isWatchingGateways: Bool { !routing.monitor.gateways.isEmpty }

    /// How soon the kernel's counters of the peers should be read again, for gateways that echoes do not tell of; `nil`: no
    /// hurry.
    public var observationInterval: Duration? { routing.monitor.observationInterval }

    /// What `command` would make of the wish. Nothing is changed: the caller stores the result, then delivers it as
    /// `.routeIntent`.
    public func outcome(of command: RouteCommand) -> RouteCommandOutcome {
        routing.intent.applying(command, catalog: routing.catalog, exitInForce: routeChoice.exitNode)
    }

    mutating func setRouteIntent(_ intent: RouteIntent, at now: ContinuousClock.Instant) -> [Effect] {
        routing.intent = intent
        return chooseRoutes(at: now) + reconcileIfChanged()
    }

    mutating func receive(_ reply: EchoReply, at now: ContinuousClock.Instant) -> [Effect] {
        routing.receive(reply, at: now)
        return reviewRoutes(at: now)
    }

    mutating func observe(_ observations: [PublicKey: PeerObservation], at now: ContinuousClock.Instant) -> [Effect] {
        observed = observations
        routing.observe(observations, at: now)
        var effects: [Effect] = []
        for peer in sessions.filter({ $0.value.doubt != nil }).keys.sorted() {
            guard let bytes = observations[peer]?.receivedBytes else { continue }
            effects += drive(peer) { session, _, _ in
                session.weigh(receivedBytes: bytes, at: now)
                return []
            }
        }
        return effects + measureIdleness(at: now) + reviewRoutes(at: now)
    }

    mutating func tickRoutes(at now: ContinuousClock.Instant) -> [Effect] {
        routing.tick(at: now).map(Effect.probe) + reviewRoutes(at: now)
    }

    /// The map or our own addresses have changed.
    mutating func renewRoutes(at now: ContinuousClock.Instant) -> [Effect] {
        if let map {
            routing.catalog = RouteCatalog(
                routes: map.routes,
                peers: Set(map.peers.map(\.publicKey)),
                own: configuration.publicKey,
                overlays: [own?.address.network, own?.addressV6?.network].compactMap { $0 }
            )
        }
        return chooseRoutes(at: now)
    }

    /// Chooses anew if a gateway's health has changed.
    private mutating func reviewRoutes(at now: ContinuousClock.Instant) -> [Effect] {
        guard routing.isDue(at: now) else { return [] }
        let before = routeChoice
        let effects = chooseRoutes(at: now)
        return effects + (routeChoice == before ? [] : reconcileIfChanged())
    }

    private mutating func chooseRoutes(at now: ContinuousClock.Instant) -> [Effect] {
        guard isEnabled, let map, let own else {
            routing.clear(at: now)
            return []
        }
        let moves = routing.choose(onExitFailure: configuration.exitFailure, at: now) { peer in
            map.peers.first { $0.publicKey == peer }.flatMap { Self.addresses(between: own, and: $0) }
        }
        return moves.map(Effect.carriersMoved)
    }

    /// IPv4 where both have it.
    private static func addresses(
        between own: SelfConfiguration,
        and peer: RemotePeer
    ) -> (local: IPAddress, remote: IPAddress)? {
        let hosts = peer.allowedIPs.filter(\.isHost).map(\.address)
        if let remote = hosts.first(where: \.isV4) { return (own.address.address, remote) }
        guard let local = own.addressV6?.address, let remote = hosts.first else { return nil }
        return (local, remote)
    }
}
