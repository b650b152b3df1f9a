import GRDB
import MapCompiler
import MeshModel

extension SQLiteStore {
    func networks() async throws -> [StoredNetwork] {
        try await pool.read { database in
            try NetworkRecord.order(Column("name")).fetchAll(database).map { try stored($0, database) }
        }
    }

    func createNetwork(name: String) async throws -> StoredNetwork {
        try await pool.write { database in
            guard try NetworkRecord.filter(Column("name") == name).isEmpty(database) else {
                throw ChangeRefusal(description: "there is a network \(name) already")
            }
            var generator = SystemRandomNumberGenerator()
            let network = NetworkRecord(id: Identifier.random(using: &generator), name: name)
            try network.insert(database)
            try raiseSerial(database)
            try recordCommand(.networkCreate, of: network.id, ["name": network.name], database)
            return try stored(network, database)
        }
    }

    func deleteNetwork(matching selector: String) async throws -> StoredNetwork {
        try await pool.write { database in
            let network = try network(matching: selector, database)
            let deleted = try stored(network, database)
            try network.delete(database)
            try raiseSerial(database)
            try recordCommand(.networkDelete, of: network.id, ["name": network.name], database)
            return deleted
        }
    }

    func addResource(_ request: ResourceRequest, toNetwork selector: String) async throws -> StoredNetwork {
        try await pool.write { database in
            let network = try network(matching: selector, database)
            let isNew = try NetworkResourceRecord.filter(
                Column("networkID") == network.id && Column("name") == request.name
            ).isEmpty(database)
            guard isNew else {
                throw ChangeRefusal(description: "network \(network.name) has a resource \(request.name) already")
            }
            if let prefix = IPPrefix(request.address) {
                try StoreTransaction(database: database).refuseOverlap(of: prefix)
            }
            var generator = SystemRandomNumberGenerator()
            let resource = NetworkResourceRecord(
                id: Identifier.random(using: &generator),
                networkID: network.id,
                name: request.name,
                isEnabled: true,
                address: request.address
            )
            try resource.insert(database)
            for groupID in Set(try request.groups.map { try group(matching: $0, database).id }).sorted() {
                try NetworkResourceGroupRecord(resourceID: resource.id, groupID: groupID).insert(database)
            }
            try raiseSerial(database)
            try recordCommand(.networkResourceCreate, of: resource.id, ["name": resource.name], database)
            return try stored(network, database)
        }
    }

    func removeResource(_ resource: String, fromNetwork selector: String) async throws -> StoredNetwork {
        try await pool.write { database in
            let network = try network(matching: selector, database)
            let matches = try NetworkResourceRecord.filter(
                Column("networkID") == network.id && (Column("id") == resource || Column("name") == resource)
            ).fetchAll(database)
            let record = try only(matches, of: resource, id: \.id)
            try record.delete(database)
            try raiseSerial(database)
            try recordCommand(.networkResourceDelete, of: record.id, ["name": record.name], database)
            return try stored(network, database)
        }
    }

    func addRouter(_ request: RouterRequest, toNetwork selector: String) async throws -> StoredNetwork {
        try await pool.write { database in
            let network = try network(matching: selector, database)
            var generator = SystemRandomNumberGenerator()
            var router = NetworkRouterRecord(
                id: Identifier.random(using: &generator),
                networkID: network.id,
                isEnabled: true,
                peerID: nil,
                metric: request.metric,
                masquerade: request.masquerade
            )
            var groupIDs: Set<String> = []
            switch request.routers {
            case .peer(let selector): router.peerID = try peer(matching: selector, database).id
            case .groups(let selectors): groupIDs = Set(try selectors.map { try group(matching: $0, database).id })
            }
            try router.insert(database)
            for groupID in groupIDs.sorted() {
                try NetworkRouterGroupRecord(routerID: router.id, groupID: groupID).insert(database)
            }
            try raiseSerial(database)
            try recordCommand(.networkRouterCreate, of: router.id, ["network_id": network.id], database)
            return try stored(network, database)
        }
    }

    func removeRouter(_ router: String, fromNetwork selector: String) async throws -> StoredNetwork {
        try await pool.write { database in
            let network = try network(matching: selector, database)
            let matches = try stored(network, database).routers.filter { $0.record.id == router || $0.peer == router }
            let record = try only(matches.map(\.record), of: router, id: \.id)
            try record.delete(database)
            try raiseSerial(database)
            try recordCommand(.networkRouterDelete, of: record.id, ["network_id": network.id], database)
            return try stored(network, database)
        }
    }

    private func network(matching selector: String, _ database: Database) throws -> NetworkRecord {
        let matches = try NetworkRecord.filter(Column("id") == selector || Column("name") == selector)
            .order(Column("id")).fetchAll(database)
        guard !matches.isEmpty else { throw ChangeRefusal(description: "there is no network \(selector)") }
        return try only(matches, of: selector, id: \.id)
    }

    private func stored(_ network: NetworkRecord, _ database: Database) throws -> StoredNetwork {
        let resources = try NetworkResourceRecord.filter(Column("networkID") == network.id)
            .order(Column("name")).fetchAll(database)
        let routers = try NetworkRouterRecord.filter(Column("networkID") == network.id)
            .order(Column("metric"), Column("id")).fetchAll(database)
        return StoredNetwork(
            record: network,
            resources: try resources.map { resource in
                let groups = NetworkResourceGroupRecord.filter(Column("resourceID") == resource.id)
                return .init(record: resource, groups: try names(groups.fetchAll(database).map(\.groupID), database))
            },
            routers: try routers.map { router in
                let groups = NetworkRouterGroupRecord.filter(Column("routerID") == router.id)
                return .init(
                    record: router,
                    peer: try router.peerID.flatMap { try PeerRecord.fetchOne(database, key: $0)?.name },
                    groups: try names(groups.fetchAll(database).map(\.groupID), database)
                )
            }
        )
    }

    private func names(_ groupIDs: [String], _ database: Database) throws -> [String] {
        try GroupRecord.fetchAll(database, keys: groupIDs).map(\.name).sorted()
    }
}

/// All networks, for the directory.
func networksByID(_ database: Database) throws -> [NetworkID: Network] {
    let routerGroups = Dictionary(grouping: try NetworkRouterGroupRecord.fetchAll(database), by: \.routerID)
    var networks: [NetworkID: Network] = [:]
    for record in try NetworkRecord.fetchAll(database) { networks[NetworkID(rawValue: record.id)] = Network() }
    for record in try NetworkResourceRecord.fetchAll(database) {
        networks[NetworkID(rawValue: record.networkID)]?.resources[ResourceID(rawValue: record.id)] = Resource(
            name: record.name,
            isEnabled: record.isEnabled,
            destination: IPPrefix(record.address).map { .prefix($0) } ?? .domains([record.address])
        )
    }
    for record in try NetworkRouterRecord.order(Column("id")).fetchAll(database) {
        let groups = (routerGroups[record.id] ?? []).map { GroupID(rawValue: $0.groupID) }
        networks[NetworkID(rawValue: record.networkID)]?.routers.append(
            NetworkRouter(
                isEnabled: record.isEnabled,
                peers: record.peerID.map { .peer(PeerID(rawValue: $0)) } ?? .groups(Set(groups)),
                metric: record.metric,
                masquerade: record.masquerade
            )
        )
    }
    return networks
}
