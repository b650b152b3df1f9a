import MeshModel

/// Hosts, subnets and domains of networks. Source: spec/server/rest-api.md 12.
enum NetworkResourcesAPI {
    static let routes: [APIRoute] = [
        .get("/api/networks/resources", .needs(.read, .networks)) { _, transaction in
            try answers(try transaction.all(NetworkResourceRecord.self), transaction)
        },
        .get("/api/networks/{networkId}/resources", .needs(.read, .networks)) { call, transaction in
            let network = try transaction.network(call)
            return try answers(
                try transaction.rows(NetworkResourceRecord.self, where: "networkID", is: network.id),
                transaction
            )
        },
        .post("/api/networks/{networkId}/resources", .needs(.create, .networks), create),
        .get("/api/networks/{networkId}/resources/{resourceId}", .needs(.read, .networks)) { call, transaction in
            try answer(try resource(call, transaction), transaction)
        },
        .put("/api/networks/{networkId}/resources/{resourceId}", .needs(.update, .networks), update),
        .delete("/api/networks/{networkId}/resources/{resourceId}", .needs(.delete, .networks)) { call, transaction in
            let resource = try resource(call, transaction)
            try transaction.delete(resource)
            try transaction.mapsChanged()
            try call.record(.networkResourceDelete, of: resource.id, ["name": resource.name], transaction)
        },
    ]

    struct Resource: Encodable {
        var id: String
        var type: String
        var name: String
        var description: String
        /// A host has its prefix's length, too.
        var address: String
        var enabled: Bool
        var groups: [GroupMinimum]
    }

    private struct Request: Decodable {
        var name: String?
        var description: String?
        var address: String?
        var enabled: Bool?
        var groups: [String]?
    }

    private static func create(_ call: APICall, _ transaction: StoreTransaction) throws -> Resource {
        let request = try call.decode(Request.self)
        let resource = NetworkResourceRecord(
            id: transaction.makeID(),
            networkID: try transaction.network(call).id,
            name: try freeName(request.name ?? "", transaction),
            isEnabled: request.enabled ?? true,
            address: try address(request.address ?? "", transaction),
            description: try longText(request.description)
        )
        try transaction.insert(resource)
        try setGroups(request.groups ?? [], of: resource, transaction)
        try transaction.mapsChanged()
        try call.record(.networkResourceCreate, of: resource.id, ["name": resource.name], transaction)
        return try answer(resource, transaction)
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Resource {
        let request = try call.decode(Request.self)
        var resource = try resource(call, transaction)
        if let name = request.name, name != resource.name { resource.name = try freeName(name, transaction) }
        resource.isEnabled = request.enabled ?? resource.isEnabled
        resource.address = try request.address.map { try address($0, transaction) } ?? resource.address
        resource.description = try request.description.map { try longText($0) } ?? resource.description
        try transaction.update(resource)
        if let groups = request.groups { try setGroups(groups, of: resource, transaction) }
        try transaction.mapsChanged()
        try call.record(.networkResourceUpdate, of: resource.id, ["name": resource.name], transaction)
        return try answer(resource, transaction)
    }

    private static func address(_ text: String, _ transaction: StoreTransaction) throws -> String {
        // Stock servers take a subnet with host bits and mask them.
        let masked = IPPrefix(text).map(\.network.description)
        let address = try resourceAddress(text.contains("/") ? masked ?? text : text)
        if let prefix = IPPrefix(address) { try transaction.refuseOverlap(of: prefix) }
        return address
    }

    private static func freeName(_ text: String, _ transaction: StoreTransaction) throws -> String {
        let name = try displayName(text, of: "a resource's name", maximum: 255)
        guard try transaction.rows(NetworkResourceRecord.self, where: "name", is: name).isEmpty else {
            throw APIError.invalid("resource with name \(shown(name)) already exists")
        }
        return name
    }

    private static func setGroups(
        _ ids: [String],
        of resource: NetworkResourceRecord,
        _ transaction: StoreTransaction
    ) throws {
        let groups = try transaction.groups(ids)
        try transaction.deleteRows(NetworkResourceGroupRecord.self, where: "resourceID", is: resource.id)
        for group in groups {
            try transaction.insert(NetworkResourceGroupRecord(resourceID: resource.id, groupID: group.id))
        }
    }

    /// - Throws: `APIError` with 404, 400 if it is in another network.
    private static func resource(_ call: APICall, _ transaction: StoreTransaction) throws -> NetworkResourceRecord {
        let network = try transaction.network(call)
        guard let resource = try transaction.find(NetworkResourceRecord.self, call["resourceId"]) else {
            throw APIError.notFound("resource")
        }
        guard resource.networkID == network.id else { throw APIError.malformed("the resource is in another network") }
        return resource
    }

    private static func answers(
        _ resources: [NetworkResourceRecord],
        _ transaction: StoreTransaction
    ) throws -> [Resource] {
        let groups = try transaction.groupMinimums()
        let links = Dictionary(grouping: try transaction.all(NetworkResourceGroupRecord.self), by: \.resourceID)
        return resources.map { resource in
            Resource(
                id: resource.id,
                type: resource.kind,
                name: resource.name,
                description: resource.description,
                address: resource.address,
                enabled: resource.isEnabled,
                groups: (links[resource.id] ?? []).compactMap { groups[$0.groupID] }
            )
        }
    }

    private static func answer(
        _ resource: NetworkResourceRecord,
        _ transaction: StoreTransaction
    ) throws -> Resource {
        guard let answer = try answers([resource], transaction).first else { throw APIError.notFound("resource") }
        return answer
    }
}
