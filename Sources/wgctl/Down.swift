import ArgumentParser
import CommandLineSupport
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take the tunnel down: by the agent, or directly if none runs.",
        discussion: """
            Without an agent it removes exactly what is ours: the link if it bears our mark (its alias), and our routes \
            through it. Ends with 10 if not root, 17 if the link is somebody else's.
            """
    )

    @OptionGroup var agent: AgentOptions
    @Option(help: "Name of the link to remove when no agent runs.")
    var interface = "wgm0"

    func validate() throws {
        guard isValidLinkName(interface) else { throw ValidationError("\(interface) is no name for a link") }
    }

    func run() async throws {
        let client = AgentClient(path: agent.socketPath)
        if let reply = try client.ask("down") { return try client.finish(reply) }
        do {
            print(try await removeDirectly())
        } catch let error as NetlinkError {
            throw CommandFailure(error, link: interface)
        }
    }

    /// - Returns: a line that says what was done.
    private func removeDirectly() async throws -> String {
        let host = HostNetwork(transport: try NetlinkSocket())
        let current = try await host.snapshot(linkName: interface)
        let removal = plan(current: current, desired: nil, alias: linkAlias(instance: agent.instanceName))
        if let conflict = removal.conflicts.first { throw CommandFailure(.nameTaken, "\(conflict)") }
        if removal.operations.isEmpty { return "nothing to remove: no agent runs, and there is no link \(interface)" }
        try await host.apply(removal.operations)
        return "removed the link \(interface) and its routes; no agent runs"
    }
}
