public import ArgumentParser
import Glibc
public import MeshModel

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

/// Parses the command line and runs the command; ends the process with the status of `ExitStatus`.
///
/// Errors go to standard error as one line, `NAME: what is wrong`. Usage errors end with 2, `--help` and `--version` with 0.
public func runCommand(_ command: (some ParsableCommand).Type, name: String) async -> Never {
    do {
        var parsed = try command.parseAsRoot()
        if var asynchronous = parsed as? any AsyncParsableCommand {
            try await asynchronous.run()
        } else {
            try parsed.run()
        }
        exit(ExitStatus.success.rawValue)
    } catch let failure as CommandFailure {
        writeError("\(name): \(failure)\n")
        exit(failure.status.rawValue)
    } catch let exitCode as ExitCode {
        exit(exitCode.rawValue)
    } catch {
        let status = command.exitCode(for: error)
        if status == .success {
            print(command.fullMessage(for: error))
            exit(ExitStatus.success.rawValue)
        }
        writeError(command.fullMessage(for: error) + "\n")
        exit(status == .validationFailure ? ExitStatus.usage.rawValue : ExitStatus.failure.rawValue)
    }
}

/// `stderr` itself is shared mutable state to Swift 6; file descriptor 2 is not.
private func writeError(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}
