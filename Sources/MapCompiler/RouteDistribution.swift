import MeshModel

/// Every route with its groups turned into peers: who carries it, who gets it, who may use it.
///
/// Source: spec/wire/management.md A10.4 and A10.6.
struct RouteDistribution: Hashable, Sendable {
    struct ResolvedRoute: Hashable, Sendable {
        let id: RouteID
        let route: Route
        /// Existing, validated peers.
        let routers: Set<PeerID>
        /// Existing, validated members of the distribution groups.
        let clients: Set<PeerID>
        /// Rules of the policies that lead to the access groups; each opens the route to some of the clients, in order.
        let accessRules: [AccessRule]
    }

    /// What one policy rule says about a route.
    struct AccessRule: Hashable, Sendable {
        let rule: PolicyRule
        let sources: [PeerID]
    }

    /// Routes that back each other up share it.
    struct HighAvailabilityID: Hashable {
        let networkID: String
        let destination: RouteDestination
    }

    let routes: [RouteID: ResolvedRoute]
    /// In the order of the routes' identifiers.
    private let routesByRouter: [PeerID: [RouteID]]

    init(_ directory: Directory, policies: PolicyResolution) {
        var members = MembersOfGroups(directory)
        var routes: [RouteID: ResolvedRoute] = [:]
        var byRouter: [PeerID: [RouteID]] = [:]
        for (id, route) in directory.routes.sorted(by: { $0.key < $1.key }) {
            let clients = members.union(of: route.distributionGroups)
            let resolved = ResolvedRoute(
                id: id,
                route: route,
                routers: members.expand(route.routers),
                clients: clients,
                accessRules: accessRules(of: route, for: clients, directory, policies)
            )
            routes[id] = resolved
            for router in resolved.routers { byRouter[router, default: []].append(id) }
        }
        self.routes = routes
        routesByRouter = byRouter
    }

    /// What the peer carries, switched-off routes included, in the order of their identifiers.
    func carried(by router: PeerID) -> [ResolvedRoute] {
        (routesByRouter[router] ?? []).compactMap { routes[$0] }
    }

    /// What the peer gets: all that it carries, and of `remotes` what is distributed to it, save other ways to
    /// destinations that it carries itself.
    func offers(to peer: PeerID, from remotes: [PeerID]) -> [RouteOffer] {
        let own = carried(by: peer)
        let destinations = Set(own.map(\.route.highAvailabilityID))
        var result = own.filter(\.route.isEnabled).map { $0.offer(by: peer) }
        for remote in remotes {
            for resolved in carried(by: remote)
            where resolved.route.isEnabled && resolved.clients.contains(peer)
                && !destinations.contains(resolved.route.highAvailabilityID)
            {
                result.append(resolved.offer(by: remote))
            }
        }
        return result
    }

    /// Routing peers of what is distributed to the peer. It learns their names, also without a policy between them.
    func advertisers(to peer: PeerID) -> Set<PeerID> {
        routes.values.filter { $0.route.isEnabled && $0.clients.contains(peer) }
            .reduce(into: []) { $0.formUnion($1.routers) }
    }
}

extension RouteDistribution.ResolvedRoute {
    func offer(by router: PeerID) -> RouteOffer {
        RouteOffer(
            id: offerID(by: router),
            router: router,
            networkID: route.networkID,
            destination: route.destination,
            metric: route.metric,
            masquerade: route.masquerade,
            keepRoute: route.keepRoute,
            skipAutoApply: route.skipAutoApply
        )
    }

    /// Who may use the route, as its routing peer is told.
    func firewallRules(for routerID: PeerID, _ router: Peer, _ directory: Directory) -> [RouteFirewallRule] {
        guard route.isEnabled else { return [] }
        let guarded = GuardedRoute(id: offerID(by: routerID), destination: route.destination)
        guard !route.accessGroups.isEmpty else { return guarded.openToAll(for: router) }
        return accessRules.flatMap { access in
            let sources = access.sources.filter { $0 != routerID }.compactMap { directory.peers[$0] }
            return guarded.rules(of: access.rule, from: sources, for: router)
        }
    }

    /// The route's identifier, with that of the routing peer where a group carries it.
    private func offerID(by router: PeerID) -> String {
        switch route.routers {
        case .peer: id.rawValue
        case .groups: "\(id):\(router)"
        }
    }
}

extension Route {
    var highAvailabilityID: RouteDistribution.HighAvailabilityID {
        RouteDistribution.HighAvailabilityID(networkID: networkID, destination: destination)
    }
}

/// The existing, validated members of groups, each group looked at once.
struct MembersOfGroups {
    private let directory: Directory
    private var known: [GroupID: Set<PeerID>] = [:]
    private var knownUnions: [Set<GroupID>: Set<PeerID>] = [:]

    init(_ directory: Directory) {
        self.directory = directory
    }

    mutating func union(of groups: Set<GroupID>) -> Set<PeerID> {
        if let known = knownUnions[groups] { return known }
        let union = groups.reduce(into: Set<PeerID>()) { union, group in
            let members = members(of: group)
            if union.isEmpty { union = members } else { union.formUnion(members) }
        }
        knownUnions[groups] = union
        return union
    }

    mutating func expand(_ routers: RouterSelection) -> Set<PeerID> {
        switch routers {
        case .peer(let id): directory.peers[id]?.isValidated == true ? [id] : []
        case .groups(let ids): union(of: ids)
        }
    }

    private mutating func members(of group: GroupID) -> Set<PeerID> {
        if let known = known[group] { return known }
        let members = (directory.groups[group]?.members ?? []).filter { directory.peers[$0]?.isValidated == true }
        known[group] = members
        return members
    }
}

/// All enabled rules of each enabled policy of which any rule leads to one of the route's access groups.
private func accessRules(
    of route: Route,
    for clients: Set<PeerID>,
    _ directory: Directory,
    _ policies: PolicyResolution
) -> [RouteDistribution.AccessRule] {
    guard !route.accessGroups.isEmpty else { return [] }
    let leading = directory.policies.filter { _, policy in
        policy.rules.contains { rule in
            if case .groups(let groups) = rule.destinations {
                !groups.isDisjoint(with: route.accessGroups)
            } else {
                false
            }
        }
    }
    return policies.rules.filter { leading[$0.policy] != nil }.map { resolved in
        RouteDistribution.AccessRule(
            rule: resolved.rule,
            sources: resolved.sortedSources.filter { clients.contains($0) }
        )
    }
}
