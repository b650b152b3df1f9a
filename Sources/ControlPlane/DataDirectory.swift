import FileStatus
import Glibc
import MeshModel
package import RelayWire

/// The folder that holds everything the server remembers. Only its owner can enter it.
struct DataDirectory: Sendable {
    let path: String

    var databasePath: String { path + "/server.db" }
    private var relaySecretPath: String { path + "/relay.secret" }
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
        guard let status = FileStatus(path) else {
            throw ServerFailure(
                .failure,
                "cannot read data directory \(path): \(describe(errno: errno)); name the right one with --data-dir"
            )
        }
        guard status.isFolder else {
            throw ServerFailure(.failure, "\(path) is no directory; choose another with --data-dir")
        }
        guard !status.isWritableByAll else {
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

    /// The secret of this server's relay, made at the first start: tokens hold across restarts.
    ///
    /// - Throws: `ServerFailure`: `stateDamaged` for a file that holds nothing.
    func relaySecret() throws(ServerFailure) -> RelaySecret {
        if access(relaySecretPath, F_OK) != 0 {
            guard errno == ENOENT else {
                throw ServerFailure(.failure, "cannot read \(relaySecretPath): \(describe(errno: errno))")
            }
            var random = SystemRandomNumberGenerator()
            let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            try writeSecret(Base64.encode(bytes))
        }
        return try RelaySecret(file: relaySecretPath)
    }

    /// Whole or not at all: a name of its own first, then the right one.
    private func writeSecret(_ text: String) throws(ServerFailure) {
        let partial = relaySecretPath + ".new"
        unlink(partial)  // left over from a start that was killed; where it cannot go, open says why
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ServerFailure(.failure, "cannot make \(partial): \(describe(errno: errno))")
        }
        let bytes = Array((text + "\n").utf8)
        let isWritten = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(partial, relaySecretPath) == 0 else {
            throw ServerFailure(.failure, "cannot write \(relaySecretPath): \(describe(errno: errno))")
        }
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

extension RelaySecret {
    /// The first line of a file.
    ///
    /// - Throws: `ServerFailure` that names the file: unreadable, or `stateDamaged` if it holds no line of 1 to 4096 bytes.
    package init(file path: String) throws(ServerFailure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ServerFailure(.failure, "cannot read \(path): \(describe(errno: errno))")
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4097)
        let count = read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw ServerFailure(.failure, "cannot read \(path): \(describe(errno: errno))") }
        let line = buffer[..<count].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard (1...4096).contains(line.count), let text = String(validating: line, as: UTF8.self) else {
            throw ServerFailure(.stateDamaged, "\(path) holds no relay secret: one line of text is needed")
        }
        self.init(text: text)
    }
}
