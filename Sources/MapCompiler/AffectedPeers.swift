import MeshModel

/// Peers of `new` whose map (serial aside) can differ between the two directories.
///
/// Never too few; a few too many where a rule changes without effect. Peers that are gone are not among them: they get
/// the deletion notice instead.
package func affectedPeers(from old: Directory, to new: Directory) -> Set<PeerID> {
    let everybody = Set(new.peers.keys)
    guard old.network == new.network, old.domain == new.domain, old.settings == new.settings,
        old.forwarderPort == new.forwarderPort
    else { return everybody }

    let (oldPolicies, newPolicies) = (PolicyResolution(old), PolicyResolution(new))
    let (before, after) = (oldPolicies.rules, newPolicies.rules)
    var affected = changedPeers(old, new) { $0 }
    let visiblyChanged = changedPeers(old, new) { $0.map(PeerAspect.init) }
    for rule in before + after {
        if !rule.sources.isDisjoint(with: visiblyChanged) { affected.formUnion(rule.destinations) }
        if !rule.destinations.isDisjoint(with: visiblyChanged) { affected.formUnion(rule.sources) }
    }
    affected.formUnion(peersOfChangedRules(before, after))
    affected.formUnion(
        peersOfChangedRoutes(
            RouteDistribution(old, policies: oldPolicies).routes,
            RouteDistribution(new, policies: newPolicies).routes,
            visiblyChanged
        )
    )
    affected.formUnion(
        peersOfChangedResources(
            ResourceDistribution(old, policies: oldPolicies).resources,
            ResourceDistribution(new, policies: newPolicies).resources,
            visiblyChanged
        )
    )
    affected.formUnion(peersOfChangedNames(old, new))
    return affected.intersection(everybody)
}

/// Peers of which `aspect` differs between the directories; `nil` stands for a peer that is not there.
private func changedPeers<Aspect: Equatable>(
    _ old: Directory,
    _ new: Directory,
    _ aspect: (Peer?) -> Aspect
) -> Set<PeerID> {
    Set(old.peers.keys).union(new.peers.keys).filter { aspect(old.peers[$0]) != aspect(new.peers[$0]) }
}

/// What others get to see of a peer.
private struct PeerAspect: Equatable {
    let publicKey: PublicKey
    let address: IPAddress
    let addressV6: IPAddress?
    let usesIPv6: Bool
    let labels: [String]
    let agentVersion: String
    let sshPublicKey: String
    let isLoginExpired: Bool

    init(_ peer: Peer) {
        publicKey = peer.publicKey
        address = peer.address
        addressV6 = peer.addressV6
        usesIPv6 = peer.usesIPv6
        labels = [peer.label] + peer.extraLabels
        agentVersion = peer.meta.agentVersion
        sshPublicKey = peer.sshPublicKey
        isLoginExpired = peer.isLoginExpired
    }
}

/// Both ends of rules that came, went or changed; of a rule that only gained or lost members, these and their
/// counterparts.
private func peersOfChangedRules(
    _ before: [PolicyResolution.ResolvedRule],
    _ after: [PolicyResolution.ResolvedRule]
) -> Set<PeerID> {
    struct Key: Hashable {
        let policy: PolicyID
        let rule: PolicyRule
    }
    func keyed(_ rules: [PolicyResolution.ResolvedRule]) -> [Key: PolicyResolution.ResolvedRule] {
        Dictionary(rules.map { (Key(policy: $0.policy, rule: $0.rule), $0) }) { first, _ in first }
    }
    let old = keyed(before)
    let new = keyed(after)
    var affected: Set<PeerID> = []
    for key in Set(old.keys).union(new.keys) {
        let oldSources = old[key]?.sources ?? []
        let newSources = new[key]?.sources ?? []
        let oldDestinations = old[key]?.destinations ?? []
        let newDestinations = new[key]?.destinations ?? []
        let movedSources = oldSources.symmetricDifference(newSources)
        let movedDestinations = oldDestinations.symmetricDifference(newDestinations)
        affected.formUnion(movedSources)
        affected.formUnion(movedDestinations)
        if !movedSources.isEmpty { affected.formUnion(oldDestinations.union(newDestinations)) }
        if !movedDestinations.isEmpty { affected.formUnion(oldSources.union(newSources)) }
    }
    return affected
}

/// Routing peers and clients of routes that came, went or changed; of a route that only gained or lost clients, these.
private func peersOfChangedRoutes(
    _ old: [RouteID: RouteDistribution.ResolvedRoute],
    _ new: [RouteID: RouteDistribution.ResolvedRoute],
    _ visiblyChanged: Set<PeerID>
) -> Set<PeerID> {
    var affected: Set<PeerID> = []
    // Clients are what groups make of them: of routes for the same groups, once.
    var seenGroups: Set<Set<GroupID>> = []
    var reachedGroups: Set<Set<GroupID>> = []
    for id in Set(old.keys).union(new.keys) {
        let forms = [old[id], new[id]].compactMap { $0 }
        if let before = old[id], let after = new[id], before.route == after.route, before.routers == after.routers {
            if seenGroups.insert(after.route.distributionGroups).inserted {
                affected.formUnion(before.clients.symmetricDifference(after.clients))
            }
            let areSourcesSeenChanged = forms.contains { form in
                form.accessRules.contains { !visiblyChanged.isDisjoint(with: $0.sources) }
            }
            if before.accessRules != after.accessRules || areSourcesSeenChanged { affected.formUnion(after.routers) }
        } else {
            for form in forms { affected.formUnion(form.routers.union(form.clients)) }
        }
        guard forms.contains(where: { !$0.routers.isDisjoint(with: visiblyChanged) }) else { continue }
        for form in forms where reachedGroups.insert(form.route.distributionGroups).inserted {
            affected.formUnion(old[id]?.clients ?? [])
            affected.formUnion(new[id]?.clients ?? [])
        }
    }
    return affected
}

/// Routing peers and clients of resources that came, went or changed, and of those of which either end changed.
private func peersOfChangedResources(
    _ old: [ResourceID: ResourceDistribution.ResolvedResource],
    _ new: [ResourceID: ResourceDistribution.ResolvedResource],
    _ visiblyChanged: Set<PeerID>
) -> Set<PeerID> {
    var affected: Set<PeerID> = []
    for id in Set(old.keys).union(new.keys) {
        let forms = [old[id], new[id]].compactMap { $0 }
        let routers = forms.reduce(into: Set<PeerID>()) { $0.formUnion($1.routers.keys) }
        let clients = forms.reduce(into: Set<PeerID>()) { $0.formUnion($1.clients) }
        if old[id] != new[id] { affected.formUnion(routers.union(clients)) }
        if !routers.isDisjoint(with: visiblyChanged) { affected.formUnion(clients) }
        if !clients.isDisjoint(with: visiblyChanged) { affected.formUnion(routers) }
    }
    return affected
}

/// Peers that get other zones or resolvers.
private func peersOfChangedNames(_ old: Directory, _ new: Directory) -> Set<PeerID> {
    guard old.dns != new.dns || old.groups != new.groups else { return [] }
    let changed = new.peers.filter { id, peer in
        guard let before = old.peers[id] else { return false }  // a new peer is affected in any case
        return old.names(for: id, before) != new.names(for: id, peer)
    }
    return Set(changed.keys)
}
