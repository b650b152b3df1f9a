import Glibc
import MeshModel
import NetlinkWire

private let agentUsage = "[--socket <path>] [--instance <name>]"
let statusUsage = "[<peer> [--why]] [--json] " + agentUsage
let historyUsage = "[--json] " + agentUsage
let upUsage = agentUsage
let downUsage = agentUsage + " [--interface <link>] [--state-dir <path>]"

let agentOptionsHelp = """
      --socket PATH          the agent's socket (default: WGMESH_SOCKET, then /run/wgmesh/agent.sock or
                             /run/wgmesh/INSTANCE.sock)
      --instance NAME        a further agent on this host (default: WGMESH_INSTANCE)

    """

let statusHelp = """
      PEER                   this peer alone: its name or the first part of it, its overlay address or its public key
      --why                  why the way to it is the one it is: candidates of both sides, what was checked and what
                             answered, what is known of the translators, and what could be done for a direct path
      --json                 print JSON

    """

/// `status`: asks the agent how it is, or how the way to one peer is.
func askStatus(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    do throws(CommandFailure) {
        let options = try AgentOptions(&invocation)
        let request = try statusRequest(&invocation)
        return try AgentClient(path: options.socketPath).run(request)
    } catch {
        complain("wgctl: \(error)")
        if error.status == .usage { invocation.complainUsage(statusUsage) }
        return error.status.rawValue
    }
}

/// - Returns: the agent's line.
/// - Throws: `CommandFailure` (`usage`).
func statusRequest(_ invocation: inout Invocation) throws(CommandFailure) -> String {
    let format = invocation.take(flag: "--json") ? "json" : "text"
    let isWhy = invocation.take(flag: "--why")
    let arguments = invocation.arguments
    if let unknown = arguments.first(where: { $0.hasPrefix("-") }) ?? arguments.dropFirst().first {
        throw CommandFailure(.usage, "unknown argument '\(unknown)'")
    }
    guard let peer = arguments.first else {
        if isWhy { throw CommandFailure(.usage, "--why explains the way to one peer: name it") }
        return "status \(format)"
    }
    guard (1...longestPeerName).contains(peer.utf8.count) else {
        throw CommandFailure(.usage, "a peer is named by a name, an overlay address or a public key")
    }
    return "peer \(isWhy ? "why" : "show") \(format) \(PercentEncoding.encode(peer))"
}

/// What the agent reads of a name. Source: RFC 1035, section 2.3.4.
private let longestPeerName = 255

/// `history`: what the agent changed in the kernel, and why.
func askHistory(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let request = invocation.take(flag: "--json") ? "history json" : "history text"
    return await withAgent(invocation, usage: historyUsage) { options throws(CommandFailure) in
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
