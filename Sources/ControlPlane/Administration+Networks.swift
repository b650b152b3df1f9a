import MeshModel

extension Administration {
    /// Sorted by name.
    package func networks() async throws -> [NetworkSummary] {
        try await store.networks().map { NetworkSummary($0) }
    }

    package func createNetwork(name: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.createNetwork(name: name) })
    }

    /// Its resources and routers go with it.
    ///
    /// - Parameter selector: identifier or name, as below.
    package func deleteNetwork(_ selector: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.deleteNetwork(matching: selector) })
    }

    package func addResource(_ request: ResourceRequest, toNetwork selector: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.addResource(request, toNetwork: selector) })
    }

    /// - Parameter resource: identifier or name.
    package func removeResource(_ resource: String, fromNetwork selector: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.removeResource(resource, fromNetwork: selector) })
    }

    package func addRouter(_ request: RouterRequest, toNetwork selector: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.addRouter(request, toNetwork: selector) })
    }

    /// - Parameter router: identifier, or the name of the host.
    package func removeRouter(_ router: String, fromNetwork selector: String) async throws -> NetworkSummary {
        NetworkSummary(try await selecting { try await store.removeRouter(router, fromNetwork: selector) })
    }
}

/// A network as lists show it; hosts and groups by name.
package struct NetworkSummary: Codable, Sendable {
    package struct Resource: Codable, Sendable {
        package var id: String
        package var name: String
        /// A prefix or a domain.
        package var address: String
        /// Policies lead to it by these.
        package var groups: [String]
    }

    package struct Router: Codable, Sendable {
        package var id: String
        /// `nil`: the members of `peerGroups`.
        package var peer: String?
        package var peerGroups: [String]
        package var metric: Int
        package var masquerade: Bool
    }

    package var id: String
    package var name: String
    /// Sorted by name.
    package var resources: [Resource]
    /// Sorted by metric.
    package var routers: [Router]

    init(_ network: StoredNetwork) {
        id = network.record.id
        name = network.record.name
        resources = network.resources.map {
            Resource(id: $0.record.id, name: $0.record.name, address: $0.record.address, groups: $0.groups)
        }
        routers = network.routers.map {
            Router(
                id: $0.record.id,
                peer: $0.peer,
                peerGroups: $0.groups,
                metric: $0.record.metric,
                masquerade: $0.record.masquerade
            )
        }
    }
}
