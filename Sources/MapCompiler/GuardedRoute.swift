import MeshModel

/// What a routing peer guards, and who may pass. Source: spec/wire/management.md A10.6.
struct GuardedRoute {
    let id: String
    let destination: RouteDestination

    /// Everybody of the route's family.
    func openToAll(for router: Peer) -> [RouteFirewallRule] {
        guard let prefix = destination.prefix, !prefix.isV4 else {
            return pair(
                RouteFirewallRule(
                    sources: [.anyV4],
                    destination: destination.prefix,
                    domains: destination.domains,
                    routeID: id
                ),
                sourcesV6: [.anyV6],
                for: router
            )
        }
        guard router.usesIPv6 else { return [] }
        return [RouteFirewallRule(sources: [.anyV6], destination: prefix, routeID: id)]
    }

    /// One for each port and family. Where no source is left, the rule stays, and opens nothing.
    func rules(of rule: PolicyRule, from sources: [Peer], for router: Peer) -> [RouteFirewallRule] {
        let sourcesV4 = sources.map { IPPrefix(host: $0.address) }
        let sourcesV6 = sources.compactMap(\.addressV6).map { IPPrefix(host: $0) }
        let isV6 = destination.prefix.map { !$0.isV4 } ?? false
        if isV6, !router.usesIPv6 { return [] }
        return ports(of: rule).flatMap { ports in
            let plain = RouteFirewallRule(
                sources: isV6 ? sourcesV6 : sourcesV4,
                action: rule.action,
                destination: destination.prefix,
                domains: destination.domains,
                transport: rule.transport,
                ports: ports,
                policyID: rule.id,
                routeID: id
            )
            return isV6 ? [plain] : pair(plain, sourcesV6: sourcesV6, for: router)
        }
    }

    /// The rule, and its IPv6 twin where the destination has both families.
    private func pair(_ rule: RouteFirewallRule, sourcesV6: [IPPrefix], for router: Peer) -> [RouteFirewallRule] {
        let isDefault = rule.destination == .anyV4
        guard router.usesIPv6, isDefault || rule.destination == nil, !sourcesV6.isEmpty else { return [rule] }
        var twin = rule
        twin.sources = sourcesV6
        if isDefault {
            twin.destination = .anyV6
            twin.routeID += twinIDSuffix
        }
        return [rule, twin]
    }

    private func ports(of rule: PolicyRule) -> [FirewallRule.Ports] {
        guard rule.transport == .tcp || rule.transport == .udp else { return [.any] }
        if !rule.ports.isEmpty { return rule.ports.map { .one($0) } }
        return rule.portRanges.isEmpty ? [.any] : rule.portRanges.map { .range($0) }
    }
}
