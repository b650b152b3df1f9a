import MeshModel

/// Choosing the pair: RFC 8445, section 8.1.1, regular nomination.
extension ICEAgent {
    /// The pair the controlling side asks for now; `nil` while waiting may bring a better one.
    func nominee(at now: ContinuousClock.Instant) -> CandidatePair.Key? {
        pairsByPriority.first { pair in
            guard pair.state == .succeeded else { return false }
            let wait = max(ICETimers.acceptanceWait(pair.local.kind), ICETimers.acceptanceWait(pair.remote.kind))
            return start + wait <= now
        }?.key
    }

    /// Makes a pair the selected one, unless the other side asks for a worse one than it already agreed to.
    mutating func select(_ key: CandidatePair.Key, at now: ContinuousClock.Instant) -> [Effect] {
        guard let pair = pairs[key], key != selected else { return [] }
        if let current = selectedPair,
            pair.priority(isControlling: isControlling) < current.priority(isControlling: isControlling)
        {
            return [.ignored("nomination of a worse pair")]
        }
        selected = key
        lastHeard = now
        nextChecks = now + ICETimers.keepaliveInterval
        return [.selected(pair)]
    }
}
