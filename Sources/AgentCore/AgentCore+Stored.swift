public import MeshModel

/// The map of last time, read from disk: what an agent goes by while no server says anything.
public struct StoredNetworkMap: Hashable, Sendable {
    public var map: NetworkMap
    /// Seconds since 1970 when it came from the control plane.
    public var receivedSeconds: Int64

    public init(map: NetworkMap, receivedSeconds: Int64) {
        self.map = map
        self.receivedSeconds = receivedSeconds
    }
}

extension AgentCore {
    /// Takes the map of last time unless the control plane has spoken already.
    mutating func adopt(_ stored: StoredNetworkMap, at now: ContinuousClock.Instant) -> [Effect] {
        guard map == nil else { return [.ignored("a stored map, when a fresh one is in force")] }
        let effects = adopt(stored.map, at: now)
        mapStoredSeconds = stored.receivedSeconds
        return effects
    }

    /// Remembers where each peer of the map was when the kernel last completed a handshake with it.
    ///
    /// An endpoint without a handshake proves nothing: it may be our own guess. A relay's end on our loopback is nowhere.
    ///
    /// - Returns: whether a peer was found that had not been, so that it wants keepalives.
    mutating func remember(_ observations: [PublicKey: PeerObservation]) -> Bool {
        var hasFound = false
        for (peer, observation) in observations where observation.latestHandshakeSeconds > 0 {
            guard sessions[peer] != nil else { continue }
            hasFound = hasFound || (observed[peer]?.latestHandshakeSeconds ?? 0) == 0
            guard let endpoint = observation.endpoint, !endpoint.address.isLoopback else { continue }
            lastEndpoints[peer] = endpoint
        }
        return hasFound
    }
}
