import MeshModel

/// What a map offers of routes, in the user's terms: networks and exit nodes by name.
///
/// Left out are routes that can never be ours: prefixes that would hide the overlay or cannot be routed, routing peers that
/// are not in the map, and groups that we serve ourselves (source: spec/agent/route-selection.md 1).
struct RouteCatalog: Hashable, Sendable {
    /// A routing peer of a prefix.
    struct Member: Hashable, Sendable {
        var peer: PublicKey
        var metric: Int
    }

    /// Everything but default routes under one name.
    struct Network: Hashable, Sendable {
        var name: String
        /// Members sorted by metric and key; one entry a peer, never empty.
        var prefixes: [IPPrefix: [Member]] = [:]
        /// Names whose addresses are routed; shown only, until names are resolved.
        var domains: Set<String> = []
    }

    /// The default routes of both families under one name, as one object.
    struct ExitNode: Hashable, Sendable {
        var name: String
        /// 0.0.0.0/0; empty: none.
        var v4: [Member] = []
        /// ::/0; empty: none.
        var v6: [Member] = []
        /// The families for which the control plane asks without the user's word.
        fileprivate(set) var autoApplied: Set<IPPrefix> = []

        /// Whether it may be used without the user's word. The IPv4 half decides for both: the control plane may have
        /// flipped only one of them so far.
        var isAutoApplied: Bool { autoApplied.contains(v4.isEmpty ? RouteCatalog.defaultV6 : RouteCatalog.defaultV4) }
        /// The lowest of the half that decides.
        var metric: Int { (v4.isEmpty ? v6 : v4).first?.metric ?? .max }
        var prefixes: [IPPrefix] {
            (v4.isEmpty ? [] : [RouteCatalog.defaultV4]) + (v6.isEmpty ? [] : [RouteCatalog.defaultV6])
        }

        func members(of prefix: IPPrefix) -> [Member] { prefix.isV4 ? v4 : v6 }
    }

    private(set) var networks: [String: Network] = [:]
    private(set) var exitNodes: [String: ExitNode] = [:]
    /// Names of IPv6 halves that belong to an exit node of another name.
    private(set) var exitAliases: [String: String] = [:]

    static let defaultV4 = defaultRoute("0.0.0.0/0")
    static let defaultV6 = defaultRoute("::/0")
    /// How the control plane names the IPv6 half of the exit node `X`: `X-v6`.
    private static let v6Suffix = "-v6"

    init() {}

    /// - Parameters:
    ///   - own: we ourselves, as a routing peer.
    ///   - overlays: the mesh's own networks.
    init(routes: [NetworkRoute], peers: Set<PublicKey>, own: PublicKey, overlays: [IPPrefix]) {
        var groups = Self.groups(of: routes)
        let served = Set(groups.filter { $0.value.contains { $0.routingPeer == own } }.map(\.key))
        let names = Dictionary(
            uniqueKeysWithValues: groups.keys.filter(\.isDefault).map { ($0, Self.exitName(of: $0, among: groups)) }
        )
        let servedExits = Set(served.compactMap { names[$0] })
        for key in groups.keys { groups[key]?.removeAll { !peers.contains($0.routingPeer) } }

        for (key, group) in groups where !group.isEmpty && !served.contains(key) {
            guard let prefix = key.prefix else {
                networks[key.networkID, default: Network(name: key.networkID)].domains.formUnion(
                    group.flatMap(\.domains)
                )
                continue
            }
            if let name = names[key] {
                guard !servedExits.contains(name) else { continue }
                add(group, of: prefix, toExitNode: name)
                if key.networkID != name { exitAliases[key.networkID] = name }
            } else if Self.isRoutable(prefix, overlays: overlays) {
                networks[key.networkID, default: Network(name: key.networkID)].prefixes[prefix] = Self.members(group)
            }
        }
        // A name that is an exit node itself means that one.
        exitAliases = exitAliases.filter { exitNodes[$0.key] == nil }
    }

    /// The exit node that a user means by `name`; the name of its IPv6 half means the whole.
    func exitNode(named name: String) -> ExitNode? { exitNodes[exitAliases[name] ?? name] }

    // MARK: - Groups

    /// Source: spec/agent/route-selection.md 1, *HA unique id*.
    private struct GroupKey: Hashable {
        var networkID: String
        /// `nil`: by domains.
        var prefix: IPPrefix?
        var isDefault: Bool { prefix?.length == 0 }
    }

    private static func groups(of routes: [NetworkRoute]) -> [GroupKey: [NetworkRoute]] {
        Dictionary(grouping: routes) { GroupKey(networkID: name(of: $0), prefix: $0.prefix?.network) }
    }

    /// What the user calls a route; one whose name no command could carry goes by its prefix.
    private static func name(of route: NetworkRoute) -> String {
        let longest = RouteIntent.longestName
        if (1...longest).contains(route.networkID.utf8.count) { return route.networkID }
        return route.prefix.map { "\($0.network)" } ?? "unnamed"
    }

    /// By name *and* prefixes: a 0.0.0.0/0 that is called `us-v6` is an exit node of its own.
    private static func exitName(of key: GroupKey, among groups: [GroupKey: [NetworkRoute]]) -> String {
        guard key.prefix == defaultV6, key.networkID.hasSuffix(v6Suffix) else { return key.networkID }
        let base = String(key.networkID.dropLast(v6Suffix.count))
        return groups[GroupKey(networkID: base, prefix: defaultV4)] == nil ? key.networkID : base
    }

    private mutating func add(_ group: [NetworkRoute], of prefix: IPPrefix, toExitNode name: String) {
        var node = exitNodes[name] ?? ExitNode(name: name)
        if prefix.isV4 {
            node.v4 = Self.members(group)
        } else {
            // Both `X` and `X-v6` may stand for the IPv6 half of one exit node.
            node.v6 = Self.merged(node.v6 + Self.members(group))
        }
        if group.contains(where: { !$0.skipAutoApply }) { node.autoApplied.insert(prefix) }
        exitNodes[name] = node
    }

    private static func members(_ group: [NetworkRoute]) -> [Member] {
        merged(group.map { Member(peer: $0.routingPeer, metric: $0.metric) })
    }

    /// One entry a peer, with its lowest metric; sorted by metric and key.
    static func merged(_ members: [Member]) -> [Member] {
        let metrics = Dictionary(members.map { ($0.peer, $0.metric) }, uniquingKeysWith: min)
        return metrics.map { Member(peer: $0.key, metric: $0.value) }
            .sorted { ($0.metric, $0.peer) < ($1.metric, $1.peer) }
    }

    /// Not a default route, and nothing that would hide the overlay or can never be routed.
    private static func isRoutable(_ prefix: IPPrefix, overlays: [IPPrefix]) -> Bool {
        let address = prefix.address
        return prefix.length > 0 && !address.isLoopback && !address.isLinkLocal && !address.isMulticast
            && !address.isUnspecified && !overlays.contains { $0.overlaps(prefix) }
    }

    private static func defaultRoute(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is a prefix") }
        return prefix
    }
}
