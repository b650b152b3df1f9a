import ArgumentParser

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the agent how it is.",
        discussion:
            "Ends with 0 if all is well, 3 if no agent answers, 4 if it is not registered, 5 if something is wrong."
    )

    @OptionGroup var agent: AgentOptions
    @Flag(help: "For programs.")
    var json = false

    func run() throws { try AgentClient(path: agent.socketPath).run(json ? "status json" : "status text") }
}
