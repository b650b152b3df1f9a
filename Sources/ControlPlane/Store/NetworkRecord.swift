import GRDB

/// A place with resources, and those who lead there.
struct NetworkRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "network"

    var id: String
    /// Unique.
    var name: String
    var description = ""
}

/// A host, subnet or domain in a network. Its groups are `NetworkResourceGroupRecord`s.
struct NetworkResourceRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "networkResource"

    var id: String
    var networkID: String
    /// Unique in the network.
    var name: String
    var isEnabled: Bool
    /// A prefix, or a domain in punycode and lower case.
    var address: String
    var description = ""
}

/// A group by which policies lead to a resource.
struct NetworkResourceGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "networkResourceGroup"

    var resourceID: String
    var groupID: String
}

/// A peer that leads into a network, or the members of its `NetworkRouterGroupRecord`s.
struct NetworkRouterRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "networkRouter"

    var id: String
    var networkID: String
    var isEnabled: Bool
    /// `nil`: groups.
    var peerID: String?
    /// 1 to 9999, lower wins.
    var metric: Int
    var masquerade: Bool
}

/// A group whose members lead into a network.
struct NetworkRouterGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "networkRouterGroup"

    var routerID: String
    var groupID: String
}

/// A network with all that is in it, by name.
struct StoredNetwork: Sendable {
    struct Resource: Sendable {
        var record: NetworkResourceRecord
        /// Sorted.
        var groups: [String]
    }

    struct Router: Sendable {
        var record: NetworkRouterRecord
        /// `nil`: groups.
        var peer: String?
        /// Sorted.
        var groups: [String]
    }

    var record: NetworkRecord
    /// Sorted by name.
    var resources: [Resource]
    /// Sorted by metric.
    var routers: [Router]
}

/// A resource to be added.
package struct ResourceRequest: Sendable {
    package var name: String
    /// See `resourceAddress`.
    package var address: String
    /// Identifiers or names.
    package var groups: [String]

    package init(name: String, address: String, groups: [String]) {
        self.name = name
        self.address = address
        self.groups = groups
    }
}

/// Who shall lead into a network.
package struct RouterRequest: Sendable {
    package var routers: RouteChange.Routers
    /// 1 to 9999.
    package var metric: Int
    package var masquerade: Bool

    package init(routers: RouteChange.Routers, metric: Int, masquerade: Bool) {
        self.routers = routers
        self.metric = metric
        self.masquerade = masquerade
    }
}
