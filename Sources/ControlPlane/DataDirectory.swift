import Glibc
import MeshModel

/// The folder that holds everything the server remembers. Only its owner can enter it.
struct DataDirectory: Sendable {
    let path: String

    var databasePath: String { path + "/server.db" }
    private var lockPath: String { path + "/server.lock" }

    /// - Parameter mayMake: makes the folder (mode 0700) if it is missing; its parent must exist.
    /// - Throws: `ServerFailure` if it is missing, is no folder, or everybody may write to it.
    init(path: String, mayMake: Bool = false) throws(ServerFailure) {
        self.path = path
        if mayMake, mkdir(path, 0o700) != 0, errno != EEXIST {
            throw ServerFailure(
                .failure,
                "cannot make data directory \(path): \(describe(errno: errno)); choose another with --data-dir"
            )
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ServerFailure(
                .failure,
                "cannot read data directory \(path): \(describe(errno: errno)); name the right one with --data-dir"
            )
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ServerFailure(.failure, "\(path) is no directory; choose another with --data-dir")
        }
        guard status.st_mode & 0o002 == 0 else {
            throw ServerFailure(
                .failure,
                "everybody may write to data directory \(path); run: chmod 0700 \(path)"
            )
        }
    }

    /// Takes the right to serve this folder, until the process ends or the returned lock goes.
    ///
    /// - Throws: `ServerFailure` with `alreadyRunning` if another server holds it.
    func lock() throws(ServerFailure) -> DataDirectoryLock {
        // The kernel takes the lock away with its holder, kill -9 included: nothing is left over to clean up.
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ServerFailure(.failure, "cannot open \(lockPath): \(describe(errno: errno))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw ServerFailure(.failure, "cannot lock \(lockPath): \(describe(errno: code))")
            }
            throw ServerFailure(
                .alreadyRunning,
                "another wgmesh-server serves \(path); stop it first, or choose another --data-dir"
            )
        }
        return DataDirectoryLock(descriptor: descriptor)
    }

    /// Whether a server serves this folder now.
    var isServed: Bool {
        let descriptor = open(lockPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // A shared lock, so that two such questions at once do not answer each other.
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}

/// Holds the lock of a data directory while it exists, or until `release`.
final class DataDirectoryLock: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Gives the folder free now, whatever still holds this object or, between fork and exec, a copy of its descriptor.
    func release() { _ = flock(descriptor, LOCK_UN) }

    deinit { close(descriptor) }
}
