import GRDB
import MapCompiler
import MeshModel

extension SQLiteStore {
    func changeToken() async throws -> Int64 {
        try await watch.read { try Int64.fetchOne($0, sql: "PRAGMA data_version") ?? 0 }
    }

    func peer(key: PublicKey) async throws -> PeerRecord? {
        try await pool.read { try PeerRecord.filter(Column("publicKey") == key.base64).fetchOne($0) }
    }

    func peers() async throws -> [PeerRecord] {
        try await pool.read { try PeerRecord.order(Column("name"), Column("id")).fetchAll($0) }
    }

    func recordLogin(
        of peerID: String,
        sshPublicKey: String,
        extraLabels: [String],
        atSeconds now: Int64
    ) async throws {
        try await pool.write { database in
            guard var peer = try PeerRecord.fetchOne(database, key: peerID) else { return }
            peer.lastLoginSeconds = now
            // Other peers' maps carry them, hence the serial.
            if peer.sshPublicKey != sshPublicKey || peer.extraLabels != extraLabels {
                peer.sshPublicKey = sshPublicKey
                peer.extraLabels = extraLabels
                try raiseSerial(database)
            }
            try peer.update(database)
        }
    }

    func update(_ meta: PeerMeta, of peerID: String) async throws {
        try await pool.write { database in
            guard var peer = try PeerRecord.fetchOne(database, key: peerID), peer.meta != meta else { return }
            peer.meta = meta
            try peer.update(database)
        }
    }

    func setConnected(_ isConnected: Bool, peerID: String, atSeconds now: Int64) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE peer SET isConnected = ?, lastSeenSeconds = ? WHERE id = ?",
                arguments: [isConnected, now, peerID]
            )
        }
    }

    func disconnectAll() async throws {
        try await pool.write { try $0.execute(sql: "UPDATE peer SET isConnected = 0") }
    }

    func deletePeers(_ ids: [String]) async throws -> Int {
        try await pool.write { database in
            let peers = try PeerRecord.fetchAll(database, keys: ids)
            for peer in peers { try delete(peer, database) }
            if !peers.isEmpty { try raiseSerial(database) }
            return peers.count
        }
    }

    func deletePeer(matching selector: String) async throws -> PeerRecord {
        try await pool.write { database in
            let peer = try peer(matching: selector, database)
            try delete(peer, database)
            try raiseSerial(database)
            return peer
        }
    }

    private func delete(_ peer: PeerRecord, _ database: Database) throws {
        try peer.delete(database)
        let details = try StoreTransaction(database: database).details(of: peer)
        try recordCommand(.peerDelete, of: peer.id, details, database)
    }
}

/// Notes what a command or the server itself did, in the transaction of the deed.
func recordCommand(
    _ activity: Activity,
    of target: String,
    _ details: [String: String],
    _ database: Database
) throws {
    try StoreTransaction(database: database).record(
        activity,
        of: target,
        by: EventRecord.system,
        details,
        atSeconds: secondsSince1970()
    )
}

/// One more change that a peer can see. Call it once, in the transaction of the change.
func raiseSerial(_ database: Database) throws {
    try database.execute(sql: "UPDATE account SET serial = serial + 1")
}

/// - Throws: `SelectionError` unless there is exactly one.
func only<Row>(_ matches: [Row], of selector: String, id: KeyPath<Row, String>) throws(SelectionError) -> Row {
    guard let first = matches.first else { throw .none(selector) }
    guard matches.count == 1 else { throw .several(selector, ids: matches.map { $0[keyPath: id] }) }
    return first
}
