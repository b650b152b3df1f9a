import CNetlink
import Glibc
import MeshModel
package import NetlinkWire
import Routing
import WGKernel

/// What can be known to fail before anything is changed: each reason ends the program with its own exit status.
///
/// The same reasons, when they come up later, are shown in the status and tried again.
package enum Preflight {
    /// - Parameter probePort: 0 if a UDP port is free, else a negative errno.
    /// - Throws: `AgentFailure` with `.noWireGuard`, `.notPrivileged`, `.nameTaken` or `.portTaken`.
    package static func check(
        _ configuration: AgentConfiguration,
        transport: some NetlinkTransport,
        probePort: (UInt16) -> Int32 = { CNetlink_udp_port_probe($0) }
    ) async throws(AgentFailure) {
        var heldPort: UInt16 = 0
        do throws(NetlinkError) {
            let host = try await HostNetwork(transport: transport).snapshot(linkName: configuration.interfaceName)
            if let conflict = plan(current: host, desired: nil, alias: configuration.marks.alias).conflicts.first {
                throw NetlinkError(operation: "", code: EEXIST, detail: conflict.description)
            }
            try await checkRules(configuration.marks, transport: transport)
            let device = WireGuardDevice(name: configuration.interfaceName, transport: transport)
            heldPort = try await device.snapshot().listenPort
        } catch  where error.isNoSuchDevice {
            // The usual first start: WireGuard is there, our link is not.
        } catch {
            throw AgentFailure(kernel: error, desired: nil)
        }
        guard configuration.listenPort != 0, heldPort != configuration.listenPort else { return }
        if probePort(configuration.listenPort) == -EADDRINUSE {
            throw AgentFailure(.portTaken, portTakenText(configuration.listenPort))
        }
    }

    /// Another instance's rules at our priorities, or to our table, would be taken for ours.
    private static func checkRules(
        _ marks: OwnerMarks,
        transport: some NetlinkTransport
    ) async throws(NetlinkError) {
        let rules = try await HostNetwork(transport: transport).rules().filter { marks.own($0) }
        for rule in rules where rule.isInverted {
            guard case .lookUp(let table) = rule.action, table != marks.table || rule.fwmark != marks.fwmark else {
                continue
            }
            let remedy = "give this one its own --route-table, --rule-priority and --fwmark"
            let detail = "the rule \"\(rule)\" is another agent's, is not ours; \(remedy)"
            throw NetlinkError(operation: "", code: EEXIST, detail: detail)
        }
    }
}
