import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import WGKernel
import WGTool

let whyUsage = "<address> [--from <address>] [--mark <mark>] [--json] [--socket <path>] [--instance <name>]"

/// `why`: where a packet to an address goes now, or why it goes nowhere.
func explainAddress(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    let (from, mark) = (invocation.take(option: "--from"), invocation.take(option: "--mark"))
    guard let text = invocation.arguments.first, !text.hasPrefix("-") else {
        invocation.complainUsage(whyUsage)
        return ExitStatus.usage.rawValue
    }
    invocation.arguments.removeFirst()
    return await withAgent(invocation, usage: whyUsage) { options throws(CommandFailure) in
        let lookup = try question(text, from: from, mark: mark)
        // try?: without an agent the kernel alone answers.
        let agent = try? AgentFacts(asking: options)
        let path = PacketPath(try await packetFacts(lookup, agent: agent))
        let output = isJSON ? path.json.text + "\n" : path.text
        let status = printing(Array(output.utf8), invocation)
        return status == EXIT_SUCCESS ? path.status.rawValue : status
    }
}

private func question(_ text: String, from: String?, mark: String?) throws(CommandFailure) -> RouteLookup {
    guard let destination = IPAddress(text) else {
        throw CommandFailure(.usage, "\(text) is no IP address; names are not looked up")
    }
    var lookup = RouteLookup(to: destination)
    if let from {
        guard let source = IPAddress(from), source.isV4 == destination.isV4 else {
            throw CommandFailure(.usage, "--from \(from): not an IP address of the family of \(text)")
        }
        lookup.source = source
    }
    if let mark {
        let number = mark.hasPrefix("0x") ? UInt32(mark.dropFirst(2), radix: 16) : UInt32(mark)
        guard let number else { throw CommandFailure(.usage, "--mark \(mark): not a number of 32 bits") }
        lookup.fwmark = number
    }
    return lookup
}

private func packetFacts(_ lookup: RouteLookup, agent: AgentFacts?) async throws(CommandFailure) -> PacketFacts {
    do throws(NetlinkError) {
        let transport = try MainThreadNetlinkSocket()
        let host = HostNetwork(transport: transport)
        var facts = PacketFacts(
            lookup: lookup,
            answer: try await host.lookUp(lookup),
            rules: try await host.rules(),
            routes: try await host.routes(),
            links: try await host.links(),
            agent: agent,
            nowSeconds: Int64(time(nil))
        )
        guard case .route(let route) = facts.answer, let index = route.linkIndex,
            let link = facts.links.first(where: { $0.index == index }), link.kind == "wireguard"
        else { return facts }
        do throws(NetlinkError) {
            facts.device = try await WireGuardDevice(name: link.name, transport: transport).snapshot()
        } catch {
            guard error.isNotPermitted else { throw error }
        }
        if let device = facts.device, let owner = PacketPath.owner(of: lookup.destination, in: device),
            let endpoint = owner.peer.endpoint
        {
            facts.outer = try await host.lookUp(RouteLookup(to: endpoint.address, fwmark: device.fwmark))
        }
        return facts
    } catch {
        throw CommandFailure(.failure, "\(error)")
    }
}

extension AgentFacts {
    /// - Throws: `CommandFailure` if nobody answers, or an agent that does not know the question.
    init(asking options: AgentOptions) throws(CommandFailure) {
        let client = AgentClient(path: options.socketPath)
        guard let reply = try client.ask("facts") else { throw client.unreachable() }
        guard reply.status == 0 else { throw CommandFailure(.failure, "the agent does not know the question") }
        self.init(String(decoding: reply.body, as: UTF8.self))
    }
}
