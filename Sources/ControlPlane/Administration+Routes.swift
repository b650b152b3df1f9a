import MeshModel

extension Administration {
    /// Sorted by name.
    package func groups() async throws -> [GroupSummary] {
        try await store.groups().map { GroupSummary($0) }
    }

    /// - Throws: `ServerFailure` if the name is taken or cannot be shown.
    package func createGroup(name: String) async throws -> GroupSummary {
        GroupSummary(try await selecting { try await store.createGroup(name: name) })
    }

    /// - Parameter selector: identifier or name.
    /// - Throws: `ServerFailure` while a policy, a route or a setup key names it.
    package func deleteGroup(_ selector: String) async throws -> GroupSummary {
        GroupSummary(try await selecting { try await store.deleteGroup(matching: selector) })
    }

    /// - Parameter peer: identifier, name or public key.
    /// - Parameter group: identifier or name.
    package func setMember(_ peer: String, ofGroup group: String, to isMember: Bool) async throws -> GroupSummary {
        GroupSummary(try await selecting { try await store.setMember(peer, ofGroup: group, to: isMember) })
    }

    /// Sorted by the network's name, then metric.
    package func routes() async throws -> [RouteSummary] {
        try await store.routes().map { RouteSummary($0) }
    }

    package func createRoute(_ change: RouteChange) async throws -> RouteSummary {
        RouteSummary(try await selecting { try await store.createRoute(change) })
    }

    /// - Parameter selector: identifier or the network's name.
    package func updateRoute(_ selector: String, _ change: RouteChange) async throws -> RouteSummary {
        RouteSummary(try await selecting { try await store.updateRoute(matching: selector, change) })
    }

    /// - Parameter selector: identifier or the network's name.
    package func deleteRoute(_ selector: String) async throws -> RouteSummary {
        RouteSummary(try await selecting { try await store.deleteRoute(matching: selector) })
    }
}

/// A group as lists show it.
package struct GroupSummary: Codable, Sendable {
    package var id: String
    package var name: String
    /// Names of its hosts, sorted.
    package var peers: [String]

    init(_ group: StoredGroup) {
        id = group.record.id
        name = group.record.name
        peers = group.members
    }
}

/// A route as lists show it; hosts and groups by name.
package struct RouteSummary: Codable, Sendable {
    package var id: String
    package var networkID: String
    package var isEnabled: Bool
    /// `nil`: a route by domains.
    package var prefix: String?
    package var domains: [String]
    /// `nil`: the groups `peerGroups` carry it.
    package var peer: String?
    package var peerGroups: [String]
    /// Who gets it.
    package var groups: [String]
    /// Empty: everybody who gets it may use it.
    package var accessGroups: [String]
    package var metric: Int
    package var masquerade: Bool
    package var keepRoute: Bool
    package var isAutoApplied: Bool

    init(_ route: StoredRoute) {
        id = route.record.id
        networkID = route.record.networkID
        isEnabled = route.record.isEnabled
        prefix = route.record.prefix
        domains = route.record.domains
        peer = route.routerName
        peerGroups = route.groups[.router] ?? []
        groups = route.groups[.client] ?? []
        accessGroups = route.groups[.access] ?? []
        metric = route.record.metric
        masquerade = route.record.masquerade
        keepRoute = route.record.keepRoute
        isAutoApplied = !route.record.skipAutoApply
    }
}
