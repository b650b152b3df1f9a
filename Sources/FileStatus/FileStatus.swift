import Glibc

/// What stat(2) says of a file, as far as we ask.
///
/// A target of its own: in a module that imports NIO or Foundation as well, `struct stat` has several owners, and which of
/// them a file has to import (SE-0444) depends on the order in which the compiler came upon them.
package struct FileStatus: Hashable, Sendable {
    package let inode: UInt64
    package let sizeBytes: Int
    package let isFolder: Bool
    package let isWritableByAll: Bool
    /// Since 1970.
    package let modifiedSeconds: Int
    package let modifiedNanoseconds: Int

    /// Follows symbolic links.
    ///
    /// - Returns: `nil` if the file cannot be looked at; `errno` says why.
    package init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        inode = UInt64(status.st_ino)
        sizeBytes = Int(status.st_size)
        isFolder = status.st_mode & S_IFMT == S_IFDIR
        isWritableByAll = status.st_mode & 0o002 != 0
        modifiedSeconds = Int(status.st_mtim.tv_sec)
        modifiedNanoseconds = Int(status.st_mtim.tv_nsec)
    }
}
