/// Who leads into networks. Source: spec/server/rest-api.md 12.
enum NetworkRoutersAPI {
    static let routes: [APIRoute] = [
        .get("/api/networks/routers", .needs(.read, .networks)) { _, transaction in
            try answers(try transaction.all(NetworkRouterRecord.self), transaction)
        },
        .get("/api/networks/{networkId}/routers", .needs(.read, .networks)) { call, transaction in
            let network = try transaction.network(call)
            return try answers(
                try transaction.rows(NetworkRouterRecord.self, where: "networkID", is: network.id),
                transaction
            )
        },
        .post("/api/networks/{networkId}/routers", .needs(.create, .networks), create),
        .get("/api/networks/{networkId}/routers/{routerId}", .needs(.read, .networks)) { call, transaction in
            try answer(try router(call, transaction), transaction)
        },
        .put("/api/networks/{networkId}/routers/{routerId}", .needs(.update, .networks), update),
        .delete("/api/networks/{networkId}/routers/{routerId}", .needs(.delete, .networks)) { call, transaction in
            let router = try router(call, transaction)
            try transaction.delete(router)
            try transaction.mapsChanged()
            try call.record(.networkRouterDelete, of: router.id, ["network_id": router.networkID], transaction)
        },
    ]

    struct Router: Encodable {
        var id: String
        var peer: String?
        var peer_groups: [String]
        var metric: Int
        var masquerade: Bool
        var enabled: Bool
    }

    private struct Request: Decodable {
        var peer: String?
        var peer_groups: [String]?
        var metric: Int?
        var masquerade: Bool?
        var enabled: Bool?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Router {
        let request = try call.decode(Request.self)
        let router = NetworkRouterRecord(
            id: transaction.makeID(),
            networkID: try transaction.network(call).id,
            isEnabled: request.enabled ?? true,
            peerID: nil,
            metric: request.metric ?? lowestPriority,
            masquerade: request.masquerade ?? true
        )
        try transaction.insert(router)
        guard request.peer?.isEmpty == false || request.peer_groups?.isEmpty == false else {
            throw APIError.malformed("a router needs peer or peer_groups")
        }
        return try write(request, to: router, .networkRouterCreate, call, transaction)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Router {
        let request = try call.decode(Request.self)
        var router = try router(call, transaction)
        router.isEnabled = request.enabled ?? router.isEnabled
        router.metric = request.metric ?? router.metric
        router.masquerade = request.masquerade ?? router.masquerade
        return try write(request, to: router, .networkRouterUpdate, call, transaction)
    }

    private static func write(
        _ request: Request,
        to router: NetworkRouterRecord,
        _ activity: Activity,
        _ call: APICall,
        _ transaction: StoreTransaction
    ) throws -> Router {
        var router = router
        guard (1...lowestPriority).contains(router.metric) else {
            throw APIError.invalid("a metric is 1 to \(lowestPriority), lower wins")
        }
        let (peer, groups) = (request.peer ?? "", request.peer_groups ?? [])
        guard peer.isEmpty || groups.isEmpty else {
            throw APIError.malformed("peer and peer_groups exclude each other")
        }
        if !peer.isEmpty {
            guard try transaction.find(PeerRecord.self, peer) != nil else {
                throw APIError.invalid("peer \(shown(peer)) not found")
            }
            router.peerID = peer
        } else if !groups.isEmpty {
            router.peerID = nil
        }
        try transaction.update(router)
        if !peer.isEmpty || !groups.isEmpty {
            try transaction.deleteRows(NetworkRouterGroupRecord.self, where: "routerID", is: router.id)
            for group in try transaction.groups(groups) {
                try transaction.insert(NetworkRouterGroupRecord(routerID: router.id, groupID: group.id))
            }
        }
        try transaction.mapsChanged()
        try call.record(activity, of: router.id, ["network_id": router.networkID], transaction)
        return try answer(router, transaction)
    }

    /// - Throws: `APIError` with 404, 400 if it is in another network.
    private static func router(_ call: APICall, _ transaction: StoreTransaction) throws -> NetworkRouterRecord {
        let network = try transaction.network(call)
        guard let router = try transaction.find(NetworkRouterRecord.self, call["routerId"]) else {
            throw APIError.notFound("router")
        }
        guard router.networkID == network.id else { throw APIError.malformed("the router is in another network") }
        return router
    }

    private static func answers(_ routers: [NetworkRouterRecord], _ transaction: StoreTransaction) throws -> [Router] {
        let groups = Dictionary(grouping: try transaction.all(NetworkRouterGroupRecord.self), by: \.routerID)
        return routers.map { router in
            Router(
                id: router.id,
                peer: router.peerID,
                peer_groups: (groups[router.id] ?? []).map(\.groupID),
                metric: router.metric,
                masquerade: router.masquerade,
                enabled: router.isEnabled
            )
        }
    }

    private static func answer(_ router: NetworkRouterRecord, _ transaction: StoreTransaction) throws -> Router {
        guard let answer = try answers([router], transaction).first else { throw APIError.notFound("router") }
        return answer
    }
}
