import GRDB
import MapCompiler
import MeshModel

extension SQLiteStore {
    func register(_ registration: PeerRegistration, atSeconds now: Int64) async throws -> PeerRecord {
        try await pool.write { database in
            guard try PeerRecord.filter(Column("publicKey") == registration.publicKey.base64).isEmpty(database) else {
                throw RegistrationRefusal.alreadyRegistered
            }
            let setupKey = try useSetupKey(hash: registration.setupKeyHash, atSeconds: now, database)
            guard setupKey.allowsExtraLabels || registration.extraLabels.isEmpty else {
                throw RegistrationRefusal.extraLabelsRefused
            }
            var generator = SystemRandomNumberGenerator()
            let place = try freePlace(
                hostname: registration.meta.hostname,
                isEphemeral: setupKey.isEphemeral,
                database,
                using: &generator
            )
            let peer = PeerRecord(
                id: Identifier.random(using: &generator),
                publicKey: registration.publicKey.base64,
                addressV4: place.addressV4.description,
                addressV6: place.addressV6.description,
                name: registration.meta.hostname,
                dnsLabel: place.label,
                sshPublicKey: registration.sshPublicKey,
                isEphemeral: setupKey.isEphemeral,
                meta: registration.meta,
                createdAtSeconds: now,
                lastLoginSeconds: now,
                lastSeenSeconds: now,
                isConnected: false,
                allowsExtraLabels: setupKey.allowsExtraLabels,
                extraLabels: registration.extraLabels
            )
            try peer.insert(database)
            let groups = try SetupKeyGroupRecord.filter(Column("setupKeyID") == setupKey.id).fetchAll(database)
            for groupID in Set(groups.map(\.groupID) + [try allGroupID(database)]).sorted() {
                try PeerGroupMemberRecord(groupID: groupID, peerID: peer.id).insert(database)
            }
            try raiseSerial(database)
            let transaction = StoreTransaction(database: database)
            try transaction.record(
                .peerAdd,
                of: peer.id,
                by: setupKey.id,
                try transaction.details(of: peer).merging(["setup_key_name": setupKey.name]) { $1 },
                atSeconds: now
            )
            return peer
        }
    }
}

/// Checks the key and counts its use.
private func useSetupKey(hash: String, atSeconds now: Int64, _ database: Database) throws -> SetupKeyRecord {
    guard var setupKey = try SetupKeyRecord.filter(Column("hash") == hash).fetchOne(database) else {
        throw RegistrationRefusal.setupKeyInvalid(reason: "unknown")
    }
    if let reason = setupKey.refusal(atSeconds: now) { throw RegistrationRefusal.setupKeyInvalid(reason: reason) }
    setupKey.usedTimes += 1
    setupKey.lastUsedSeconds = now
    try setupKey.update(database)
    return setupKey
}

/// Addresses and the name that may depend on them.
private struct Place {
    var addressV4: IPAddress
    var addressV6: IPAddress
    var label: String
}

/// Addresses and names that are in use.
private struct Taken {
    var addressesV4: Set<IPAddress>
    var addressesV6: Set<IPAddress>
    var labels: Set<String>

    init(_ database: Database) throws {
        addressesV4 = Set(try String.fetchAll(database, sql: "SELECT addressV4 FROM peer").compactMap { IPAddress($0) })
        let textsV6 = try String.fetchAll(database, sql: "SELECT addressV6 FROM peer WHERE addressV6 IS NOT NULL")
        addressesV6 = Set(textsV6.compactMap { IPAddress($0) })
        labels = Set(try String.fetchAll(database, sql: "SELECT dnsLabel FROM peer"))
    }
}

private func freePlace(
    hostname: String,
    isEphemeral: Bool,
    _ database: Database,
    using generator: inout some RandomNumberGenerator
) throws -> Place {
    let network = try account(database).network()
    let taken = try Taken(database)
    do {
        return try place(hostname: hostname, isEphemeral: isEphemeral, in: network, taken, using: &generator)
    } catch {
        throw error == .emptyHostname ? RegistrationRefusal.hostnameUnusable : .addressesExhausted
    }
}

/// An IPv6 address is given to every peer; who does not take one does not see it.
private func place(
    hostname: String,
    isEphemeral: Bool,
    in network: OverlayNetwork,
    _ taken: Taken,
    using generator: inout some RandomNumberGenerator
) throws(AllocationError) -> Place {
    let addressV6 = try network.allocateV6(taken: taken.addressesV6, using: &generator)
    var takenV4 = taken.addressesV4
    var lastError = AllocationError.networkFull(network.v4)
    // Names that end in an address's octets collide only if somebody chose such a host name by hand: ten will do.
    for _ in 0..<10 {
        let addressV4 = try network.allocateV4(taken: takenV4, using: &generator)
        do {
            let label = try peerLabel(
                hostname: hostname,
                address: addressV4,
                isEphemeral: isEphemeral,
                taken: taken.labels
            )
            return Place(addressV4: addressV4, addressV6: addressV6, label: label)
        } catch {
            guard case .labelTaken = error else { throw error }
            lastError = error
            takenV4.insert(addressV4)
        }
    }
    throw lastError
}
