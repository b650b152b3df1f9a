public import MeshModel

/// What the kernel holds of policy routing: the rules of everybody, and the guards in our table.
public struct PolicySnapshot: Hashable, Sendable {
    /// Of both families, whoever made them.
    public var rules: [RoutingRule]
    /// Routes of our table that refuse packets (`unreachable`), whoever made them.
    public var guards: [Route]

    public init(rules: [RoutingRule] = [], guards: [Route] = []) {
        self.rules = rules
        self.guards = guards
    }
}

/// What to change, in two parts, around the changes to the routes themselves.
public struct PolicyPlan: Hashable, Sendable {
    /// Before routes go: nobody is sent to a table that is about to be emptied.
    public var removals: [RoutingOperation]
    /// After routes came: guards, then the rules that make them count.
    public var additions: [RoutingOperation]

    public init(removals: [RoutingOperation], additions: [RoutingOperation]) {
        self.removals = removals
        self.additions = additions
    }

    public var operations: [RoutingOperation] { removals + additions }
}

/// Lists the changes that turn `current` into `desired`. Rules and routes without our marks are left alone.
///
/// Pure: equal inputs give equal output, and a host that holds what is desired needs nothing.
///
/// - Parameters:
///   - desired: `nil` removes exactly what is ours.
///   - marks: says which rules and guards are ours.
public func plan(current: PolicySnapshot, desired: PolicyRouting?, marks: OwnerMarks) -> PolicyPlan {
    let heldRules = Set(current.rules.filter(marks.own))
    let others = current.rules.filter { !marks.own($0) }
    let wantedRules = desired.map { Set($0.rules(besides: others)) } ?? []
    let heldGuards = Set(current.guards.filter { $0.routeProtocol == marks.routeProtocol }.map(\.guardKey))
    let wantedGuards = desired.map { Set($0.guards) } ?? []
    return PolicyPlan(
        removals: heldRules.subtracting(wantedRules).sorted(by: inOrder).map { .removeRule($0) }
            + heldGuards.subtracting(wantedGuards.map(\.guardKey)).sorted(by: inOrder).map { .removeRoute($0) },
        additions: wantedGuards.filter { !heldGuards.contains($0.guardKey) }.sorted(by: inOrder)
            .map { .addRoute($0) }
            + wantedRules.subtracting(heldRules).sorted(by: inOrder).map { .addRule($0) }
    )
}

extension PolicyRouting {
    /// How many priorities an instance takes.
    static let rulesPerFamily: UInt32 = 3
    private static let localTable: UInt32 = 255
    private static let mainTable: UInt32 = 254

    /// Our rules for both families.
    ///
    /// On a host with VRFs the administrator moves the rule for the local table behind that of the VRFs, and so behind
    /// ours; then we ask the local table ourselves, or packets to this host would go into the tunnel.
    /// Source: Documentation/networking/vrf.rst.
    func rules(besides others: [RoutingRule]) -> [RoutingRule] {
        [true, false].flatMap { isV4 in
            let hasLocal = others.contains { rule in
                rule.isV4 == isV4 && rule.priority < priority && rule.action == .lookUp(table: Self.localTable)
                    && !rule.isL3Master
            }
            let local = RoutingRule(isV4: isV4, priority: priority, .lookUp(table: Self.localTable))
            return (hasLocal ? [] : [local]) + [
                // A route of the host's own that is better than a default route keeps its traffic.
                RoutingRule(
                    isV4: isV4,
                    priority: priority + 1,
                    .lookUp(table: Self.mainTable),
                    suppressPrefixLength: 0
                ),
                RoutingRule(
                    isV4: isV4,
                    priority: priority + 2,
                    .lookUp(table: table),
                    isInverted: true,
                    fwmark: fwmark
                ),
            ]
        }
    }

    /// The last routes of our table while an exit node is in use: they are there when the link and its routes are not, and
    /// for the family that the exit node does not carry.
    var guards: [Route] {
        guard hasExitNode else { return [] }
        return ["0.0.0.0/0", "::/0"].compactMap { IPPrefix($0) }
            .map { Route(.unreachable, to: $0, table: table, metric: Self.guardMetric) }
    }

    /// Worse than any other; the very last number is IPv6's own for "no route".
    private static let guardMetric: UInt32 = .max - 1
}

extension Route {
    /// What counts of a guard; the kernel reports more (such as a scope) than was asked for.
    fileprivate var guardKey: Route {
        Route(kind, to: destination, table: table, metric: metric, routeProtocol: routeProtocol)
    }
}

private func inOrder(_ a: RoutingRule, _ b: RoutingRule) -> Bool {
    if a.isV4 != b.isV4 { return a.isV4 }
    return a.priority == b.priority ? a.description < b.description : a.priority < b.priority
}

private func inOrder(_ a: Route, _ b: Route) -> Bool {
    a.destination == b.destination ? a.metric < b.metric : a.destination < b.destination
}
