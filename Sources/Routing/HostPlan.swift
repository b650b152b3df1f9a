public import MeshModel

/// What to change, and what stands in the way.
public struct HostPlan: Hashable, Sendable {
    /// In order: first those of phase `.link`, then those of `.network`.
    public var operations: [HostOperation]
    /// Not empty: `operations` is empty, and nothing is touched until somebody resolves them.
    public var conflicts: [LinkConflict]

    public init(operations: [HostOperation], conflicts: [LinkConflict] = []) {
        self.operations = operations
        self.conflicts = conflicts
    }
}

/// A link with our name that is somebody else's.
public struct LinkConflict: Error, Hashable, Sendable, CustomStringConvertible {
    public var name: String
    /// `nil`: none.
    public var kind: String?
    /// `nil`: none.
    public var alias: String?

    public init(name: String, kind: String?, alias: String?) {
        self.name = name
        self.kind = kind
        self.alias = alias
    }

    public var description: String {
        let what = "kind \(kind ?? "none"), alias \(alias.map { "\"\($0)\"" } ?? "none")"
        return "link \(name) exists and is not ours (\(what)): rename or remove it, or choose another interface name"
    }
}

/// Lists the changes that turn `current` into `desired`, additions before removals.
///
/// Pure: equal inputs give equal output, and a host that holds what is desired needs nothing.
///
/// - Parameters:
///   - desired: `nil` removes exactly what is ours: the routes with our protocol through our link, then the link.
///   - alias: the owner mark to look for when `desired` is `nil`.
///   - routeProtocol: the owner mark of routes; routes with another one are left alone, even on our link.
public func plan(
    current: HostSnapshot,
    desired: HostConfiguration?,
    alias: String = linkAlias(instance: nil),
    routeProtocol: UInt8 = ownRouteProtocol
) -> HostPlan {
    guard let desired else { return removal(of: current, alias: alias, routeProtocol: routeProtocol) }
    let name = desired.link.name
    guard let link = current.links.first(where: { $0.name == name }) else {
        var operations: [HostOperation] = [
            .createLink(desired.link), .setAlias(link: name, alias: desired.link.alias),
        ]
        operations += desired.addresses.sorted().map { .addAddress(link: name, $0) }
        operations.append(.setUp(link: name))
        operations += desired.routes.sorted(by: inOrder).map { .addRoute(link: name, $0) }
        return HostPlan(operations: operations)
    }
    guard link.isOwned(alias: desired.link.alias) else {
        return HostPlan(operations: [], conflicts: [LinkConflict(name: name, kind: link.kind, alias: link.alias)])
    }
    var operations: [HostOperation] = []
    if link.alias != desired.link.alias { operations.append(.setAlias(link: name, alias: desired.link.alias)) }
    if link.mtuBytes != desired.link.mtuBytes {
        operations.append(.setMTU(link: name, mtuBytes: desired.link.mtuBytes))
    }
    let addresses = AddressChanges(held: current.addresses(of: link), desired: desired.addresses)
    operations += addresses.removedFirst.map { .removeAddress(link: name, $0) }
    operations += addresses.added.map { .addAddress(link: name, $0) }
    if !link.isUp { operations.append(.setUp(link: name)) }
    var routes = current.routes.filter { $0.linkIndex == link.index }
    if addresses.dropsV4Routes { routes.removeAll { $0.destination.isV4 } }
    operations += routeChanges(held: routes, link: name, desired: desired.routes, routeProtocol: routeProtocol)
    operations += addresses.removedLast.map { .removeAddress(link: name, $0) }
    return HostPlan(operations: operations)
}

/// Which addresses come and go, and in which order the kernel bears it.
private struct AddressChanges {
    var removedFirst: [IPPrefix]
    var added: [IPPrefix]
    var removedLast: [IPPrefix]
    /// The kernel drops every v4 route of a link with its last v4 address.
    var dropsV4Routes: Bool

    /// Additions come first, with one exception. A v4 address in the network of another is secondary to it and goes away
    /// with it (unless the sysctl promote_secondaries is set); so where the first address of a network goes and others
    /// stay or come, all of the network are removed, secondary ones first, and then added.
    init(held: [AddressSnapshot], desired: Set<IPPrefix>) {
        let heldPrefixes = Set(held.map(\.prefix))
        // The kernel's own link-local address is not ours to remove, and does no harm.
        let gone = heldPrefixes.subtracting(desired).filter { !$0.address.isLinkLocal }
        let leavingPrimaries = held.filter { gone.contains($0.prefix) && $0.prefix.isV4 && !$0.isSecondary }
        let desiredNetworks = Set(desired.map(\.network))
        let disturbed = Set(leavingPrimaries.map(\.prefix.network)).intersection(desiredNetworks)
        // Without a v4 address to come, the routes fall with the last one; so that is done before they are added.
        let keepsV4 = desired.contains(where: \.isV4)
        let first = held.filter { address in
            let prefix = address.prefix
            return prefix.isV4 && (disturbed.contains(prefix.network) || (gone.contains(prefix) && !keepsV4))
        }
        let firstPrefixes = Set(first.map(\.prefix))
        removedFirst =
            first.filter(\.isSecondary).map(\.prefix).sorted() + first.filter { !$0.isSecondary }.map(\.prefix).sorted()
        added = desired.subtracting(heldPrefixes.subtracting(firstPrefixes)).sorted()
        removedLast = gone.subtracting(firstPrefixes).sorted()
        let heldV4 = heldPrefixes.filter(\.isV4)
        dropsV4Routes = !heldV4.isEmpty && heldV4.isSubset(of: firstPrefixes)
    }
}

private func routeChanges(
    held: [RouteSnapshot],
    link: String,
    desired: Set<RouteConfiguration>,
    routeProtocol: UInt8
) -> [HostOperation] {
    let heldKeys = Set(held.map(RouteKey.init))
    let wantedKeys = Set(desired.map(RouteKey.init))
    // A route with the same key through our link does what we want, whoever made it; the kernel would refuse a second one.
    let missing = desired.filter { !heldKeys.contains(RouteKey($0)) }
    let stale = held.filter { $0.routeProtocol == routeProtocol && !wantedKeys.contains(RouteKey($0)) }
    return missing.sorted(by: inOrder).map { .addRoute(link: link, $0) }
        + stale.map(RouteConfiguration.init).sorted(by: inOrder).map { .removeRoute(link: link, $0) }
}

private func removal(of current: HostSnapshot, alias: String, routeProtocol: UInt8) -> HostPlan {
    guard let link = current.link else { return HostPlan(operations: []) }
    guard link.isOwned(alias: alias) else {
        return HostPlan(operations: [], conflicts: [LinkConflict(name: link.name, kind: link.kind, alias: link.alias)])
    }
    let routes = current.routes.filter { $0.linkIndex == link.index && $0.routeProtocol == routeProtocol }
    let removals = routes.map(RouteConfiguration.init).sorted(by: inOrder)
    return HostPlan(
        operations: removals.map { .removeRoute(link: link.name, $0) } + [.removeLink(link: link.name)]
    )
}

/// What the kernel tells routes of one link apart by.
private struct RouteKey: Hashable {
    let destination: IPPrefix
    let table: UInt32
    let metric: UInt32

    init(_ route: RouteConfiguration) {
        destination = route.destination.network
        table = route.table
        metric = effectiveMetric(route.metric, isV4: route.destination.isV4)
    }

    init(_ route: RouteSnapshot) {
        destination = route.destination
        table = route.table
        metric = route.metric
    }
}

/// IPv6 turns metric 0 into 1024 (`IP6_RT_PRIO_USER`, include/net/ip6_route.h).
private func effectiveMetric(_ metric: UInt32, isV4: Bool) -> UInt32 { metric == 0 && !isV4 ? 1024 : metric }

extension RouteConfiguration {
    fileprivate init(_ route: RouteSnapshot) {
        self.init(
            destination: route.destination,
            table: route.table,
            metric: route.metric,
            routeProtocol: route.routeProtocol
        )
    }
}

private func inOrder(_ a: RouteConfiguration, _ b: RouteConfiguration) -> Bool {
    if a.destination != b.destination { return a.destination < b.destination }
    return (a.table, a.metric, a.routeProtocol) < (b.table, b.metric, b.routeProtocol)
}
