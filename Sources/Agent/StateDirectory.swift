import Glibc
import MeshModel

/// The folder with everything the agent remembers over restarts. Only its owner can enter it, only one agent at a time.
///
/// Files are replaced atomically: after a crash at any moment a file is whole, the old one or the new one.
package final class StateDirectory: Sendable {
    package let path: String
    private let lockDescriptor: Int32

    /// Makes the folder (mode 0700) and its parents where they are missing, and takes its lock until `deinit`.
    ///
    /// - Throws: `AgentFailure` with `.alreadyRunning` if another agent holds the lock, `.failure` if the folder cannot be
    ///   made or others may write to it.
    package init(path: String) throws(AgentFailure) {
        try Self.makeFolders(path)
        let lockPath = path + "/lock"
        // The kernel drops the lock with its holder, kill -9 included: nothing is left over to clean up.
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw AgentFailure(.failure, "cannot open \(lockPath): \(errorText(errno)); choose another --state-dir")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            guard code == EWOULDBLOCK else {
                throw AgentFailure(.failure, "cannot lock \(lockPath): \(errorText(code))")
            }
            throw AgentFailure(
                .alreadyRunning,
                "another wgmesh-agent uses \(path); stop it first, or give this one its own --instance"
            )
        }
        self.path = path
        lockDescriptor = descriptor
    }

    deinit { Glibc.close(lockDescriptor) }

    /// Larger than most files kept here; a longer one is damaged. The map and the hints have bounds of their own.
    package static let smallFileBytes = 4096

    /// The text of one of our files.
    ///
    /// - Returns: `nil` if there is none.
    /// - Throws: `AgentFailure` with `.stateDamaged` if it is no plain file, too long or no UTF-8; `.failure` if the disk
    ///   says no.
    package func read(_ name: String, maximumBytes: Int = smallFileBytes) throws(AgentFailure) -> String? {
        guard let bytes = try read(name, atMost: maximumBytes) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw damaged(name, "it is no text") }
        return text
    }

    /// The bytes of one of our files, of which none is longer than `limit`.
    ///
    /// - Returns: `nil` if there is none.
    /// - Throws: `AgentFailure` with `.stateDamaged` if it is no plain file or too long; `.failure` if the disk says no.
    package func read(_ name: String, atMost limit: Int) throws(AgentFailure) -> [UInt8]? {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0 {
            guard errno != ENOENT else { return nil }
            throw AgentFailure(.failure, "cannot open \(file): \(errorText(errno))")
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw damaged(name, "it is no plain file")
        }
        guard status.st_size <= limit else { throw damaged(name, "it is longer than \(limit) bytes") }
        // One byte more than it has: whoever makes it longer meanwhile is noticed.
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        var count = 0
        while count < bytes.count {
            // In place: through a slice it would be a copy, and the file may be a key.
            let more = bytes.withUnsafeMutableBytes { bytes in
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[count...])
                return Glibc.read(descriptor, rest.baseAddress, rest.count)
            }
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { throw AgentFailure(.failure, "cannot read \(file): \(errorText(errno))") }
            if more == 0 { break }
            count += more
        }
        guard count < bytes.count else { throw damaged(name, "it changes while it is read") }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Replaces one of our files: mode 0600, on disk when this returns.
    ///
    /// - Throws: `AgentFailure` with `.failure` and the system's words.
    package func write(_ text: String, to name: String) throws(AgentFailure) {
        try write(Array(text.utf8), to: name)
    }

    /// As `write(_:to:)` of a text.
    package func write(_ bytes: [UInt8], to name: String) throws(AgentFailure) {
        let (file, temporary) = ("\(path)/\(name)", "\(path)/.\(name).new")
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw AgentFailure(.failure, "cannot create \(temporary): \(errorText(errno))")
        }
        var code: Int32 = 0
        if fchmod(descriptor, 0o600) != 0 || !writeAll(bytes, to: descriptor) || fsync(descriptor) != 0 { code = errno }
        Glibc.close(descriptor)
        if code == 0, rename(temporary, file) != 0 { code = errno }
        guard code == 0 else {
            unlink(temporary)
            throw AgentFailure(.failure, "cannot write \(file): \(errorText(code))")
        }
        try synchronizeFolder()
    }

    /// Removes one of our files, if it is there.
    ///
    /// - Throws: `AgentFailure` with `.failure` and the system's words.
    package func remove(_ name: String) throws(AgentFailure) {
        let file = "\(path)/\(name)"
        guard unlink(file) == 0 else {
            if errno == ENOENT { return }
            throw AgentFailure(.failure, "cannot remove \(file): \(errorText(errno))")
        }
        try synchronizeFolder()
    }

    /// Renames one of our files to `NAME.set-aside`, in place of an earlier one, for whoever wants to look.
    ///
    /// - Returns: the new path; `nil` if that could not be done.
    package func setAside(_ name: String) -> String? {
        let aside = "\(path)/\(name).set-aside"
        return rename("\(path)/\(name)", aside) == 0 ? aside : nil
    }

    /// What to say of a file that is there but is not what it should be. It is never overwritten by us.
    package func damaged(_ name: String, _ reason: String) -> AgentFailure {
        AgentFailure(
            .stateDamaged,
            "\(path)/\(name) is damaged (\(reason)): restore it from a backup, or remove it to join as a new peer"
        )
    }

    /// A rename is on disk only when its folder is.
    private func synchronizeFolder() throws(AgentFailure) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0, fsync(folder) == 0 else {
            throw AgentFailure(.failure, "cannot sync \(path): \(errorText(errno))")
        }
        Glibc.close(folder)
    }

    private static func makeFolders(_ path: String) throws(AgentFailure) {
        var partial = ""
        for part in path.split(separator: "/") {
            partial += "/\(part)"
            if mkdir(partial, 0o700) != 0, errno != EEXIST {
                throw AgentFailure(.failure, "cannot make \(partial): \(errorText(errno)); choose another --state-dir")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw AgentFailure(.failure, "\(path) is no directory; choose another --state-dir")
        }
        guard status.st_mode & 0o022 == 0, status.st_uid == geteuid() else {
            throw AgentFailure(.failure, "others may write to \(path); run: chown root \(path) && chmod 0700 \(path)")
        }
    }
}

/// - Returns: `false` with `errno` set if not everything could be written.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { continue }
            return false
        }
        rest = rest.dropFirst(count)
    }
    return true
}
