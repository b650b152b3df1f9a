import MeshModel

/// Every resource that policies lead to, with groups turned into peers: who leads there, who may go there.
///
/// Source: spec/wire/management.md A10.5.
struct ResourceDistribution: Hashable, Sendable {
    struct ResolvedResource: Hashable, Sendable {
        let id: ResourceID
        let resource: Resource
        /// Existing, validated peers and how each leads there.
        let routers: [PeerID: Way]
        /// All enabled rules of the policies that lead here, in order; not empty.
        let accessRules: [RouteDistribution.AccessRule]
        /// Sources of any of them.
        let clients: Set<PeerID>
    }

    struct Way: Hashable, Sendable {
        let metric: Int
        let masquerade: Bool
    }

    let resources: [ResourceID: ResolvedResource]
    /// In the order of their identifiers.
    private let resourcesByRouter: [PeerID: [ResourceID]]
    private let resourcesByClient: [PeerID: [ResourceID]]

    init(_ directory: Directory, policies: PolicyResolution) {
        var members = MembersOfGroups(directory)
        let rules = ResourceRules(directory, policies)
        var resources: [ResourceID: ResolvedResource] = [:]
        for (_, network) in directory.networks.sorted(by: { $0.key < $1.key }) {
            let routers = ways(of: network, &members)
            for (id, resource) in network.resources where resource.isEnabled {
                let accessRules = rules.leading(to: id)
                guard !accessRules.isEmpty else { continue }
                resources[id] = ResolvedResource(
                    id: id,
                    resource: resource,
                    routers: routers,
                    accessRules: accessRules,
                    clients: Set(accessRules.flatMap(\.sources))
                )
            }
        }
        var byRouter: [PeerID: [ResourceID]] = [:]
        var byClient: [PeerID: [ResourceID]] = [:]
        for (id, resolved) in resources.sorted(by: { $0.key < $1.key }) {
            for router in resolved.routers.keys { byRouter[router, default: []].append(id) }
            for client in resolved.clients { byClient[client, default: []].append(id) }
        }
        self.resources = resources
        resourcesByRouter = byRouter
        resourcesByClient = byClient
    }

    /// Resources that the peer itself leads to.
    func served(by router: PeerID) -> [ResolvedResource] {
        (resourcesByRouter[router] ?? []).compactMap { resources[$0] }
    }

    /// Resources that the peer may go to by way of others.
    func reached(by client: PeerID) -> [ResolvedResource] {
        (resourcesByClient[client] ?? []).compactMap { resources[$0] }.filter { $0.routers[client] == nil }
    }

    /// Whom the peer must be connected with for the sake of resources: those it leads there, those who lead it there.
    ///
    /// No access to these peers themselves comes with it.
    func peers(of peer: PeerID) -> Set<PeerID> {
        var result = served(by: peer).reduce(into: Set<PeerID>()) { $0.formUnion($1.clients) }
        for resource in reached(by: peer) { result.formUnion(resource.routers.keys) }
        result.remove(peer)
        return result
    }

    /// The ways to the peer's resources, its own among them, in the order of their identifiers.
    func offers(to peer: PeerID) -> [RouteOffer] {
        let own = served(by: peer).flatMap { $0.offers(by: [peer]) }
        return own + reached(by: peer).flatMap { $0.offers(by: $0.routers.keys.sorted()) }
    }
}

extension ResourceDistribution.ResolvedResource {
    func offers(by peers: [PeerID]) -> [RouteOffer] {
        peers.compactMap { router in
            guard let way = routers[router] else { return nil }
            return RouteOffer(
                id: "\(id):\(router)",
                router: router,
                networkID: resource.name,
                destination: resource.destination,
                metric: way.metric,
                masquerade: way.masquerade,
                keepRoute: true,
                skipAutoApply: false
            )
        }
    }

    /// Who may go there, as the routing peer is told. Rules without a source are left out, unlike those of routes.
    func firewallRules(for routerID: PeerID, _ router: Peer, _ directory: Directory) -> [RouteFirewallRule] {
        let guarded = GuardedRoute(id: "\(id):\(routerID)", destination: resource.destination)
        return accessRules.flatMap { access in
            let sources = access.sources.filter { $0 != routerID }.compactMap { directory.peers[$0] }
            return guarded.rules(of: access.rule, from: sources, for: router)
        }.filter { !$0.sources.isEmpty }
    }
}

/// Of several ways by one peer the one with the lowest metric.
private func ways(
    of network: Network,
    _ members: inout MembersOfGroups
) -> [PeerID: ResourceDistribution.Way] {
    var ways: [PeerID: ResourceDistribution.Way] = [:]
    for router in network.routers where router.isEnabled {
        let way = ResourceDistribution.Way(metric: router.metric, masquerade: router.masquerade)
        for peer in members.expand(router.peers) {
            guard let other = ways[peer] else {
                ways[peer] = way
                continue
            }
            // Ties go to the way that hides nothing, so that the order of the list does not matter.
            if (way.metric, way.masquerade ? 1 : 0) < (other.metric, other.masquerade ? 1 : 0) { ways[peer] = way }
        }
    }
    return ways
}

/// Which rules lead to a resource, by itself or by a group that holds it.
private struct ResourceRules {
    private let byPolicy: [PolicyID: [RouteDistribution.AccessRule]]
    private let policiesByResource: [ResourceID: Set<PolicyID>]

    init(_ directory: Directory, _ policies: PolicyResolution) {
        var leading: [ResourceID: Set<PolicyID>] = [:]
        for resolved in policies.rules {
            switch resolved.rule.destinations {
            case .peer: break
            case .resource(let id): leading[id, default: []].insert(resolved.policy)
            case .groups(let groups):
                for id in groups.compactMap({ directory.groups[$0] }).flatMap(\.resources) {
                    leading[id, default: []].insert(resolved.policy)
                }
            }
        }
        policiesByResource = leading
        let interesting = leading.values.reduce(into: Set<PolicyID>()) { $0.formUnion($1) }
        byPolicy = Dictionary(grouping: policies.rules.filter { interesting.contains($0.policy) }, by: \.policy)
            .mapValues { rules in
                rules.map { RouteDistribution.AccessRule(rule: $0.rule, sources: $0.sortedSources) }
            }
    }

    func leading(to resource: ResourceID) -> [RouteDistribution.AccessRule] {
        (policiesByResource[resource] ?? []).sorted().flatMap { byPolicy[$0] ?? [] }
    }
}
