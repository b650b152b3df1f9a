import GRDB
import MapCompiler

/// One transaction of the store, as an administrator's request sees it: rows in, rows out, all of it or nothing.
///
/// Valid only inside the call that hands it over.
struct StoreTransaction {
    let database: Database

    typealias StoredRow = Codable & FetchableRecord & PersistableRecord & Sendable

    /// In the order in which they were made.
    func all<Record: StoredRow>(_ type: Record.Type) throws -> [Record] {
        try Record.order(Column.rowID).fetchAll(database)
    }

    /// The rows whose `column` is `value`, in the order in which they were made.
    func rows<Record: StoredRow>(_ type: Record.Type, where column: String, is value: String) throws -> [Record] {
        try Record.filter(Column(column) == value).order(Column.rowID).fetchAll(database)
    }

    /// - Returns: `nil` if there is none.
    func find<Record: StoredRow>(_ type: Record.Type, _ id: String) throws -> Record? {
        try Record.fetchOne(database, key: id)
    }

    func insert(_ record: some StoredRow) throws { try record.insert(database) }

    /// - Throws: if it is not there.
    func update(_ record: some StoredRow) throws { try record.update(database) }

    func delete(_ record: some StoredRow) throws { _ = try record.delete(database) }

    func deleteRows<Record: StoredRow>(_ type: Record.Type, where column: String, is value: String) throws {
        try Record.filter(Column(column) == value).deleteAll(database)
    }

    /// The one account.
    func meshAccount() throws -> AccountRecord { try account(database) }

    /// Something that a peer can see was changed: call it once in a transaction.
    func mapsChanged() throws { try raiseSerial(database) }

    /// The newest rows of the audit log, newest first.
    func events(_ maximum: Int) throws -> [EventRecord] {
        try EventRecord.order(Column("id").desc).limit(maximum).fetchAll(database)
    }

    /// The peers that may have an IPv6 address of the mesh; `nil`: every one.
    func peersWithIPv6(_ account: AccountRecord) throws -> Set<String>? {
        try account.settings.ipv6_enabled_groups.map { groups in
            Set(try PeerGroupMemberRecord.filter(groups.contains(Column("groupID"))).fetchAll(database).map(\.peerID))
        }
    }

    /// All that network maps are made of.
    func directory() throws -> Directory { try makeDirectory(database) }

    /// What names a group, as a user would call it: kind and name.
    func groupUsers(_ id: String) throws -> [(kind: String, name: String)] { try users(ofGroup: id, database) }

    /// How many rows of a table there are for each value of a column.
    func counts<Record: StoredRow>(_ type: Record.Type, by column: String) throws -> [String: Int] {
        let rows = try Record.select(Column(column), count(Column.rowID).forKey("number")).group(Column(column))
            .asRequest(of: Row.self).fetchAll(database)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[column], $0["number"]) })
    }

    /// What events say of a peer beside its identifier.
    func details(of peer: PeerRecord) throws -> [String: String] {
        ["name": peer.name, "ip": peer.addressV4, "fqdn": "\(peer.dnsLabel).\(try meshAccount().domain)"]
    }

    /// A new identifier.
    func makeID() -> String {
        var generator = SystemRandomNumberGenerator()
        return Identifier.random(using: &generator)
    }

    /// Notes who did what, in the transaction of the deed.
    ///
    /// - Parameter initiator: identifier of a user, or `EventRecord.system`.
    func record(
        _ activity: Activity,
        of target: String,
        by initiator: String,
        _ details: [String: String] = [:],
        atSeconds now: Int64
    ) throws {
        try EventRecord(
            id: nil,
            timestampSeconds: now,
            activity: activity.rawValue,
            initiatorID: initiator,
            targetID: target,
            details: details
        ).insert(database)
    }
}

/// Why the store could not do what was asked, where that is neither the request's fault nor ours.
enum StoreTrouble: Hashable, CustomStringConvertible {
    case full
    case readOnly
    case busy
    case failing

    /// - Returns: `nil` for all other errors.
    init?(_ error: any Error) {
        guard let error = error as? DatabaseError else { return nil }
        switch error.resultCode {
        case .SQLITE_FULL: self = .full
        case .SQLITE_READONLY: self = .readOnly
        case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy
        case .SQLITE_IOERR, .SQLITE_CORRUPT, .SQLITE_CANTOPEN, .SQLITE_NOTADB: self = .failing
        default: return nil
        }
    }

    /// Lower case, one line.
    var description: String {
        switch self {
        case .full: "the server's disk is full; nothing was changed"
        case .readOnly: "the server's disk can only be read; nothing was changed"
        case .busy: "the server's database is busy; try again"
        case .failing: "the server's database cannot be read or written"
        }
    }
}

extension SQLiteStore {
    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Answer
    ) async throws -> Answer {
        try await pool.read { try body(StoreTransaction(database: $0)) }
    }

    func write<Answer: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Answer
    ) async throws -> Answer {
        try await pool.write { try body(StoreTransaction(database: $0)) }
    }
}
