import MeshModel

/// What the command line does to a mesh: setup keys, peers, groups, routes and networks.
///
/// It works on the database itself, beside a running server or without one. SQLite orders the transactions of both; the
/// server notices each commit within a quarter of a second (`MapPublisher.watchOtherProcesses`). So there is one way in
/// and not two, and no admin socket to guard.
package struct Administration: Sendable {
    private let directory: DataDirectory
    let store: any Store
    let now: @Sendable () -> Int64

    /// - Parameter mayCreate: makes a new mesh if the folder holds none.
    /// - Throws: `ServerFailure`, see `SQLiteStore.open`.
    package init(dataDirectory: String, mayCreate: Bool = false) throws(ServerFailure) {
        try self.init(dataDirectory: dataDirectory, mayCreate: mayCreate, now: secondsSince1970)
    }

    init(
        dataDirectory: String,
        mayCreate: Bool = false,
        now: @escaping @Sendable () -> Int64
    ) throws(ServerFailure) {
        directory = try DataDirectory(path: dataDirectory, mayMake: mayCreate)
        store = try SQLiteStore.open(directory, mayCreate: mayCreate, mayUpgrade: false, atSeconds: now())
        self.now = now
    }

    /// What a new setup key shall allow.
    package struct SetupKeyRequest: Sendable {
        package var name: String
        /// One peer only.
        package var isOneOff: Bool
        /// `nil`: never.
        package var lifetime: Duration?
        /// Peers that may register with it; 0: no limit.
        package var usageLimit: Int
        /// Its peers are deleted ten minutes after they have gone.
        package var isEphemeral: Bool

        package init(name: String, isOneOff: Bool, lifetime: Duration?, usageLimit: Int, isEphemeral: Bool) {
            self.name = name
            self.isOneOff = isOneOff
            self.lifetime = lifetime
            self.usageLimit = usageLimit
            self.isEphemeral = isEphemeral
        }
    }

    /// - Returns: the key, for this one time, and what lists will say of it.
    package func createSetupKey(_ request: SetupKeyRequest) async throws -> (key: String, summary: SetupKeySummary) {
        let secret = SetupKeySecret.generate()
        var generator = SystemRandomNumberGenerator()
        let record = SetupKeyRecord(
            id: Identifier.random(using: &generator),
            name: request.name,
            hash: secret.hash,
            mask: secret.mask,
            type: request.isOneOff ? .oneOff : .reusable,
            createdAtSeconds: now(),
            expiresAtSeconds: request.lifetime.map { now() + $0.components.seconds },
            isRevoked: false,
            usedTimes: 0,
            lastUsedSeconds: nil,
            usageLimit: request.isOneOff ? 1 : Int64(request.usageLimit),
            isEphemeral: request.isEphemeral
        )
        try await store.insert(record)
        return (secret.text, SetupKeySummary(record, atSeconds: now()))
    }

    /// Newest first.
    package func setupKeys() async throws -> [SetupKeySummary] {
        try await store.setupKeys().map { SetupKeySummary($0, atSeconds: now()) }
    }

    /// - Parameter selector: identifier or name. Peers that have joined with the key stay.
    package func revokeSetupKey(_ selector: String) async throws -> SetupKeySummary {
        let record = try await selecting { try await store.revokeSetupKey(matching: selector) }
        return SetupKeySummary(record, atSeconds: now())
    }

    /// Sorted by name.
    package func peers() async throws -> [PeerSummary] {
        // What the last server wrote about streams says nothing while none runs.
        let isServed = directory.isServed
        return try await store.peers().map { PeerSummary($0, isServed: isServed) }
    }

    /// Routes that it alone carried go with it.
    ///
    /// - Parameter selector: identifier, name or public key.
    package func deletePeer(_ selector: String) async throws -> PeerSummary {
        let record = try await selecting { try await store.deletePeer(matching: selector) }
        return PeerSummary(record, isServed: false)
    }

    func selecting<Row>(_ body: () async throws -> Row) async throws -> Row {
        do {
            return try await body()
        } catch let error as SelectionError {
            throw ServerFailure(.failure, "\(error)")
        } catch let refusal as ChangeRefusal {
            throw ServerFailure(.failure, "\(refusal)")
        } catch let refusal as APIError {
            throw ServerFailure(.failure, refusal.message)
        } catch let refusal as RouteTextError {
            throw ServerFailure(.failure, "\(refusal)")
        }
    }
}

/// A setup key as lists show it.
package struct SetupKeySummary: Codable, Sendable {
    package var id: String
    package var name: String
    /// First five characters and `****`.
    package var mask: String
    /// `reusable` or `one-off`.
    package var type: String
    /// `valid`, `revoked`, `expired` or `used up`.
    package var state: String
    package var usedTimes: Int64
    /// 0: no limit.
    package var usageLimit: Int64
    package var isEphemeral: Bool
    /// Seconds since 1970; `nil`: never.
    package var expiresAtSeconds: Int64?

    init(_ record: SetupKeyRecord, atSeconds now: Int64) {
        id = record.id
        name = record.name
        mask = record.mask
        type = record.type.rawValue
        state = record.refusal(atSeconds: now) ?? "valid"
        usedTimes = record.usedTimes
        usageLimit = record.usageLimit
        isEphemeral = record.isEphemeral
        expiresAtSeconds = record.expiresAtSeconds
    }
}

/// A peer as lists show it.
package struct PeerSummary: Codable, Sendable {
    package var id: String
    package var name: String
    package var publicKey: String
    package var addressV4: String
    package var addressV6: String?
    package var dnsLabel: String
    package var agentVersion: String
    package var operatingSystem: String
    package var isConnected: Bool
    package var isEphemeral: Bool
    /// Seconds since 1970.
    package var lastSeenSeconds: Int64

    init(_ record: PeerRecord, isServed: Bool) {
        id = record.id
        name = record.name
        publicKey = record.publicKey
        addressV4 = record.addressV4
        addressV6 = record.addressV6
        dnsLabel = record.dnsLabel
        agentVersion = record.meta.agentVersion
        operatingSystem = record.meta.distribution
        isConnected = isServed && record.isConnected
        isEphemeral = record.isEphemeral
        lastSeenSeconds = record.lastSeenSeconds
    }
}
