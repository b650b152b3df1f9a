import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing

// `status`, `up`, `down`: what the agent answers. Usage errors end with 2, failures with the status that names them.

func status(_ invocation: Invocation) -> Int32 {
    answering(invocation) { () throws(CommandFailure) in
        let options = try AgentOptions(invocation.arguments, allowing: ["--socket", "--instance", "--json"])
        return try AgentClient(path: options.socketPath).run(options.isJSON ? "status json" : "status text")
    }
}

func up(_ invocation: Invocation) -> Int32 {
    answering(invocation) { () throws(CommandFailure) in
        let options = try AgentOptions(invocation.arguments, allowing: ["--socket", "--instance"])
        return try AgentClient(path: options.socketPath).run("up")
    }
}

func down(_ invocation: Invocation) async -> Int32 {
    do throws(CommandFailure) {
        let options = try AgentOptions(invocation.arguments, allowing: ["--socket", "--instance", "--interface"])
        let client = AgentClient(path: options.socketPath)
        if let reply = try client.ask("down") { return client.finish(reply) }
        return printing(Array((try await removeDirectly(options) + "\n").utf8), invocation)
    } catch {
        return ending(invocation, error)
    }
}

/// Takes down what an agent left behind.
///
/// - Returns: a line that says what was done.
/// - Throws: `CommandFailure`, `nameTaken` if the link is somebody else's.
private func removeDirectly(_ options: AgentOptions) async throws(CommandFailure) -> String {
    let conflict: CommandFailure
    do throws(NetlinkError) {
        let host = HostNetwork(transport: try MainThreadNetlinkSocket())
        let current = try await host.snapshot(linkName: options.interface)
        let removal = plan(current: current, desired: nil, alias: linkAlias(instance: options.instanceName))
        guard let found = removal.conflicts.first else {
            if removal.operations.isEmpty {
                return "nothing to remove: no agent runs, and there is no link \(options.interface)"
            }
            try await host.apply(removal.operations)
            return "removed the link \(options.interface) and its routes; no agent runs"
        }
        conflict = CommandFailure(.nameTaken, "\(found)")
    } catch {
        throw CommandFailure(error, link: options.interface)
    }
    throw conflict
}

private func answering(_ invocation: Invocation, _ ask: () throws(CommandFailure) -> Int32) -> Int32 {
    do throws(CommandFailure) { return try ask() } catch { return ending(invocation, error) }
}

private func ending(_ invocation: Invocation, _ failure: CommandFailure) -> Int32 {
    complain("wgctl: \(failure)")
    return failure.status.rawValue
}
