import MeshModel

// A lazy peer sleeps while there is no traffic: no ICE, no relay, no keepalives. WireGuard's next packet to it goes to an
// address of our loopback, where it is caught; it wakes the session and is sent on as soon as there is a way. Source:
// spec/wire/ice.md 9.
extension PeerSession {
    /// What a session remembers of sleeping.
    struct Laziness: Sendable {
        /// Whether the map, the user and the peer let it sleep.
        var isAllowed = false
        var isAsleep = false
        /// Nothing is known of the kernel's peer yet, which may have a session that an earlier run of the agent left.
        var isUndecided = false
        /// Where WireGuard's packets are caught while it has this endpoint; `nil`: it has another.
        var trap: Endpoint?
        var trapped: ContinuousClock.Instant?
        /// WireGuard's packets that wait for a way, oldest first.
        var caught: [[UInt8]] = []
        var meter: IdleMeter?
        var fellAsleep: ContinuousClock.Instant?
        /// How often in a row the peer woke us soon after we had told it that we sleep: it may know nothing of laziness.
        var quickWakes = 0
        var hasToldPeer = false
    }

    /// What one burst of WireGuard's brings before it waits for a handshake.
    private static var mostCaught: Int { 8 }
    /// A peer that offers so soon after it was told that we sleep does not want to, or has traffic by chance.
    private static var quickWake: Duration { .seconds(30) }
    /// What the kernel is seen to hold after so long is no older than the trap: it is read every 30 s at least.
    private static var settling: Duration { .seconds(45) }
    /// So often is no chance.
    private static var mostQuickWakes: Int { 3 }

    var isTrapped: Bool { lazy.trap != nil && endpoint == lazy.trap }

    /// Whether the relay hub may hold a way or a trap for this peer.
    var usesLoopback: Bool { relay != nil || lazy.isAllowed || lazy.trap != nil }

    /// - Parameter isNew: the session was just made.
    mutating func allowSleep(_ isAllowed: Bool, isNew: Bool, at now: ContinuousClock.Instant) {
        lazy.isAllowed = isAllowed
        if isNew, isAllowed {
            lazy.isAsleep = true
            lazy.isUndecided = true
        }
        if !isAllowed { wake(at: now) }
    }

    /// - Parameter observation: the kernel's, of this peer.
    mutating func measure(
        _ observation: PeerObservation,
        inactivity: Duration,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        if lazy.isUndecided {
            lazy.isUndecided = false
            // Whoever talked to it before shall not wait.
            guard observation.latestHandshakeSeconds == 0 else {
                wake(at: now)
                return []
            }
            return [.relay(.trap(peer))]
        }
        if lazy.isAsleep {
            // A late packet of the peer has made the kernel follow it away from the trap: nothing would wake us any more.
            let hasStrayed = observation.endpoint.map { !$0.address.isLoopback } ?? false
            if hasStrayed, let trapped = lazy.trapped, now - trapped >= Self.settling { wake(at: now) }
            return []
        }
        guard lazy.isAllowed, lazy.quickWakes < Self.mostQuickWakes else { return [] }
        var meter = lazy.meter ?? IdleMeter(at: now)
        let idle = meter.idle(observation, at: now)
        lazy.meter = meter
        guard idle >= inactivity else { return [] }
        let effects = fallAsleep(at: now, random: &random)
        lazy.hasToldPeer = true
        return [.signal(.goIdle)] + effects
    }

    mutating func fallAsleep(at now: ContinuousClock.Instant, random: inout RandomSource) -> [Effect] {
        guard lazy.isAllowed, !lazy.isAsleep else { return [] }
        lazy.isAsleep = true
        lazy.fellAsleep = now
        lazy.trapped = nil
        lazy.hasToldPeer = false
        lazy.meter = nil
        lazy.caught = []
        // The endpoint goes when the trap is ready; until then the kernel may use it.
        return closeForSleep(random: &random) + [.relay(.trap(peer))]
    }

    /// Packets to `endpoint` are caught.
    mutating func trapped(at endpoint: Endpoint, since now: ContinuousClock.Instant) {
        guard lazy.isAsleep else { return }
        lazy.trap = endpoint
        lazy.trapped = now
        self.endpoint = endpoint
    }

    /// WireGuard has something for the peer.
    mutating func caught(_ packet: [UInt8], at now: ContinuousClock.Instant) {
        if lazy.caught.count < Self.mostCaught, lazy.isAsleep || isTrapped { lazy.caught.append(packet) }
        wake(at: now)
    }

    /// The peer offers itself while we sleep.
    mutating func wakeByPeer(at now: ContinuousClock.Instant) {
        let isQuick = lazy.hasToldPeer && lazy.fellAsleep.map { now - $0 < Self.quickWake } ?? false
        lazy.quickWakes = isQuick ? lazy.quickWakes + 1 : 0
        wake(at: now)
    }

    mutating func wake(at now: ContinuousClock.Instant) {
        guard lazy.isAsleep else { return }
        lazy.isAsleep = false
        lazy.isUndecided = false
        lazy.meter = IdleMeter(at: now)
        offerNow(at: now)
    }

    /// Sends what was caught, now that there is a way.
    ///
    /// - Parameter local: where a direct path begins; `nil`: the way leads over the relay.
    mutating func release(from local: Endpoint?, to remote: Endpoint) -> [Effect] {
        let packets = lazy.caught
        lazy.caught = []
        if packets.isEmpty { return [] }
        guard let local else { return [.relay(.send(peer, packets))] }
        return packets.map { .send(Datagram(local: local, remote: remote, bytes: $0)) }
    }
}

extension AgentCore {
    /// Who may sleep: peers that know how to, and lead to no networks, with us leading to none.
    mutating func renewLaziness(at now: ContinuousClock.Instant, isNew: Set<PublicKey>) {
        guard let map else { return }
        let isWanted =
            switch configuration.lazy.mode {
            case .on: true
            case .off: false
            case .automatic: own?.isLazyConnectionEnabled ?? false
            }
        let gateways = Set(map.routes.map(\.routingPeer))
        for peer in map.peers {
            guard var session = sessions[peer.publicKey] else { continue }
            let isAllowed =
                isWanted && !gateways.contains(peer.publicKey) && !gateways.contains(configuration.publicKey)
                && AgentVersion(peer.agentVersion) >= Self.firstLazyVersion
            let isNew = isNew.contains(peer.publicKey)
            guard isNew && isAllowed || session.lazy.isAllowed != isAllowed else { continue }
            session.allowSleep(isAllowed, isNew: isNew, at: now)
            put(session, for: peer.publicKey)
        }
    }

    mutating func measureIdleness(at now: ContinuousClock.Instant) -> [Effect] {
        var effects: [Effect] = []
        for peer in sessions.filter({ $0.value.lazy.isAllowed }).keys.sorted() {
            guard let observation = observed[peer] else { continue }
            let inactivity = configuration.lazy.inactivity
            effects += drive(peer) { session, _, random in
                session.measure(observation, inactivity: inactivity, at: now, random: &random)
            }
        }
        return effects
    }

    /// Source: spec/wire/ice.md 9.
    private static let firstLazyVersion = AgentVersion.release(major: 0, minor: 45, patch: 0)
}

/// When peers without traffic sleep.
public struct LazyPolicy: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable {
        /// As the control plane says.
        case automatic = "auto"
        case on
        case off
    }

    public var mode: Mode
    /// Without traffic for so long, a peer goes to sleep.
    public var inactivity: Duration

    public init(mode: Mode = .automatic, inactivity: Duration = .seconds(900)) {
        self.mode = mode
        self.inactivity = inactivity
    }
}
