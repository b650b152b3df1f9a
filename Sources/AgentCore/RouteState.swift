import MeshModel
import Routing

/// The core's part for routes: wish, offer, choice, and the gateways that are watched for it.
struct RouteState: Sendable {
    var intent = RouteIntent()
    var catalog = RouteCatalog()
    private(set) var selection = RouteSelection()
    private(set) var monitor = GatewayMonitor()
    /// Times that traffic left a gateway because it stopped working.
    private(set) var failovers = 0

    /// Usable standbys that are watched beside the gateway in use: a second one, in case both fail together.
    private static let standbys = 2

    var deadline: ContinuousClock.Instant? { [monitor.deadline, selection.deadline].compactMap { $0 }.min() }

    mutating func tick(at now: ContinuousClock.Instant) -> [EchoRequest] { monitor.tick(at: now) }

    mutating func receive(_ reply: EchoReply, at now: ContinuousClock.Instant) { monitor.receive(reply, at: now) }

    mutating func observe(_ observations: [PublicKey: PeerObservation], at now: ContinuousClock.Instant) {
        monitor.observe(observations, at: now)
    }

    /// Whether the choice may have to change: a gateway's health has, or a challenge is over.
    mutating func isDue(at now: ContinuousClock.Instant) -> Bool {
        let isChallengeOver = selection.deadline.map { $0 <= now } ?? false
        return monitor.renewViews(at: now) || isChallengeOver
    }

    /// Chooses anew and watches the gateways of the choice.
    ///
    /// - Parameter address: our and a peer's overlay address of one family; `nil`: there is none.
    /// - Returns: what moved from one gateway to another.
    mutating func choose(
        onExitFailure policy: ExitFailurePolicy,
        at now: ContinuousClock.Instant,
        address: (PublicKey) -> (local: IPAddress, remote: IPAddress)?
    ) -> [CarrierMove] {
        let old = selection.choice
        choose(onExitFailure: policy, at: now)
        monitor.watch(targets(address: address), at: now)
        // A gateway that is watched no more counts as usable again, which may be news to what it serves alone.
        if monitor.renewViews(at: now) {
            choose(onExitFailure: policy, at: now)
            monitor.watch(targets(address: address), at: now)
        }
        return CarrierMove.between(old, selection.choice)
    }

    private mutating func choose(onExitFailure policy: ExitFailurePolicy, at now: ContinuousClock.Instant) {
        let old = selection.choice
        selection = chooseRoutes(
            catalog: catalog,
            intent: intent,
            health: monitor.views,
            onExitFailure: policy,
            previous: selection,
            at: now
        )
        failovers += CarrierMove.between(old, selection.choice).count { move in
            move.to != nil && move.from.map { standing(of: $0) < .usable && standing(of: $0) != .draining } ?? false
        }
    }

    /// Nothing is wanted: no routes, no echoes.
    mutating func clear(at now: ContinuousClock.Instant) {
        selection = RouteSelection()
        monitor.watch([:], at: now)
        _ = monitor.renewViews(at: now)
    }

    private func standing(of peer: PublicKey) -> GatewayCandidate.Standing { monitor.views[peer]?.standing ?? .usable }

    // MARK: - Whom to watch

    private func targets(
        address: (PublicKey) -> (local: IPAddress, remote: IPAddress)?
    ) -> [PublicKey: GatewayMonitor.Target] {
        var targets: [PublicKey: GatewayMonitor.Target] = [:]
        for group in watchedGroups() {
            for peer in group.peers {
                let isCarrier = group.hasAlternative && group.carriers.contains(peer)
                if isCarrier, targets[peer] != nil { targets[peer]?.role = .carrier }
                guard targets[peer] == nil, let address = address(peer) else { continue }
                targets[peer] = GatewayMonitor.Target(
                    local: address.local,
                    remote: address.remote,
                    role: isCarrier ? .carrier : .standby
                )
            }
        }
        return targets
    }

    private struct Group {
        var peers: [PublicKey]
        var carriers: Set<PublicKey>
        var hasAlternative: Bool
    }

    /// The gateways of exit nodes that would do, and of networks with more than one.
    private func watchedGroups() -> [Group] {
        var groups: [Group] = []
        let exits = ExitCandidates(catalog: catalog, intent: intent).nodes
        let exitPeers = distinct(exits.flatMap { $0.v4 + $0.v6 }.map(\.peer))
        if !exitPeers.isEmpty {
            groups.append(group(exitPeers, prefixes: [RouteCatalog.defaultV4, RouteCatalog.defaultV6]))
        }
        for (prefix, members) in networkMembers(catalog: catalog, intent: intent) where members.count > 1 {
            groups.append(group(members.map(\.peer), prefixes: [prefix]))
        }
        return groups
    }

    /// The carriers and the first usable others, with those that do not work before them: they may come back.
    private func group(_ peers: [PublicKey], prefixes: [IPPrefix]) -> Group {
        let carriers = Set(prefixes.compactMap { selection.choice.carriers[$0] ?? nil })
        var watched: [PublicKey] = []
        var usable = 0
        for peer in peers {
            let isCarrier = carriers.contains(peer)
            guard isCarrier || usable < Self.standbys else { continue }
            watched.append(peer)
            if !isCarrier, standing(of: peer) == .usable { usable += 1 }
        }
        return Group(peers: watched, carriers: carriers, hasAlternative: peers.count > 1)
    }

    private func distinct(_ peers: [PublicKey]) -> [PublicKey] {
        var seen: Set<PublicKey> = []
        return peers.filter { seen.insert($0).inserted }
    }
}
