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
}
