public import MeshModel

/// One routing peer of a network, as far as the choice among several depends on it.
public struct GatewayCandidate: Hashable, Sendable {
    /// How much a gateway may be trusted with traffic, worst first.
    public enum Standing: Int, Hashable, Sendable, Comparable {
        /// Nothing comes back from it.
        case dead
        /// It stopped answering; its counters have not confirmed its death yet.
        case silent
        /// It works, and asks its clients to go elsewhere.
        case draining
        /// It came back a short while ago.
        case recovering
        /// Nothing speaks against it.
        case usable

        public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    public var peer: PublicKey
    /// Lower wins.
    public var metric: Int
    public var standing: Standing
    /// Round trip through the tunnel with a penalty for loss; `nil`: not measured.
    public var cost: Duration?

    public init(peer: PublicKey, metric: Int, standing: Standing = .usable, cost: Duration? = nil) {
        self.peer = peer
        self.metric = metric
        self.standing = standing
        self.cost = cost
    }
}

/// A gateway that has been better than the one in use for some time; after `dwellTime` it takes over.
public struct GatewayChallenge: Hashable, Sendable {
    public var challenger: PublicKey
    public var since: ContinuousClock.Instant

    /// How long a gateway must have been better: 30 s, so that a burst of other traffic on its path is over.
    public static let dwellTime: Duration = .seconds(30)

    public init(challenger: PublicKey, since: ContinuousClock.Instant) {
        self.challenger = challenger
        self.since = since
    }

    public var deadline: ContinuousClock.Instant { since + Self.dwellTime }
}

/// Which of the routing peers of one network carries it.
///
/// Standing first, then the lowest metric. Among equals the incumbent stays until another one has been clearly cheaper for
/// `GatewayChallenge.dwellTime`; without an incumbent the cheapest wins, then the lowest key. Pure; the order of
/// `candidates` does not matter.
///
/// - Parameters:
///   - incumbent: who carries the network now; `nil`: nobody.
///   - challenge: what this function returned the last time for this network.
/// - Returns: the winner, even if it is dead; `nil` only if there is no candidate.
public func select(
    among candidates: [GatewayCandidate],
    incumbent: PublicKey?,
    challenge: GatewayChallenge?,
    at now: ContinuousClock.Instant
) -> (winner: GatewayCandidate?, challenge: GatewayChallenge?) {
    let ranked = candidates.sorted(by: precedes)
    guard let best = ranked.first else { return (nil, nil) }
    guard let current = ranked.first(where: { $0.peer == incumbent }), current.standing == best.standing,
        current.metric == best.metric
    else { return (best, nil) }
    guard best.peer != current.peer, isClearlyCheaper(best, than: current) else { return (current, nil) }
    let rise = challenge?.challenger == best.peer ? challenge : nil
    let standing = rise ?? GatewayChallenge(challenger: best.peer, since: now)
    return standing.deadline <= now ? (best, nil) : (current, standing)
}

private func precedes(_ a: GatewayCandidate, _ b: GatewayCandidate) -> Bool {
    if a.standing != b.standing { return a.standing > b.standing }
    if a.metric != b.metric { return a.metric < b.metric }
    switch (a.cost, b.cost) {
    case (let cost?, let other?) where cost != other: return cost < other
    case (_?, nil): return true
    case (nil, _?): return false
    default: return a.peer < b.peer
    }
}

/// By 30 % and 15 ms: the share keeps two distant gateways apart, the constant two near ones, whose round trips differ by
/// more than their paths do.
private func isClearlyCheaper(_ challenger: GatewayCandidate, than incumbent: GatewayCandidate) -> Bool {
    guard let cost = challenger.cost, let other = incumbent.cost else { return false }
    return cost * 13 / 10 + .milliseconds(15) < other
}
