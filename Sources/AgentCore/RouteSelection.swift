import MeshModel
import Routing

/// What happens to an exit node's traffic when none of its gateways works.
public enum ExitFailurePolicy: String, Hashable, Sendable {
    /// It is held back: nothing leaves the host unprotected.
    case closed
    /// It takes the host's own default route.
    case open
}

/// The choice of routes and what the next one must remember.
struct RouteSelection: Hashable, Sendable {
    /// Why the exit node is what it is.
    enum ExitReason: Hashable, Sendable {
        /// The user wants none.
        case off
        /// Nobody asked for one.
        case nothingOffered
        /// It is the first of the user's, or the only one.
        case chosenByUser
        case automatic
        /// Another one before it does not work.
        case standby(for: String)
        /// Another one before it asks its clients to go elsewhere.
        case relief(for: String)
        /// None that would do works.
        case noneWorks
        /// None of the user's is in the map.
        case notInMap
    }

    var choice = RouteChoice()
    var exitReason: ExitReason = .nothingOffered
    var challenges: [IPPrefix: GatewayChallenge] = [:]

    /// When a challenge ends.
    var deadline: ContinuousClock.Instant? { challenges.values.lazy.map(\.deadline).min() }
}

/// Which prefixes have a route of ours, and who carries each.
///
/// Pure. Nothing of `previous` but the gateways in use and their challengers has a part in it: the exit node follows from map,
/// wish and health alone.
///
/// - Parameters:
///   - health: of the gateways that are watched; the others count as usable.
///   - previous: the last result.
func chooseRoutes(
    catalog: RouteCatalog,
    intent: RouteIntent,
    health: [PublicKey: GatewayMonitor.View],
    onExitFailure policy: ExitFailurePolicy,
    previous: RouteSelection,
    at now: ContinuousClock.Instant
) -> RouteSelection {
    var chooser = RouteChooser(health: health, previous: previous, now: now)
    for (prefix, members) in networkMembers(catalog: catalog, intent: intent) { chooser.carry(prefix, by: members) }
    chooser.chooseExit(among: ExitCandidates(catalog: catalog, intent: intent), policy: policy)
    return chooser.result
}

/// The members of every prefix that is on: all networks of one prefix back each other up, whatever their names.
func networkMembers(catalog: RouteCatalog, intent: RouteIntent) -> [IPPrefix: [RouteCatalog.Member]] {
    var members: [IPPrefix: [RouteCatalog.Member]] = [:]
    for network in catalog.networks.values where intent.isOn(network.name) {
        for (prefix, group) in network.prefixes {
            members[prefix] = members[prefix].map { RouteCatalog.merged($0 + group) } ?? group
        }
    }
    return members
}

/// The exit nodes that would do, the preferred one first.
struct ExitCandidates {
    let nodes: [RouteCatalog.ExitNode]
    /// What the user named, whether it is in the map or not; `nil`: the control plane decides.
    let names: [String]?
    let isOff: Bool

    init(catalog: RouteCatalog, intent: RouteIntent) {
        switch intent.exit {
        case .off: (nodes, names, isOff) = ([], nil, true)
        case .use(let wanted):
            var seen: Set<String> = []
            let found = wanted.compactMap { catalog.exitNode(named: $0) }.filter { seen.insert($0.name).inserted }
            (nodes, names, isOff) = (found, wanted, false)
        case .automatic(let except):
            let allowed = catalog.exitNodes.values.filter { $0.isAutoApplied && !except.contains($0.name) }
            (nodes, names, isOff) = (allowed.sorted { ($0.metric, $0.name) < ($1.metric, $1.name) }, nil, false)
        }
    }
}

private struct RouteChooser {
    let health: [PublicKey: GatewayMonitor.View]
    let previous: RouteSelection
    let now: ContinuousClock.Instant
    var result = RouteSelection()

    /// Who would carry a prefix for an exit node, and how well.
    private struct Outlook {
        var carriers: [IPPrefix: GatewayCandidate]
        var challenges: [IPPrefix: GatewayChallenge]
        var standing: GatewayCandidate.Standing
    }

    mutating func carry(_ prefix: IPPrefix, by members: [RouteCatalog.Member]) {
        let (winner, challenge) = selected(for: prefix, among: members)
        guard let winner else { return }
        result.choice.carriers[prefix] = .some(winner.standing == .dead ? nil : winner.peer)
        result.challenges[prefix] = challenge
    }

    mutating func chooseExit(among candidates: ExitCandidates, policy: ExitFailurePolicy) {
        guard !candidates.isOff else {
            result.exitReason = .off
            return
        }
        let outlooks = candidates.nodes.map { ($0, assess($0)) }
        guard let first = outlooks.first else { return chooseAbsentExit(candidates.names, policy: policy) }
        // The best standing, and of several the first.
        let (node, outlook) = outlooks.dropFirst().reduce(first) { $1.1.standing > $0.1.standing ? $1 : $0 }
        if outlook.standing == .dead {
            result.exitReason = .noneWorks
            guard policy == .closed else { return }
        } else if node.name != first.0.name {
            let isDraining = first.1.standing == .draining
            result.exitReason = isDraining ? .relief(for: first.0.name) : .standby(for: first.0.name)
        } else {
            result.exitReason = candidates.names == nil ? .automatic : .chosenByUser
        }
        result.choice.exitNode = node.name
        for (prefix, winner) in outlook.carriers {
            result.choice.carriers[prefix] = .some(winner.standing == .dead ? nil : winner.peer)
        }
        result.challenges.merge(outlook.challenges) { _, new in new }
    }

    /// What the user asked for is not there; their traffic must not go out unprotected for that.
    private mutating func chooseAbsentExit(_ names: [String]?, policy: ExitFailurePolicy) {
        guard let name = names?.first else { return }
        result.exitReason = .notInMap
        guard policy == .closed else { return }
        result.choice.exitNode = name
        for prefix in [RouteCatalog.defaultV4, RouteCatalog.defaultV6] {
            result.choice.carriers[prefix] = .some(nil)
        }
    }

    private func assess(_ node: RouteCatalog.ExitNode) -> Outlook {
        var outlook = Outlook(carriers: [:], challenges: [:], standing: .dead)
        for prefix in node.prefixes {
            let (best, challenge) = selected(for: prefix, among: node.members(of: prefix))
            guard var best else { continue }
            // One gateway for both families, if it serves both equally well: one place, one address to the world.
            if let v4 = outlook.carriers[RouteCatalog.defaultV4],
                let same = node.v6.first(where: { $0.peer == v4.peer }).map(candidate), same.standing == best.standing
            {
                best = same
            }
            outlook.carriers[prefix] = best
            outlook.challenges[prefix] = challenge
        }
        // The IPv4 half decides; a pair moves as one.
        let deciding = outlook.carriers[RouteCatalog.defaultV4] ?? outlook.carriers[RouteCatalog.defaultV6]
        outlook.standing = deciding?.standing ?? .dead
        return outlook
    }

    private func selected(
        for prefix: IPPrefix,
        among members: [RouteCatalog.Member]
    ) -> (GatewayCandidate?, GatewayChallenge?) {
        let incumbent = previous.choice.carriers[prefix] ?? nil
        let result = select(
            among: members.map(candidate),
            incumbent: incumbent,
            challenge: previous.challenges[prefix],
            at: now
        )
        return (result.winner, result.challenge)
    }

    private func candidate(_ member: RouteCatalog.Member) -> GatewayCandidate {
        let view = health[member.peer]
        return GatewayCandidate(
            peer: member.peer,
            metric: member.metric,
            standing: view?.standing ?? .usable,
            cost: view?.cost
        )
    }
}
