/// The store's identifier of a network.
package struct NetworkID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// The store's identifier of a resource; unique in the account.
package struct ResourceID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// A place with resources, and the peers that lead there.
///
/// Unlike with a `Route`, policies alone decide who gets to a resource; without one nobody does.
/// Source: spec/wire/management.md A10.5.
package struct Network: Hashable, Sendable {
    package var resources: [ResourceID: Resource]
    package var routers: [NetworkRouter]

    package init(resources: [ResourceID: Resource] = [:], routers: [NetworkRouter] = []) {
        self.resources = resources
        self.routers = routers
    }
}

/// A host, a subnet or a domain in a network.
package struct Resource: Hashable, Sendable {
    /// Clients know the route by it.
    package var name: String
    package var isEnabled: Bool
    package var destination: RouteDestination

    package init(name: String, isEnabled: Bool = true, destination: RouteDestination) {
        self.name = name
        self.isEnabled = isEnabled
        self.destination = destination
    }
}

/// Peers that lead into a network.
package struct NetworkRouter: Hashable, Sendable {
    package var isEnabled: Bool
    package var peers: RouterSelection
    /// Lower wins; 1 to 9999.
    package var metric: Int
    package var masquerade: Bool

    package init(isEnabled: Bool = true, peers: RouterSelection, metric: Int = 9999, masquerade: Bool = true) {
        self.isEnabled = isEnabled
        self.peers = peers
        self.metric = metric
        self.masquerade = masquerade
    }
}
