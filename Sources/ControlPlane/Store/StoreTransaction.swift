import GRDB

/// One transaction of the store, as an administrator's request sees it: rows in, rows out, all of it or nothing.
///
/// Valid only inside the call that hands it over.
struct StoreTransaction {
    let database: Database

    typealias Row = Codable & FetchableRecord & PersistableRecord & Sendable

    /// In the order in which they were made.
    func all<Record: Row>(_ type: Record.Type) throws -> [Record] {
        try Record.order(Column.rowID).fetchAll(database)
    }

    /// The rows whose `column` is `value`, in the order in which they were made.
    func rows<Record: Row>(_ type: Record.Type, where column: String, is value: String) throws -> [Record] {
        try Record.filter(Column(column) == value).order(Column.rowID).fetchAll(database)
    }

    /// - Returns: `nil` if there is none.
    func find<Record: Row>(_ type: Record.Type, _ id: String) throws -> Record? {
        try Record.fetchOne(database, key: id)
    }

    func insert(_ record: some Row) throws { try record.insert(database) }

    /// - Throws: if it is not there.
    func update(_ record: some Row) throws { try record.update(database) }

    func delete(_ record: some Row) throws { _ = try record.delete(database) }

    func deleteRows<Record: Row>(_ type: Record.Type, where column: String, is value: String) throws {
        try Record.filter(Column(column) == value).deleteAll(database)
    }

    /// The one account.
    func meshAccount() throws -> AccountRecord { try account(database) }

    /// Something that a peer can see was changed: call it once in a transaction.
    func mapsChanged() throws { try raiseSerial(database) }

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
