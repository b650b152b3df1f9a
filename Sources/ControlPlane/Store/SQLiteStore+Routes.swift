import GRDB
import MapCompiler
import MeshModel

extension SQLiteStore {
    func routes() async throws -> [StoredRoute] {
        try await pool.read { database in
            try RouteRecord.order(Column("networkID"), Column("metric"), Column("id")).fetchAll(database)
                .map { try stored($0, database) }
        }
    }

    func createRoute(_ change: RouteChange) async throws -> StoredRoute {
        try await pool.write { database in
            guard let networkID = change.networkID, let destination = change.destination, change.routers != nil,
                change.distributionGroups != nil
            else {
                throw ChangeRefusal(
                    description: "a new route needs a network's name, a destination, who carries it and who gets it"
                )
            }
            var generator = SystemRandomNumberGenerator()
            let route = RouteRecord(
                id: Identifier.random(using: &generator),
                networkID: networkID,
                isEnabled: true,
                prefix: destination.prefixText,
                domains: destination.domainNames,
                routerPeerID: nil,
                metric: lowestPriority,
                masquerade: true,
                keepRoute: false,
                skipAutoApply: false
            )
            try route.insert(database)
            try recordCommand(.routeAdd, of: route.id, ["name": route.networkID], database)
            return try apply(change, to: route, database)
        }
    }

    func updateRoute(matching selector: String, _ change: RouteChange) async throws -> StoredRoute {
        try await pool.write { database in
            let route = try route(matching: selector, database)
            try recordCommand(.routeUpdate, of: route.id, ["name": route.networkID], database)
            return try apply(change, to: route, database)
        }
    }

    func deleteRoute(matching selector: String) async throws -> StoredRoute {
        try await pool.write { database in
            let route = try route(matching: selector, database)
            let deleted = try stored(route, database)
            try route.delete(database)
            try raiseSerial(database)
            try recordCommand(.routeDelete, of: route.id, ["name": route.networkID], database)
            return deleted
        }
    }

    private func route(matching selector: String, _ database: Database) throws -> RouteRecord {
        let matches = try RouteRecord.filter(Column("id") == selector || Column("networkID") == selector)
            .order(Column("id")).fetchAll(database)
        return try only(matches, of: selector, id: \.id)
    }

    /// Checks the whole of what results; a refusal undoes the transaction.
    private func apply(_ change: RouteChange, to old: RouteRecord, _ database: Database) throws -> StoredRoute {
        var route = old
        route.networkID = change.networkID ?? old.networkID
        if let destination = change.destination {
            route.prefix = destination.prefixText
            route.domains = destination.domainNames
        }
        route.metric = change.metric ?? old.metric
        route.masquerade = change.masquerade ?? old.masquerade
        route.keepRoute = change.keepRoute ?? old.keepRoute
        route.skipAutoApply = change.isAutoApplied.map { !$0 } ?? old.skipAutoApply
        route.isEnabled = change.isEnabled ?? old.isEnabled
        switch change.routers {
        case nil: break
        case .peer(let selector):
            route.routerPeerID = try peer(matching: selector, database).id
            try replaceGroups(.router, of: route, by: [], database)
        case .groups(let selectors):
            route.routerPeerID = nil
            try replaceGroups(.router, of: route, by: selectors, database)
        }
        if let groups = change.distributionGroups { try replaceGroups(.client, of: route, by: groups, database) }
        if let groups = change.accessGroups { try replaceGroups(.access, of: route, by: groups, database) }
        try route.update(database)
        try StoreTransaction(database: database).check(route)
        try raiseSerial(database)
        return try stored(route, database)
    }

    private func replaceGroups(
        _ role: RouteGroupRecord.Role,
        of route: RouteRecord,
        by selectors: [String],
        _ database: Database
    ) throws {
        try RouteGroupRecord.filter(Column("routeID") == route.id && Column("role") == role.rawValue)
            .deleteAll(database)
        for groupID in Set(try selectors.map { try group(matching: $0, database).id }).sorted() {
            try RouteGroupRecord(routeID: route.id, role: role, groupID: groupID).insert(database)
        }
    }

    private func stored(_ route: RouteRecord, _ database: Database) throws -> StoredRoute {
        var groups: [RouteGroupRecord.Role: [String]] = [:]
        for record in try RouteGroupRecord.filter(Column("routeID") == route.id).fetchAll(database) {
            guard let group = try GroupRecord.fetchOne(database, key: record.groupID) else { continue }
            groups[record.role, default: []].append(group.name)
        }
        return StoredRoute(
            record: route,
            routerName: try route.routerPeerID.flatMap { try PeerRecord.fetchOne(database, key: $0)?.name },
            groups: groups.mapValues { $0.sorted() }
        )
    }
}

extension StoreTransaction {
    /// Checks the whole of a route that was written; a refusal undoes the transaction.
    func check(_ route: RouteRecord) throws {
        guard (1...lowestPriority).contains(route.metric) else {
            throw ChangeRefusal(description: "a metric is 1 to \(lowestPriority), lower wins")
        }
        guard try !groupIDs(.client, of: route).isEmpty else {
            throw ChangeRefusal(description: "a route needs at least one group that gets it")
        }
        let routers = try groupIDs(.router, of: route)
        guard route.routerPeerID != nil || !routers.isEmpty else {
            throw ChangeRefusal(description: "a route needs a host or at least one group that carries it")
        }
        if case .prefix(let prefix) = try route.destination(), prefix.length > 0 {
            try refuseOverlap(of: prefix)
        }
        for other in try RouteRecord.filter(Column("networkID") == route.networkID && Column("id") != route.id)
            .fetchAll(database) where other.prefix == route.prefix && other.domains == route.domains
        {
            let isSamePeer = route.routerPeerID != nil && other.routerPeerID == route.routerPeerID
            guard try !isSamePeer && routers.isDisjoint(with: groupIDs(.router, of: other)) else {
                throw ChangeRefusal(
                    description:
                        "route \(other.id) leads to the same network by the same host or group; update that one",
                    isConflict: true
                )
            }
        }
    }

    /// Agents would not route it.
    func refuseOverlap(of prefix: IPPrefix) throws {
        let overlay = try meshAccount().network()
        for own in [overlay.v4, overlay.v6] where own.overlaps(prefix) {
            throw ChangeRefusal(description: "\(prefix) overlaps the mesh's own network \(own)")
        }
    }

    private func groupIDs(
        _ role: RouteGroupRecord.Role,
        of route: RouteRecord
    ) throws -> Set<String> {
        let groups = RouteGroupRecord.filter(Column("routeID") == route.id && Column("role") == role.rawValue)
        return Set(try groups.fetchAll(database).map(\.groupID))
    }
}

/// The highest metric, which a new route gets: any other route to the same network is preferred.
let lowestPriority = 9999

extension RouteDestination {
    var prefixText: String? {
        if case .prefix(let prefix) = self { prefix.description } else { nil }
    }

    var domainNames: [String] {
        if case .domains(let domains) = self { domains } else { [] }
    }
}
