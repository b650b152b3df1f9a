import Glibc
package import MeshModel

/// Why the server cannot start or a command cannot be done: one line for the user and the exit status that names it.
package struct ServerFailure: Error, Sendable, CustomStringConvertible {
    package var status: ExitStatus
    /// One line: what is wrong, then what to do about it.
    package var description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

/// The system's words for an `errno`, such as `Permission denied`.
func describe(errno code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
