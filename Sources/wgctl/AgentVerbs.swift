import Glibc
import MeshModel
import NetlinkWire

private let agentUsage = "[--socket <path>] [--instance <name>]"
let statusUsage = "[--json] " + agentUsage
let upUsage = agentUsage
let downUsage = agentUsage + " [--interface <link>] [--state-dir <path>]"

let agentOptionsHelp = """
      --socket PATH          the agent's socket (default: WGMESH_SOCKET, then /run/wgmesh/agent.sock or
                             /run/wgmesh/INSTANCE.sock)
      --instance NAME        a further agent on this host (default: WGMESH_INSTANCE)

    """

/// `status`: asks the agent how it is.
func askStatus(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let request = invocation.take(flag: "--json") ? "status json" : "status text"
    return await withAgent(invocation, usage: statusUsage) { options throws(CommandFailure) in
        try AgentClient(path: options.socketPath).run(request)
    }
}

/// `history`: what the agent changed in the kernel, and why.
func askHistory(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let request = invocation.take(flag: "--json") ? "history json" : "history text"
    return await withAgent(invocation, usage: statusUsage) { options throws(CommandFailure) in
        try AgentClient(path: options.socketPath).run(request)
    }
}

/// `up`: tells the agent to connect.
func connectAgent(_ invocation: Invocation) async -> Int32 {
    await withAgent(invocation, usage: upUsage) { options throws(CommandFailure) in
        try AgentClient(path: options.socketPath).run("up")
    }
}

/// `down`: takes the tunnel down, by the agent or directly if none runs.
func takeDown(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let link = invocation.take(option: "--interface") ?? "wgm0"
    let stateDirectory = invocation.take(option: "--state-dir") ?? environmentValue("WGMESH_STATE_DIR")
    return await withAgent(invocation, usage: downUsage) { options throws(CommandFailure) in
        guard isValidLinkName(link) else { throw CommandFailure(.usage, "\(link) is no name for a link") }
        let client = AgentClient(path: options.socketPath)
        if let reply = try client.ask("down") { return client.finish(reply) }
        let removal = DirectRemoval(link: link, instance: options.instanceName, stateDirectory: stateDirectory)
        return printing(Array((try await removal.run() + "\n").utf8), invocation)
    }
}

/// - Returns: the exit status of `body`, or that of its failure after saying what it was.
func withAgent(
    _ invocation: Invocation,
    usage: String,
    _ body: (AgentOptions) async throws(CommandFailure) -> Int32
) async -> Int32 {
    var invocation = invocation
    do throws(CommandFailure) {
        let options = try AgentOptions(&invocation)
        if let unknown = invocation.arguments.first {
            complain("wgctl: unknown argument '\(unknown)'")
            invocation.complainUsage(usage)
            return ExitStatus.usage.rawValue
        }
        return try await body(options)
    } catch {
        complain("wgctl: \(error)")
        return error.status.rawValue
    }
}
