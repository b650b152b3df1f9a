public import RelayWire

/// Our side of one connection to a relay: who we are, which peers we ask for, whether the relay is alive.
///
/// Sans-IO, like `AgentCore`. Packets in bulk do not pass through it. Source: spec/wire/relay.md 5 and 6.
public struct RelayClient: Sendable {
    public enum Input: Sendable {
        /// The transport is there.
        case opened
        /// A message other than `transport`, which is the caller's.
        case message(RelayFrame)
        /// The transport is gone.
        case closed
        /// Tell when this peer comes and goes.
        case open(RelayPeerID)
        case close(RelayPeerID)
        case tick
    }

    public enum Effect: Hashable, Sendable {
        case send(RelayFrame)
        /// The relay took us; peers find us at its URL.
        case connected(url: String)
        case online(RelayPeerID)
        case offline(RelayPeerID)
        /// Close the transport: it is of no use.
        case disconnect(reason: String)
    }

    private enum State {
        case closed
        case authenticating(until: ContinuousClock.Instant)
        case connected(healthyUntil: ContinuousClock.Instant)
    }

    private let identity: RelayPeerID
    private var state = State.closed
    /// The peers we ask for, and whether each is there.
    private var peers: [RelayPeerID: Bool] = [:]

    /// Source: spec/wire/relay.md 5, step 4.
    private static let authenticationTimeout: Duration = .seconds(8)
    /// The relay checks every 25 s. Source: spec/wire/relay.md 5.1.
    private static let healthTimeout: Duration = .seconds(35)

    public init(identity: RelayPeerID) { self.identity = identity }

    /// When `.tick` is due; `nil` while nothing is awaited.
    public var deadline: ContinuousClock.Instant? {
        switch state {
        case .closed: nil
        case .authenticating(let until): until
        case .connected(let healthyUntil): healthyUntil
        }
    }

    public var isConnected: Bool {
        if case .connected = state { true } else { false }
    }

    /// - Parameter token: what opens the relay; asked for with `.opened` alone.
    public mutating func handle(_ input: Input, token: [UInt8], at now: ContinuousClock.Instant) -> [Effect] {
        switch input {
        case .opened:
            state = .authenticating(until: now + Self.authenticationTimeout)
            return [.send(.auth(identity, token: token))]
        case .message(let frame):
            return receive(frame, at: now)
        case .closed:
            state = .closed
            return peers.keys.sorted(by: isBefore).compactMap { setOffline($0) }
        case .open(let peer):
            guard peers[peer] == nil else { return [] }
            peers[peer] = false
            return isConnected ? [.send(.subscribe([peer]))] : []
        case .close(let peer):
            guard peers.removeValue(forKey: peer) != nil, isConnected else { return [] }
            return [.send(.unsubscribe([peer]))]
        case .tick:
            return tick(at: now)
        }
    }

    private mutating func receive(_ frame: RelayFrame, at now: ContinuousClock.Instant) -> [Effect] {
        switch (frame, state) {
        case (.authResponse(let url), .authenticating):
            state = .connected(healthyUntil: now + Self.healthTimeout)
            let wanted = peers.keys.sorted(by: isBefore)
            return [.connected(url: url)]
                + RelayFrame.messages(listing: wanted, as: RelayFrame.subscribe).map { .send($0) }
        case (.healthCheck, .connected):
            state = .connected(healthyUntil: now + Self.healthTimeout)
            return [.send(.healthCheck)]
        case (.peersOnline(let ids), .connected):
            return ids.compactMap { id in
                guard peers[id] == false else { return nil }
                peers[id] = true
                return .online(id)
            }
        case (.peersWentOffline(let ids), .connected):
            // Going offline does not renew the interest in coming online: asking again does.
            let gone = ids.filter { peers[$0] != nil }
            return gone.compactMap { setOffline($0) }
                + RelayFrame.messages(listing: gone, as: RelayFrame.subscribe).map { .send($0) }
        case (.close, _):
            return [.disconnect(reason: "the relay closed the connection")]
        default:
            return []  // what a relay does not send now, or a newer one may send
        }
    }

    private mutating func setOffline(_ peer: RelayPeerID) -> Effect? {
        guard peers[peer] == true else { return nil }
        peers[peer] = false
        return .offline(peer)
    }

    private func tick(at now: ContinuousClock.Instant) -> [Effect] {
        guard let deadline, deadline <= now else { return [] }
        return [
            .disconnect(reason: isConnected ? "the relay is silent" : "the relay does not answer; is the token valid?")
        ]
    }

    /// Any order, but always the same one.
    private func isBefore(_ one: RelayPeerID, _ other: RelayPeerID) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }
}
