import Logging
import MeshModel
import Routing

/// The journal of kernel settings on disk: what to put back, whoever does it.
enum SettingsJournal {
    private static let name = "settings"
    /// A few settings of each link of a large host.
    private static let maximumBytes = 1 << 20

    /// Empty, with a word in the log, if the file is not what we wrote: old values are lost then, and a host must not lose
    /// its network over that.
    static func load(from state: StateDirectory, logger: Logger) -> SysctlJournal {
        do throws(AgentFailure) {
            guard let text = try state.read(name, maximumBytes: maximumBytes) else { return SysctlJournal() }
            if let journal = SysctlJournal(text: text) { return journal }
            throw AgentFailure(.stateDamaged, "a line is not PATH, OLD VALUE, OUR VALUE")
        } catch {
            logger.error("the journal of kernel settings is lost", metadata: ["reason": "\(error)"])
            return SysctlJournal()
        }
    }

    static func store(_ journal: SysctlJournal, in state: StateDirectory) throws(AgentFailure) {
        try state.write(journal.text, to: name)
    }
}
