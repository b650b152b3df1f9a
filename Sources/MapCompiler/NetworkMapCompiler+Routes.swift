import MeshModel

extension RouteDistribution.Offer {
    /// The route as `target` is told about it: two for an exit node where it uses IPv6, none for IPv6 where it does not.
    func networkRoutes(by router: Peer, for target: Peer) -> [NetworkRoute] {
        let route = resolved.route
        let plain = NetworkRoute(
            id: id,
            networkID: route.networkID,
            prefix: route.destination.prefix,
            domains: route.destination.domains,
            routingPeer: router.publicKey,
            metric: route.metric,
            masquerade: route.masquerade,
            keepRoute: route.keepRoute,
            skipAutoApply: route.skipAutoApply
        )
        return plain.forms(for: target)
    }

    /// Who may use the route, as its routing peer `router` is told. Source: spec/wire/management.md A10.6.
    func firewallRules(for routerID: PeerID, _ router: Peer, _ directory: Directory) -> [RouteFirewallRule] {
        let route = resolved.route
        guard route.isEnabled else { return [] }
        let guarded = GuardedRoute(id: id, destination: route.destination)
        guard !route.accessGroups.isEmpty else { return guarded.openToAll(for: router) }
        return resolved.accessRules.flatMap { access in
            let sources = access.sources.filter { $0 != routerID }.compactMap { directory.peers[$0] }
            return guarded.rules(of: access.rule, from: sources, for: router)
        }
    }
}

extension NetworkRoute {
    /// Source: spec/wire/management.md A10.4.
    fileprivate func forms(for target: Peer) -> [NetworkRoute] {
        guard let prefix else { return [self] }
        guard target.usesIPv6 else { return prefix.isV4 ? [self] : [] }
        guard prefix == .anyV4 else { return [self] }
        var twin = self
        twin.id += twinIDSuffix
        twin.networkID += "-v6"
        twin.prefix = .anyV6
        return [self, twin]
    }
}

/// What a routing peer guards.
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

/// Tells the ::/0 that goes with an exit node's 0.0.0.0/0.
private let twinIDSuffix = "-v6-default"

extension IPPrefix {
    fileprivate static let anyV4 = any("0.0.0.0/0")
    fileprivate static let anyV6 = any("::/0")

    private static func any(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is a prefix") }
        return prefix
    }
}
