import GRDB

/// A network behind routing peers. Its groups are `RouteGroupRecord`s.
struct RouteRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "route"

    var id: String
    /// The name that the administrator gave the network.
    var networkID: String
    var isEnabled: Bool
    /// `nil`: a route by domains.
    var prefix: String?
    /// Punycode, lower case; empty: a route by prefix. Stored as JSON.
    var domains: [String]
    /// `nil`: the groups of the role `router` carry it.
    var routerPeerID: String?
    /// 1 to 9999, lower wins.
    var metric: Int
    var masquerade: Bool
    var keepRoute: Bool
    /// An exit node that the user must choose explicitly.
    var skipAutoApply: Bool
    var description = ""
}

/// What a group has to do with a route.
struct RouteGroupRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "routeGroup"

    enum Role: String, Codable, Sendable {
        /// Its members carry the route.
        case router
        /// Its members get the route.
        case client
        /// Policies to it decide who may use the route.
        case access
    }

    var routeID: String
    var role: Role
    var groupID: String
}
