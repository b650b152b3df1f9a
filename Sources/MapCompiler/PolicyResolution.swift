import MeshModel

/// Every enabled rule with its groups turned into peers, in an order that depends on identifiers alone.
struct PolicyResolution: Hashable, Sendable {
    struct ResolvedRule: Hashable, Sendable {
        let policy: PolicyID
        let rule: PolicyRule
        let sources: Set<PeerID>
        let destinations: Set<PeerID>
        /// The same in the order of their identifiers, sorted once for all maps.
        let sortedSources: [PeerID]
        let sortedDestinations: [PeerID]

        init(policy: PolicyID, rule: PolicyRule, sources: Set<PeerID>, destinations: Set<PeerID>) {
            self.policy = policy
            self.rule = rule
            self.sources = sources
            self.destinations = destinations
            sortedSources = sources.sorted()
            sortedDestinations = destinations.sorted()
        }
    }

    let rules: [ResolvedRule]

    init(_ directory: Directory) {
        rules = directory.policies.sorted { $0.key < $1.key }.flatMap { id, policy in
            let enabled = policy.isEnabled ? policy.rules.filter(\.isEnabled) : []
            return enabled.sorted { $0.id < $1.id }.map { rule in
                ResolvedRule(
                    policy: id,
                    rule: rule,
                    sources: directory.expand(rule.sources),
                    destinations: directory.expand(rule.destinations)
                )
            }
        }
    }
}

extension Directory {
    /// The existing, validated peers of a selection.
    ///
    /// Where the group of all peers is among several, it alone counts. Source: spec/wire/management.md A10,
    /// "Group expansion quirk".
    fileprivate func expand(_ selection: PeerSelection) -> Set<PeerID> {
        let candidates: Set<PeerID>
        switch selection {
        case .peer(let id): candidates = [id]
        case .resource: candidates = []
        case .groups(let ids):
            let listed = ids.compactMap { groups[$0] }
            let all = listed.filter(\.isAll)
            candidates = (all.isEmpty ? listed : all).reduce(into: []) { $0.formUnion($1.members) }
        }
        return candidates.filter { peers[$0]?.isValidated == true }
    }
}
