public import MeshModel

/// What the core wants of the relays.
public enum RelayRequest: Hashable, Sendable {
    /// Make a way to the peer over this server (a URL, `rel://host:port` or `rels://host:port`), and keep it.
    case open(PublicKey, server: String)
    /// The way is not needed any more.
    case close(PublicKey)
    /// Catch the first packets that WireGuard sends to the peer from now on; instead of a way, and until there is one.
    case trap(PublicKey)
    /// Packets of WireGuard's that were caught, over the way.
    case send(PublicKey, [[UInt8]])
}

/// What the relays say.
public enum RelayEvent: Hashable, Sendable {
    /// Of the relay that we can be reached at; `nil`: the mesh has none.
    case home(ConnectionState?)
    /// Its URL, as peers are told; `nil`: none.
    case homeServer(String?)
    /// The peer is connected to the server too; what WireGuard sends to `endpoint` goes there.
    case ready(PublicKey, server: String, endpoint: Endpoint)
    /// The peer or the server is gone; the way is still wanted.
    case lost(PublicKey, server: String)
    /// Packets of the peer come over a relay; said at most once a second, and within a second of the last one.
    case carried(PublicKey)
    /// What WireGuard sends to `endpoint` is caught; `nil`: nothing can be.
    case trapped(PublicKey, endpoint: Endpoint?)
    case caught(PublicKey, packet: [UInt8])
}

extension AgentCore {
    mutating func receive(_ event: RelayEvent, at now: ContinuousClock.Instant) -> [Effect] {
        switch event {
        case .home(let state):
            relay = state
            return []
        case .homeServer(let server):
            guard server != homeRelay else { return [] }
            homeRelay = server
            return server == nil ? [] : announceRelay(at: now)
        case .ready(let peer, let server, let endpoint):
            return drive(peer) { session, context, _ in
                session.relayReady(server, endpoint, context, at: now)
            } + reconcileIfEndpointChanged()
        case .carried(let peer):
            return drive(peer) { session, _, _ in session.relayCarries() } + reconcileIfEndpointChanged()
        case .trapped(let peer, let endpoint):
            return drive(peer) { session, _, _ in
                if let endpoint { session.trapped(at: endpoint, since: now) } else { session.wake(at: now) }
                return []
            } + tick(at: now) + reconcileIfEndpointChanged()
        case .caught(let peer, let packet):
            return drive(peer) { session, _, _ in
                session.caught(packet, at: now)
                return []
            } + tick(at: now)
        case .lost(let peer, let server):
            return drive(peer) { session, _, random in
                session.relayLost(server, at: now, random: &random)
            } + reconcileIfEndpointChanged()
        }
    }

    /// Peers learn of our relay by an offer, and those that have told us theirs can be reached over it now.
    private mutating func announceRelay(at now: ContinuousClock.Instant) -> [Effect] {
        var effects: [Effect] = []
        for peer in sessions.keys.sorted() {
            effects += drive(peer) { session, context, _ in session.announceRelay(context) }
        }
        return effects
    }
}
