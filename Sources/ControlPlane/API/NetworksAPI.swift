/// Networks: resources, and routers that lead to them. Source: spec/server/rest-api.md 12.
enum NetworksAPI {
    static let routes: [APIRoute] = [
        .get("/api/networks", .needs(.read, .networks)) { _, transaction in
            let view = try NetworkView(transaction)
            return try transaction.all(NetworkRecord.self).map(view.answer)
        },
        .post("/api/networks", .needs(.create, .networks), create),
        .get("/api/networks/{networkId}", .needs(.read, .networks)) { call, transaction in
            try NetworkView(transaction).answer(try transaction.network(call))
        },
        .put("/api/networks/{networkId}", .needs(.update, .networks), update),
        .delete("/api/networks/{networkId}", .needs(.delete, .networks)) { call, transaction in
            let network = try transaction.network(call)
            try transaction.delete(network)
            try transaction.mapsChanged()
            try call.record(.networkDelete, of: network.id, ["name": network.name], transaction)
        },
    ]

    struct Network: Encodable {
        var id: String
        var name: String
        var description: String
        var routers: [String]
        var resources: [String]
        /// Those that lead to a resource of it.
        var policies: [String]
        var routing_peers_count: Int
    }

    private struct Request: Decodable {
        var name: String?
        var description: String?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Network {
        let request = try call.decode(Request.self)
        let network = NetworkRecord(
            id: transaction.makeID(),
            name: try freeName(request.name ?? "", transaction),
            description: try longText(request.description)
        )
        try transaction.insert(network)
        try call.record(.networkCreate, of: network.id, ["name": network.name], transaction)
        return try NetworkView(transaction).answer(network)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Network {
        let request = try call.decode(Request.self)
        var network = try transaction.network(call)
        if let name = request.name, name != network.name { network.name = try freeName(name, transaction) }
        network.description = try request.description.map { try longText($0) } ?? network.description
        try transaction.update(network)
        try call.record(.networkUpdate, of: network.id, ["name": network.name], transaction)
        return try NetworkView(transaction).answer(network)
    }

    private static func freeName(_ text: String, _ transaction: StoreTransaction) throws -> String {
        let name = try displayName(text, of: "a network's name", maximum: 255)
        guard try transaction.rows(NetworkRecord.self, where: "name", is: name).isEmpty else {
            throw APIError.conflict("network with name \(shown(name)) already exists")
        }
        return name
    }

    /// What answers on networks need beside their rows.
    private struct NetworkView {
        private let routers: [String: [NetworkRouterRecord]]
        private let resources: [String: [NetworkResourceRecord]]
        private let routerGroups: [String: [String]]
        private let resourceGroups: [String: [String]]
        private let members: [String: [String]]
        private let policies: [StoredPolicy]

        init(_ transaction: StoreTransaction) throws {
            routers = Dictionary(grouping: try transaction.all(NetworkRouterRecord.self), by: \.networkID)
            resources = Dictionary(grouping: try transaction.all(NetworkResourceRecord.self), by: \.networkID)
            routerGroups = Dictionary(grouping: try transaction.all(NetworkRouterGroupRecord.self), by: \.routerID)
                .mapValues { $0.map(\.groupID) }
            resourceGroups = Dictionary(
                grouping: try transaction.all(NetworkResourceGroupRecord.self),
                by: \.resourceID
            ).mapValues { $0.map(\.groupID) }
            members = Dictionary(grouping: try transaction.all(PeerGroupMemberRecord.self), by: \.groupID)
                .mapValues { $0.map(\.peerID) }
            policies = try transaction.policies()
        }

        func answer(_ network: NetworkRecord) -> Network {
            let routers = routers[network.id] ?? []
            let resources = (resources[network.id] ?? []).map(\.id)
            let groups = Set(resources.flatMap { resourceGroups[$0] ?? [] })
            let leading = policies.filter { policy in
                policy.rules.contains { rule in
                    rule.destinations.contains { groups.contains($0) }
                        || rule.record.destinationResource.map { resources.contains($0.id) } == true
                }
            }
            let peers = routers.flatMap { router in
                router.peerID.map { [$0] } ?? (routerGroups[router.id] ?? []).flatMap { members[$0] ?? [] }
            }
            return Network(
                id: network.id,
                name: network.name,
                description: network.description,
                routers: routers.map(\.id),
                resources: resources,
                policies: leading.map(\.record.id),
                routing_peers_count: Set(peers).count
            )
        }
    }
}

extension StoreTransaction {
    /// The network of the path.
    ///
    /// - Throws: `APIError` with 404.
    func network(_ call: APICall) throws -> NetworkRecord {
        guard let network = try find(NetworkRecord.self, call["networkId"]) else { throw APIError.notFound("network") }
        return network
    }
}
