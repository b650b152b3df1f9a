import Foundation
import GRDB
import MapCompiler
import MeshModel
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SQLiteStoreTests {
    @Test func `a new database belongs to its owner alone and starts with a mesh where all may talk`() async throws {
        try await withTemporaryFolder { parent in
            let path = parent + "/data"
            let store = try open(path)
            #expect(try permissions(path) == 0o700)
            #expect(try permissions(path + "/server.db") == 0o600)
            let directory = try await store.directory()
            #expect(directory.serial == 0 && directory.domain == "netbird.selfhosted")
            #expect(directory.network.v4.length == 16 && directory.network.v6.length == 64)
            #expect(directory.groups.values.map(\.isAll) == [true])
            #expect(directory.policies.values.flatMap(\.rules).map(\.isBidirectional) == [true])
        }
    }

    @Test func `what was stored is there after it is opened again`() async throws {
        try await withTemporaryFolder { path in
            let first = try await open(path).directory()
            #expect(try await open(path).directory() == first)
        }
    }

    @Test(arguments: [Damage.noDatabase, .empty, .tornPage, .foreign, .newer])
    func `a file that is not what it should be is refused and left as it is`(damage: Damage) async throws {
        try await withTemporaryFolder { path in
            try damage.apply(path)
            let before = try Data(contentsOf: URL(filePath: path + "/server.db"))
            for mayUpgrade in [true, false] {
                let failure = #expect(throws: ServerFailure.self) { try open(path, mayUpgrade: mayUpgrade) }
                #expect(failure?.status == .databaseDamaged)
                #expect(failure?.description.contains(path + "/server.db") == true)
                #expect(failure?.description.contains(damage.words) == true, "\(failure)")
            }
            #expect(try Data(contentsOf: URL(filePath: path + "/server.db")) == before)
        }
    }

    @Test func `a command leaves an older database to the server`() async throws {
        try await withTemporaryFolder { path in
            let store = try open(path)
            try await store.pool.write { try $0.execute(sql: "DELETE FROM grdb_migrations") }
            let failure = #expect(throws: ServerFailure.self) { try open(path, mayUpgrade: false) }
            #expect(failure?.description.contains("of an older version") == true)
        }
    }

    @Test func `a commit of another process is noticed`() async throws {
        try await withTemporaryFolder { path in
            let (ours, theirs) = (try open(path), try open(path, mayUpgrade: false))
            let before = try await ours.changeToken()
            #expect(try await ours.changeToken() == before)
            _ = try await insertKey(into: theirs)
            #expect(try await ours.changeToken() != before)
        }
    }

    @Test func `two registrations of one key at once make one peer`() async throws {
        try await withTemporaryFolder { path in
            let store = try open(path)
            let hash = try await insertKey(into: store)
            let peer = TestPeer(hostname: "a")
            let registration = PeerRegistration(
                publicKey: peer.publicKey,
                setupKeyHash: hash,
                sshPublicKey: "",
                meta: peer.meta
            )
            let outcomes = await withTaskGroup(of: RegistrationRefusal?.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        do {
                            _ = try await store.register(registration, atSeconds: 1)
                            return nil
                        } catch {
                            return error as? RegistrationRefusal
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == nil }.count == 1)
            #expect(outcomes.filter { $0 == .alreadyRegistered }.count == 3)
            #expect(try await store.peers().count == 1)
            #expect(try await store.setupKeys().map(\.usedTimes) == [1])
            #expect(try await store.directory().serial == 1)
        }
    }

    @Test func `a full network refuses the next peer and keeps the key unused`() async throws {
        try await withTemporaryFolder { path in
            let store = try open(path)
            try await store.pool.write { try $0.execute(sql: "UPDATE account SET networkV4 = '100.64.0.0/30'") }
            let hash = try await insertKey(into: store)
            func register() async throws {
                let peer = TestPeer(hostname: "a")
                _ = try await store.register(
                    PeerRegistration(publicKey: peer.publicKey, setupKeyHash: hash, sshPublicKey: "", meta: peer.meta),
                    atSeconds: 1
                )
            }
            try await register()
            try await register()
            await #expect(throws: RegistrationRefusal.addressesExhausted) { try await register() }
            #expect(try await store.setupKeys().map(\.usedTimes) == [2])
            #expect(Set(try await store.peers().map(\.addressV4)) == ["100.64.0.1", "100.64.0.2"])
        }
    }

    @Test func `ephemeral peers carry their address in their name`() async throws {
        try await withTemporaryFolder { path in
            let store = try open(path)
            let hash = try await insertKey(into: store, isEphemeral: true)
            let peer = TestPeer(hostname: "job")
            let record = try await store.register(
                PeerRegistration(publicKey: peer.publicKey, setupKeyHash: hash, sshPublicKey: "", meta: peer.meta),
                atSeconds: 1
            )
            let octets = record.addressV4.split(separator: ".")
            #expect(record.isEphemeral && record.dnsLabel == "job-\(octets[2])-\(octets[3])")
        }
    }

    private func insertKey(into store: SQLiteStore, isEphemeral: Bool = false) async throws -> String {
        let secret = SetupKeySecret.generate()
        try await store.insert(
            SetupKeyRecord(
                id: "key",
                name: "key",
                hash: secret.hash,
                mask: secret.mask,
                type: .reusable,
                createdAtSeconds: 0,
                expiresAtSeconds: nil,
                isRevoked: false,
                usedTimes: 0,
                lastUsedSeconds: nil,
                usageLimit: 0,
                isEphemeral: isEphemeral
            )
        )
        return secret.hash
    }
}

/// What can have happened to a database file.
enum Damage: Sendable, CaseIterable {
    case noDatabase, empty, tornPage, foreign, newer

    /// Part of the line that the user gets.
    var words: String {
        switch self {
        case .noDatabase, .tornPage: "is damaged ("
        case .empty: "the file is empty"
        case .foreign: "is no wgmesh-server database"
        case .newer: "newer wgmesh-server"
        }
    }

    func apply(_ folder: String) throws {
        let path = folder + "/server.db"
        switch self {
        case .noDatabase:
            try Data(repeating: 0x5a, count: 20_000).write(to: URL(filePath: path))
        case .empty:
            try Data().write(to: URL(filePath: path))
        case .tornPage:
            try closed(try open(folder)) { _ in }
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes.replaceSubrange(
                4096..<min(bytes.count, 32_768),
                with: Data(repeating: 0xa5, count: min(bytes.count, 32_768) - 4096)
            )
            try bytes.write(to: URL(filePath: path))
        case .foreign:
            let queue = try DatabaseQueue(path: path)
            try queue.write { try $0.execute(sql: "CREATE TABLE something (id INTEGER)") }
            try queue.close()
        case .newer:
            try closed(try open(folder)) { store in
                try store.pool.write {
                    try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('999: from the future')")
                }
            }
        }
    }

    private func closed(_ store: SQLiteStore, _ body: (SQLiteStore) throws -> Void) throws {
        try body(store)
        try store.watch.close()
        try store.pool.close()
    }
}

private func open(_ path: String, mayUpgrade: Bool = true) throws(ServerFailure) -> SQLiteStore {
    try SQLiteStore.open(
        try DataDirectory(path: path, mayMake: true),
        mayCreate: true,
        mayUpgrade: mayUpgrade,
        atSeconds: 1
    )
}

private func permissions(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}
