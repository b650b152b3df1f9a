import Glibc
package import MeshModel

/// Why the agent cannot start or go on: one line for the user and the exit status that names it.
package struct AgentFailure: Error, Hashable, CustomStringConvertible {
    package var status: ExitStatus
    /// One line: what is wrong, then what to do about it.
    package var description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

/// The system's own words for `errno`, as `strerror` has them.
func errorText(_ errno: Int32) -> String { String(cString: strerror(errno)) }
