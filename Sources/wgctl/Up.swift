import ArgumentParser

struct Up: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the agent to connect; it remembers that across restarts."
    )

    @OptionGroup var agent: AgentOptions

    func run() throws { try AgentClient(path: agent.socketPath).run("up") }
}
