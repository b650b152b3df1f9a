package import MeshModel

/// The store's identifier of a route.
package struct RouteID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// A network behind one or more routing peers, for the peers of some groups.
///
/// Routes with the same `networkID` and destination back each other up: a client takes the best that works.
/// Source: spec/wire/management.md A10.4.
package struct Route: Hashable, Sendable {
    /// The name that the administrator gave the network.
    package var networkID: String
    package var isEnabled: Bool
    package var destination: RouteDestination
    package var routers: RouterSelection
    /// Whose members get the route.
    package var distributionGroups: Set<GroupID>
    /// Policies to these groups decide who may use it; empty: everybody who gets it.
    package var accessGroups: Set<GroupID>
    /// Lower wins; 1 to 9999.
    package var metric: Int
    package var masquerade: Bool
    /// Keep the addresses of a domain route after their TTL.
    package var keepRoute: Bool
    /// An exit node that the user must choose explicitly.
    package var skipAutoApply: Bool

    package init(
        networkID: String,
        isEnabled: Bool = true,
        destination: RouteDestination,
        routers: RouterSelection,
        distributionGroups: Set<GroupID>,
        accessGroups: Set<GroupID> = [],
        metric: Int = 9999,
        masquerade: Bool = true,
        keepRoute: Bool = false,
        skipAutoApply: Bool = false
    ) {
        self.networkID = networkID
        self.isEnabled = isEnabled
        self.destination = destination
        self.routers = routers
        self.distributionGroups = distributionGroups
        self.accessGroups = accessGroups
        self.metric = metric
        self.masquerade = masquerade
        self.keepRoute = keepRoute
        self.skipAutoApply = skipAutoApply
    }
}

/// Where a route leads.
package enum RouteDestination: Hashable, Sendable {
    /// Host bits zero.
    case prefix(IPPrefix)
    /// Punycode, not empty; `*.` in front covers every name below.
    case domains([String])

    var prefix: IPPrefix? {
        if case .prefix(let prefix) = self { prefix } else { nil }
    }

    var domains: [String] {
        if case .domains(let domains) = self { domains } else { [] }
    }
}

/// Who carries a route.
package enum RouterSelection: Hashable, Sendable {
    case peer(PeerID)
    /// Every member of every group.
    case groups(Set<GroupID>)
}
