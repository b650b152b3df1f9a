import Glibc
import MeshModel

let drainUsage = "[--wait <seconds>] [--json] [--socket <path>] [--instance <name>]"

let drainHelp = """
      --wait SECONDS         until nobody uses this gateway any more, or for so long, 1 to 86400
      --json                 print JSON

    """

/// `drain`: asks clients to go elsewhere, and tells who still uses this gateway.
func drainGateway(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let format = invocation.take(flag: "--json") ? "json" : "text"
    let wait = invocation.take(option: "--wait")
    return await withAgent(invocation, usage: drainUsage) { options throws(CommandFailure) in
        let client = AgentClient(path: options.socketPath)
        let seconds = try wait.map(waitSeconds) ?? 0
        var reply = try drain(client, format)
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        while reply.status == UInt8(ExitStatus.degraded.rawValue), clock.now < end {
            sleep(1)  // the pace of the question, not a wait for something to settle: nobody tells when traffic ends
            reply = try drain(client, format)
        }
        return client.finish(reply)
    }
}

/// `undrain`: serves as ever again.
func undrainGateway(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let format = invocation.take(flag: "--json") ? "json" : "text"
    return await withAgent(invocation, usage: historyUsage) { options throws(CommandFailure) in
        try AgentClient(path: options.socketPath).run("undrain \(format)")
    }
}

private func drain(_ client: AgentClient, _ format: String) throws(CommandFailure) -> AgentReply {
    guard let reply = try client.ask("drain \(format)") else { throw client.unreachable() }
    return reply
}

/// The value of `--wait`.
func waitSeconds(_ text: String) throws(CommandFailure) -> Int {
    guard let seconds = Int(text), (1...86_400).contains(seconds), text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { throw CommandFailure(.usage, "--wait takes 1 to 86400 seconds, not \(text)") }
    return seconds
}
