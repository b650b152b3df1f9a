import MapCompiler
import MeshModel

/// Routes of the older kind: distribution groups decide who gets them. Source: spec/server/rest-api.md 13.
enum RoutesAPI {
    static let routes: [APIRoute] = [
        .get("/api/routes", .needs(.read, .routes)) { _, transaction in
            let groups = Dictionary(grouping: try transaction.all(RouteGroupRecord.self), by: \.routeID)
            return try transaction.all(RouteRecord.self).map { Route($0, groups[$0.id] ?? []) }
        },
        .post("/api/routes", .needs(.create, .routes), create),
        .get("/api/routes/{routeId}", .needs(.read, .routes)) { call, transaction in
            try answer(try route(call, transaction), transaction)
        },
        .put("/api/routes/{routeId}", .needs(.update, .routes), update),
        .delete("/api/routes/{routeId}", .needs(.delete, .routes)) { call, transaction in
            let route = try route(call, transaction)
            try transaction.delete(route)
            try transaction.mapsChanged()
            try call.record(.routeDelete, of: route.id, ["name": route.networkID], transaction)
        },
    ]

    struct Route: Encodable {
        var id: String
        /// `IPv4`, `IPv6` or `Domain`.
        var network_type: String
        var description: String
        var network_id: String
        var enabled: Bool
        var peer: String?
        var peer_groups: [String]
        /// `nil`: a route by domains.
        var network: String?
        var domains: [String]
        var metric: Int
        var masquerade: Bool
        var groups: [String]
        var keep_route: Bool
        var access_control_groups: [String]
        var skip_auto_apply: Bool

        init(_ record: RouteRecord, _ links: [RouteGroupRecord]) {
            func ids(_ role: RouteGroupRecord.Role) -> [String] { links.filter { $0.role == role }.map(\.groupID) }
            id = record.id
            network_type = record.prefix.map { $0.contains(":") ? "IPv6" : "IPv4" } ?? "Domain"
            description = record.description
            network_id = record.networkID
            enabled = record.isEnabled
            peer = record.routerPeerID
            peer_groups = ids(.router)
            network = record.prefix
            domains = record.domains
            metric = record.metric
            masquerade = record.masquerade
            groups = ids(.client)
            keep_route = record.keepRoute
            access_control_groups = ids(.access)
            skip_auto_apply = record.skipAutoApply
        }
    }

    private struct Request: Decodable {
        var description: String?
        var network_id: String?
        var enabled: Bool?
        var peer: String?
        var peer_groups: [String]?
        var network: String?
        var domains: [String]?
        var metric: Int?
        var masquerade: Bool?
        var groups: [String]?
        var keep_route: Bool?
        var access_control_groups: [String]?
        var skip_auto_apply: Bool?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Route {
        let request = try call.decode(Request.self)
        guard let destination = try destination(request) else {
            throw APIError.invalid("a route needs network or domains")
        }
        let route = RouteRecord(
            id: transaction.makeID(),
            networkID: try routeNetworkID(request.network_id ?? ""),
            isEnabled: request.enabled ?? true,
            prefix: destination.prefixText,
            domains: destination.domainNames,
            routerPeerID: nil,
            metric: request.metric ?? lowestPriority,
            masquerade: request.masquerade ?? true,
            keepRoute: request.keep_route ?? false,
            skipAutoApply: request.skip_auto_apply ?? false,
            description: try longText(request.description)
        )
        try transaction.insert(route)
        return try write(request, to: route, .routeAdd, call, transaction)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Route {
        let request = try call.decode(Request.self)
        var route = try route(call, transaction)
        if let name = request.network_id { route.networkID = try routeNetworkID(name) }
        if let destination = try destination(request) {
            route.prefix = destination.prefixText
            route.domains = destination.domainNames
        }
        route.isEnabled = request.enabled ?? route.isEnabled
        route.metric = request.metric ?? route.metric
        route.masquerade = request.masquerade ?? route.masquerade
        route.keepRoute = request.keep_route ?? route.keepRoute
        route.skipAutoApply = request.skip_auto_apply ?? route.skipAutoApply
        route.description = try request.description.map { try longText($0) } ?? route.description
        return try write(request, to: route, .routeUpdate, call, transaction)
    }

    /// Who carries the route, who gets it, who may use it; then the whole is checked.
    private static func write(
        _ request: Request,
        to route: RouteRecord,
        _ activity: Activity,
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws -> Route {
        var route = route
        switch try Routers(peer: request.peer, groups: request.peer_groups) {
        case nil: break
        case .peer(let id):
            guard try transaction.find(PeerRecord.self, id) != nil else {
                throw APIError.invalid("peer \(shown(id)) not found")
            }
            route.routerPeerID = id
            try setGroups([], .router, of: route, transaction)
        case .groups(let ids):
            route.routerPeerID = nil
            try setGroups(ids, .router, of: route, transaction)
        }
        if let ids = request.groups { try setGroups(ids, .client, of: route, transaction) }
        if let ids = request.access_control_groups { try setGroups(ids, .access, of: route, transaction) }
        try transaction.update(route)
        try transaction.check(route)
        try transaction.mapsChanged()
        try call.record(activity, of: route.id, ["name": route.networkID], transaction)
        return try answer(route, transaction)
    }

    private static func setGroups(
        _ ids: [String],
        _ role: RouteGroupRecord.Role,
        of route: RouteRecord,
        _ transaction: StoreTransaction
    ) throws {
        let groups = try transaction.groups(ids)
        for link in try transaction.rows(RouteGroupRecord.self, where: "routeID", is: route.id) where link.role == role
        {
            try transaction.delete(link)
        }
        for group in groups {
            try transaction.insert(RouteGroupRecord(routeID: route.id, role: role, groupID: group.id))
        }
    }

    /// - Returns: `nil` if the request names neither.
    private static func destination(_ request: Request) throws -> RouteDestination? {
        let network = request.network.flatMap { $0.isEmpty ? nil : $0 }
        let domains = request.domains ?? []
        guard network == nil || domains.isEmpty else {
            throw APIError.invalid("network and domains exclude each other")
        }
        if let network { return try routeDestination(prefix: network) }
        return domains.isEmpty ? nil : try routeDestination(domains: domains)
    }

    private static func route(_ call: APICall, _ transaction: StoreTransaction) throws -> RouteRecord {
        guard let route = try transaction.find(RouteRecord.self, call["routeId"]) else {
            throw APIError.notFound("route")
        }
        return route
    }

    private static func answer(_ route: RouteRecord, _ transaction: StoreTransaction) throws -> Route {
        Route(route, try transaction.rows(RouteGroupRecord.self, where: "routeID", is: route.id))
    }

    private enum Routers {
        case peer(String)
        case groups([String])

        /// - Returns: `nil` if the request names nobody.
        init?(peer: String?, groups: [String]?) throws(APIError) {
            let (peer, groups) = (peer ?? "", groups ?? [])
            guard peer.isEmpty || groups.isEmpty else { throw .invalid("peer and peer_groups exclude each other") }
            if !peer.isEmpty {
                self = .peer(peer)
            } else if !groups.isEmpty {
                self = .groups(groups)
            } else {
                return nil
            }
        }
    }
}
