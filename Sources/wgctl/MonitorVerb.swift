import Glibc
import NetlinkSocket
import NetlinkWire
import Routing
import WGTool

let monitorUsage = "[--json]"

/// `monitor`: a line for every change of WireGuard links, their addresses and routes, until interrupted.
///
/// What changed is read, not told: several changes between two looks are told as their outcome, and none is lost when the
/// kernel drops events.
func monitorHost(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    guard invocation.arguments.isEmpty else {
        invocation.complainUsage(monitorUsage)
        return EXIT_FAILURE
    }
    do throws(NetlinkError) {
        // Before the first look, so that nothing falls between the two.
        let monitor = try NetlinkMonitor()
        let host = HostNetwork(transport: try NetlinkSocket())
        var facts = try await readFacts(host)
        for await _ in monitor.events {
            let next = try await readFacts(host)
            let now = timestamp(secondsSince1970: Int64(time(nil)))
            let changes = HostFactChange.changes(from: facts, to: next)
            let lines = changes.map { $0.line(time: now, isJSON: isJSON) + "\n" }
            facts = next
            guard printing(Array(lines.joined().utf8), invocation) == EXIT_SUCCESS else { return EXIT_FAILURE }
        }
        return EXIT_SUCCESS
    } catch {
        complain("\(invocation.program): \(error)")
        return EXIT_FAILURE
    }
}

private func readFacts(_ host: HostNetwork<NetlinkSocket>) async throws(NetlinkError) -> Set<HostFact> {
    var facts: Set<HostFact> = []
    for name in try await host.wireGuardLinkNames() {
        let snapshot = try await host.snapshot(linkName: name)
        guard let link = snapshot.link else { continue }
        facts.insert(HostFact(.link, "\(name) \(link.isUp ? "up" : "down") mtu \(link.mtuBytes)"))
        for address in snapshot.addresses(of: link) {
            facts.insert(HostFact(.address, "\(address.prefix) dev \(name)"))
        }
        for route in snapshot.routes {
            let metric = route.metric == 0 ? "" : " metric \(route.metric)"
            let text = "\(route.destination) dev \(name) table \(route.table) proto \(route.routeProtocol)\(metric)"
            facts.insert(HostFact(.route, text))
        }
    }
    return facts
}
