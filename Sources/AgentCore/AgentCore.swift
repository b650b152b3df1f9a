import ICE
public import MeshModel
import Routing

/// Every decision of the agent, as a value.
///
/// Sans-IO: it never reads a clock, a socket or randomness of its own.
///
/// Drive it: deliver inputs with `handle`, perform the returned effects in order, and deliver `.tick` at `deadline`.
public struct AgentCore: Sendable {
    public enum Input: Sendable {
        /// A new map from the control plane; the caller has validated it.
        case networkMap(NetworkMap)
        /// The map of last time, before anything else; a fresh one of any serial takes its place.
        case storedMap(StoredNetworkMap)
        /// Where peers were last time: given to the kernel for a peer that it knows no endpoint of.
        case lastEndpoints([PublicKey: Endpoint])
        /// The control plane says that this agent is not, or no longer, part of the mesh.
        case deregistered(reason: String)
        case management(ConnectionState)
        case signalServer(ConnectionState)
        /// A decrypted, validated message from a peer.
        case signal(from: PublicKey, SignalMessage)
        /// Addresses that may serve as host candidates: those of every usable interface but our own.
        case localAddresses([IPAddress])
        /// Of these, the ones that a 1:1 translator shows otherwise, and how; see `ExternalAddressMap`.
        case outsides([IPAddress: IPAddress])
        /// The networks of those interfaces, which a gateway may be told to keep to itself.
        case localNetworks(Set<IPPrefix>)
        /// The UDP port that the kernel's WireGuard socket is bound to.
        case listenPort(UInt16)
        /// Addresses of the STUN servers.
        case stunServers([Endpoint])
        /// What the relays say.
        case relay(RelayEvent)
        /// A STUN message that arrived on WireGuard's port.
        case datagram(Datagram)
        /// What the kernel says about the peers.
        case observed([PublicKey: PeerObservation])
        /// An answer to a `probe`.
        case echo(EchoReply)
        /// What the user wants of routes; the caller has stored it.
        case routeIntent(RouteIntent)
        /// As a gateway: whether clients are asked to go elsewhere; the caller has stored it.
        case setDraining(Bool)
        /// The user's wish: `false` takes the tunnel down and keeps it down.
        case setEnabled(Bool)
        /// `deadline` has come.
        case tick
    }

    public enum Effect: Hashable, Sendable {
        /// Make the kernel agree with this. The newest wins; level-triggered. `nil`: remove everything of ours.
        case reconcile(DesiredState?)
        /// Seal and send through the signal server, in order.
        case signal(to: PublicKey, SignalMessage)
        /// Send from WireGuard's port.
        case send(Datagram)
        case relay(RelayRequest)
        /// A packet over the relay has come for a peer that is reached directly: the kernel may have followed it. Look.
        case strayed(PublicKey)
        /// Read the kernel's counters of the peers now.
        case observe
        /// Send through the tunnel; see `EchoRequest`.
        case probe(EchoRequest)
        /// Routed networks changed hands; for the log.
        case carriersMoved(CarrierMove)
        /// A peer's path changed; for the log, once.
        case pathChanged(PublicKey, PeerStatus.Path)
        /// Something the core did not act on, and why; for the log, at level debug.
        case ignored(String)
    }

    let configuration: Configuration
    var random: RandomSource
    var isEnabled: Bool
    public private(set) var isDraining: Bool
    var map: NetworkMap?
    /// When the map in force came from the control plane, seconds since 1970, if it is the stored one; `nil`: it is fresh.
    var mapStoredSeconds: Int64?
    /// Where each peer was last seen by the kernel, in this run or the one before.
    public internal(set) var lastEndpoints: [PublicKey: Endpoint] = [:]
    /// Our addresses outlive a map that carries none.
    var own: SelfConfiguration?
    var management: ConnectionState = .connecting
    var signalServer: ConnectionState = .connecting
    /// `nil`: the mesh has no relay.
    var relay: ConnectionState?
    /// URL of the relay that we can be reached at; `nil` while there is none.
    var homeRelay: String?
    var reflexive = ReflexiveGatherer()
    var localAddresses: [IPAddress] = []
    /// By local address, what peers are told in its place.
    var outsides: [IPAddress: IPAddress] = [:]
    var localNetworks: Set<IPPrefix> = []
    var listenPort: UInt16 = 0
    var deregistration: String?
    /// Changed by `put` alone, which keeps `deadlines` true.
    private(set) var sessions: [PublicKey: PeerSession] = [:]
    private var deadlines = SessionDeadlines()
    /// A session has chosen another endpoint since the desired state was last worked out.
    private var hasNewEndpoint = false
    var observed: [PublicKey: PeerObservation] = [:]
    /// Which session a check belongs to: our username fragment, unique per session.
    var sessionByUsername: [String: PublicKey] = [:]
    /// The last state given out, so that equal ones are not given again.
    var reconciled: DesiredState?
    var routing = RouteState()

    /// - Parameters:
    ///   - isEnabled: the user's persisted wish; see `.setEnabled`.
    ///   - isDraining: likewise; see `.setDraining`.
    ///   - routeIntent: likewise; see `.routeIntent`.
    public init(
        configuration: Configuration,
        isEnabled: Bool = true,
        isDraining: Bool = false,
        routeIntent: RouteIntent = RouteIntent(),
        random: some RandomNumberGenerator & Sendable
    ) {
        self.configuration = configuration
        self.isEnabled = isEnabled
        self.isDraining = isDraining
        self.random = RandomSource(random)
        routing.intent = routeIntent
    }

    /// When `.tick` is due next; `nil` while nothing is pending.
    public var deadline: ContinuousClock.Instant? {
        [deadlines.first, routing.deadline, reflexive.deadline].compactMap { $0 }.min()
    }

    public mutating func handle(_ input: Input, at now: ContinuousClock.Instant) -> [Effect] {
        switch input {
        case .networkMap(let newMap):
            return adopt(newMap, at: now)
        case .storedMap(let stored):
            return adopt(stored, at: now)
        case .lastEndpoints(let endpoints):
            lastEndpoints = endpoints
            return reconcileIfChanged()
        case .deregistered(let reason):
            // The tunnel stays: the peers decide whether they still talk to us, and a control plane that is wrong for an
            // hour (a restored backup, a proxy that answers 403) must not cost anybody the machine.
            deregistration = reason
            management = .disconnected(reason: reason)
            return []
        case .management(let state):
            management = state
            return []
        case .signalServer(let state):
            return setSignalServer(state, at: now)
        case .signal(let peer, let message):
            return receive(message, from: peer, at: now)
        case .localAddresses(let addresses):
            guard addresses != localAddresses else { return [] }
            localAddresses = addresses
            return renewLocalCandidates(at: now)
        case .outsides(let outsides):
            return setOutsides(outsides)
        case .localNetworks(let networks):
            localNetworks = networks
            return reconcileIfChanged()
        case .listenPort(let port):
            guard port != listenPort else { return [] }
            if listenPort == 0 {
                for (peer, session) in sessions {
                    var session = session
                    session.offerNow(at: now)
                    put(session, for: peer)
                }
            }
            listenPort = port
            return renewLocalCandidates(at: now) + tick(at: now)
        case .stunServers(let servers):
            guard servers != reflexive.servers else { return [] }
            reflexive.servers = servers
            reflexive.forget()
            return gatherReflexive(at: now)
        case .relay(let event):
            return receive(event, at: now)
        case .datagram(let datagram):
            return receive(datagram, at: now)
        case .observed(let observations):
            if remember(observations) { hasNewEndpoint = true }
            return observe(observations, at: now) + reconcileIfEndpointChanged()
        case .echo(let reply):
            return receive(reply, at: now)
        case .routeIntent(let intent):
            return setRouteIntent(intent, at: now)
        case .setDraining(let wish):
            isDraining = wish
            return reconcileIfChanged()
        case .setEnabled(let wish):
            return setEnabled(wish, at: now)
        case .tick:
            return tick(at: now)
        }
    }

    // MARK: - Maps

    /// Takes a map unless it is older than the one in force. An equal serial is applied: many changes do not raise it.
    /// A stored map yields to any: a server restored from a backup counts from lower.
    mutating func adopt(_ newMap: NetworkMap, at now: ContinuousClock.Instant) -> [Effect] {
        if let map, newMap.serial < map.serial, mapStoredSeconds == nil {
            return [.ignored("map \(newMap.serial) is older than map \(map.serial)")]
        }
        map = newMap
        mapStoredSeconds = nil
        deregistration = nil
        own = newMap.own ?? own
        return renewRoutes(at: now) + openSessions(at: now) + reconcileIfChanged()
    }

    /// Opens a session for each peer of the map that has none and closes those of peers that left.
    private mutating func openSessions(at now: ContinuousClock.Instant) -> [Effect] {
        guard isEnabled, let map else { return closeSessions(except: []) }
        let peers = map.peers.filter { $0.publicKey != configuration.publicKey }
        var effects = closeSessions(except: Set(peers.map(\.publicKey)))
        let newcomers = Set(peers.map(\.publicKey).filter { sessions[$0] == nil })
        for peer in peers where sessions[peer.publicKey] == nil {
            let session = PeerSession(
                peer: peer.publicKey,
                isController: configuration.publicKey.isController(over: peer.publicKey),
                agentVersion: configuration.agentVersion,
                at: now,
                random: &random
            )
            sessionByUsername[session.credentials.usernameFragment] = peer.publicKey
            put(session, for: peer.publicKey)
            effects += drive(peer.publicKey) { session, context, random in
                session.renewLocalCandidates(context, at: now, random: &random)
            }
        }
        renewLaziness(at: now, isNew: newcomers)
        return effects + tick(at: now)
    }

    private mutating func closeSessions(except kept: Set<PublicKey>) -> [Effect] {
        var effects: [Effect] = []
        for peer in sessions.keys.sorted() where !kept.contains(peer) {
            if sessions[peer]?.usesLoopback == true { effects.append(.relay(.close(peer))) }
            put(nil, for: peer)
        }
        sessionByUsername = sessionByUsername.filter { sessions[$0.value] != nil }
        observed = observed.filter { kept.contains($0.key) }
        if let map {
            let known = Set(map.peers.map(\.publicKey))
            lastEndpoints = lastEndpoints.filter { known.contains($0.key) }
        }
        return effects
    }

    private mutating func setEnabled(_ wish: Bool, at now: ContinuousClock.Instant) -> [Effect] {
        isEnabled = wish
        if !wish {
            // Said even if it was so before: what an interrupted `down` left behind goes now.
            reconciled = nil
            return renewRoutes(at: now) + closeSessions(except: []) + [.reconcile(nil)]
        }
        return renewRoutes(at: now) + openSessions(at: now) + reconcileIfChanged()
    }

    // MARK: - Sessions

    private mutating func receive(
        _ message: SignalMessage,
        from peer: PublicKey,
        at now: ContinuousClock.Instant
    ) -> [Effect] {
        if case .heartbeat = message { return [] }
        guard sessions[peer] != nil else { return [.ignored("signal message from \(peer), which is not in the map")] }
        return drive(peer) { session, context, random in
            session.receive(message, context, at: now, random: &random)
        } + gatherReflexive(at: now) + reconcileIfEndpointChanged()
    }

    /// Hands a STUN message to the session it names: by username for a check, by transaction for an answer.
    private mutating func receive(_ datagram: Datagram, at now: ContinuousClock.Instant) -> [Effect] {
        let message: STUNMessage
        do {
            message = try STUNMessage(datagram: datagram.bytes)
        } catch {
            return [.ignored("datagram from \(datagram.remote): \(error)")]
        }
        if let own,
            own.address.contains(datagram.remote.address) || own.addressV6?.contains(datagram.remote.address) == true
        {
            return [.ignored("STUN from inside the overlay: a tunnel inside the tunnel is refused")]
        }
        if reflexive.isWaiting(for: message.transactionID) {
            return reflexive.receive(message, datagram, at: now) ? announceReflexive(at: now) : []
        }
        guard let peer = recipient(of: message) else { return [.ignored("STUN message for no session of ours")] }
        return drive(peer) { session, context, random in
            session.receive(message, datagram, context, at: now, random: &random)
        } + reconcileIfEndpointChanged()
    }

    private func recipient(of message: STUNMessage) -> PublicKey? {
        if message.kind == .bindingRequest || message.kind == .bindingIndication {
            guard let username = message.username, let colon = username.firstIndex(of: ":") else { return nil }
            return sessionByUsername[String(username[..<colon])]
        }
        return sessions.first { $0.value.isWaiting(for: message.transactionID) }?.key
    }

    private mutating func setSignalServer(_ state: ConnectionState, at now: ContinuousClock.Instant) -> [Effect] {
        let wasConnected = signalServer == .connected
        signalServer = state
        guard state == .connected, !wasConnected else { return [] }
        for peer in sessions.keys.sorted() {
            guard var session = sessions[peer] else { continue }
            session.retrySoon(at: now, random: &random)
            put(session, for: peer)
        }
        return tick(at: now)
    }

    private mutating func renewLocalCandidates(at now: ContinuousClock.Instant) -> [Effect] {
        reflexive.forget()
        var effects: [Effect] = []
        for peer in sessions.keys.sorted() {
            effects += drive(peer) { session, context, random in
                session.renewLocalCandidates(context, at: now, random: &random)
            }
        }
        return effects + gatherReflexive(at: now) + reconcileIfEndpointChanged()
    }

    mutating func tick(at now: ContinuousClock.Instant) -> [Effect] {
        var effects: [Effect] = []
        for peer in deadlines.due(at: now) {
            effects += drive(peer) { session, context, random in session.tick(context, at: now, random: &random) }
        }
        effects += reflexive.tick(at: now).map { .send($0) }
        return effects + tickRoutes(at: now) + reconcileIfEndpointChanged()
    }

    /// Runs one step of a session and turns what it wants into effects of the agent.
    mutating func drive(
        _ peer: PublicKey,
        _ step: (inout PeerSession, PeerSession.Context, inout RandomSource) -> [PeerSession.Effect]
    ) -> [Effect] {
        guard var session = sessions[peer] else { return [] }
        let context = PeerSession.Context(
            localAddresses: localAddresses,
            outsides: outsides,
            listenPort: listenPort,
            isSignalConnected: signalServer == .connected,
            reflexive: reflexiveCandidates,
            homeRelay: homeRelay,
            kernelEndpoint: observed[peer].flatMap { $0.latestHandshakeSeconds > 0 ? $0.endpoint : nil }
        )
        let before = session.path
        let wanted = step(&session, context, &random)
        put(session, for: peer)
        var effects: [Effect] = wanted.map { effect in
            switch effect {
            case .signal(let message): .signal(to: peer, message)
            case .send(let datagram): .send(datagram)
            case .relay(let request): .relay(request)
            case .observe: .observe
            case .strayed: .strayed(peer)
            case .ignored(let reason): .ignored("\(peer): \(reason)")
            }
        }
        if session.path != before { effects.append(.pathChanged(peer, session.path)) }
        return effects
    }

    /// - Parameter session: `nil`: there is none any more.
    mutating func put(_ session: PeerSession?, for peer: PublicKey) {
        let former = sessions[peer]
        if session?.endpoint != former?.endpoint || session?.isTrapped != former?.isTrapped { hasNewEndpoint = true }
        sessions[peer] = session
        deadlines.set(session?.deadline, for: peer)
    }

    /// As `reconcileIfChanged`, for what can change nothing of the desired state but a peer's endpoint: with a thousand
    /// peers the state is too large to be worked out whenever a session stirs.
    mutating func reconcileIfEndpointChanged() -> [Effect] { hasNewEndpoint ? reconcileIfChanged() : [] }

    mutating func reconcileIfChanged() -> [Effect] {
        hasNewEndpoint = false
        let desired = desiredState
        guard desired != reconciled else { return [] }
        reconciled = desired
        return [.reconcile(desired)]
    }
}
