import FileStatus
import GRDB
import Glibc
import MeshModel

/// The store in one SQLite file, in WAL mode: commands read and write it beside the running server.
struct SQLiteStore: Sendable {
    let pool: DatabasePool
    /// A connection of its own, since `PRAGMA data_version` counts the commits of *others*.
    let watch: DatabaseQueue

    /// Opens the database of a data directory.
    ///
    /// - Parameter mayCreate: makes a new mesh if there is none. Not for every command: a mistyped folder would get one.
    /// - Parameter mayUpgrade: only the server moves an older database forward; a command beside a running older server
    ///   would take it away under its feet.
    /// - Parameter domain: domain of peer names for a new mesh, or the new one for an existing mesh; `nil`: keep it.
    /// - Throws: `ServerFailure`, `databaseDamaged` if the file cannot be read as what it should be. It is never
    ///   deleted, repaired or opened in part.
    static func open(
        _ directory: DataDirectory,
        mayCreate: Bool,
        mayUpgrade: Bool,
        domain: String? = nil,
        atSeconds now: Int64
    ) throws(ServerFailure) -> SQLiteStore {
        let path = directory.databasePath
        do {
            let status = FileStatus(path)
            if status == nil && errno == ENOENT {
                guard mayCreate else {
                    throw ServerFailure(
                        .failure,
                        "\(directory.path) holds no mesh; start wgmesh-server serve, or name the right folder with --data-dir"
                    )
                }
                try create(at: path, domain: domain ?? AccountRecord.defaultDomain, atSeconds: now)
            } else if status?.sizeBytes == 0 {
                throw damaged(path, "the file is empty")
            }
            return try open(existing: path, mayUpgrade: mayUpgrade, domain: domain)
        } catch let failure as ServerFailure {
            throw failure
        } catch let error as DatabaseError {
            throw failure(path, error)
        } catch {
            throw ServerFailure(.failure, "cannot open database \(path): \(error)")
        }
    }

    private static func open(existing path: String, mayUpgrade: Bool, domain: String?) throws -> SQLiteStore {
        let watch = try DatabaseQueue(path: path, configuration: readOnly)
        try watch.read { database in
            let id = try Int32.fetchOne(database, sql: "PRAGMA application_id")
            guard id == applicationID else {
                throw ServerFailure(
                    .databaseDamaged,
                    "\(path) is no wgmesh-server database; move it away, or choose another --data-dir"
                )
            }
            let problem = try String.fetchOne(database, sql: "PRAGMA quick_check(1)")
            guard problem == "ok" else { throw damaged(path, problem ?? "no answer to quick_check") }
            guard try !migrations().hasBeenSuperseded(database) else {
                throw ServerFailure(
                    .databaseDamaged,
                    "database \(path) was written by a newer wgmesh-server; install that version, or restore a backup"
                )
            }
            guard try mayUpgrade || migrations().hasCompletedMigrations(database) else {
                throw ServerFailure(
                    .failure,
                    "database \(path) is of an older version; start wgmesh-server serve once to upgrade it"
                )
            }
        }
        let pool = try DatabasePool(path: path, configuration: readWrite)
        // GRDB chooses NORMAL for WAL, where a power failure may undo the last commits. The serial must not go back.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try migrations().migrate(pool)
        try pool.write { database in
            guard var account = try AccountRecord.fetchOne(database) else { throw damaged(path, "it has no account") }
            guard let domain, domain != account.domain else { return }
            account.domain = domain
            account.serial += 1
            try account.update(database)
        }
        return SQLiteStore(pool: pool, watch: watch)
    }

    /// Makes the file under another name and links it into place when it is whole: a crash leaves no half of one, and of
    /// two creators one wins.
    private static func create(at path: String, domain: String, atSeconds now: Int64) throws {
        let temporary = "\(path).new-\(getpid())"
        unlink(temporary)
        defer { unlink(temporary) }
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ServerFailure(.failure, "cannot make \(temporary): \(describe(errno: errno))")
        }
        close(descriptor)
        let queue = try DatabaseQueue(path: temporary, configuration: readWrite)
        try migrations().migrate(queue)
        try queue.write { try makeAccount($0, domain: domain, atSeconds: now) }
        try queue.close()
        guard link(temporary, path) == 0 || errno == EEXIST else {
            throw ServerFailure(.failure, "cannot make \(path): \(describe(errno: errno))")
        }
    }

    private static let readWrite: GRDB.Configuration = {
        var configuration = GRDB.Configuration()
        // A command and the server wait for each other's transaction; each takes milliseconds.
        configuration.busyMode = .timeout(5)
        return configuration
    }()

    private static let readOnly: GRDB.Configuration = {
        var configuration = readWrite
        configuration.readonly = true
        return configuration
    }()

    private static func damaged(_ path: String, _ reason: String) -> ServerFailure {
        ServerFailure(
            .databaseDamaged,
            "database \(path) is damaged (\(reason)); restore it from a backup, or move it away to start a new mesh"
        )
    }

    private static func failure(_ path: String, _ error: DatabaseError) -> ServerFailure {
        let reason = error.message ?? "SQLite code \(error.extendedResultCode.rawValue)"
        return switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_FORMAT: damaged(path, reason)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            ServerFailure(.failure, "database \(path) is locked by another program (\(reason)); try again")
        default: ServerFailure(.failure, "cannot open database \(path): \(reason)")
        }
    }
}
