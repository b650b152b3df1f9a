/// A failure with one line for the user and the exit status that names it.
public struct CommandFailure: Error, CustomStringConvertible {
    public var status: ExitStatus
    /// One line: what is wrong, then what to do about it.
    public var description: String

    public init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
