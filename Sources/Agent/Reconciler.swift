package import AgentCore
import Glibc
package import Logging
package import MeshModel
package import NetlinkWire
import Routing
import WGKernel

/// Makes the kernel agree with a desired state: read, plan, apply, remember.
///
/// Level-triggered: it may be asked at any time with the newest state, and writes nothing where nothing differs.
package actor Reconciler<Transport: NetlinkTransport> {
    /// What the kernel holds after a pass.
    package struct Outcome: Hashable, Sendable {
        /// 0: the interface is down or gone.
        package var listenPort: UInt16 = 0
        package var observations: [PublicKey: PeerObservation] = [:]
    }

    private let device: WireGuardDevice<Transport>
    private let host: HostNetwork<Transport>
    private let interfaceName: String
    private let linkAlias: String
    private let logger: Logger
    /// The endpoints that we set, as opposed to those the kernel has roamed to since.
    private var endpointLedger: [PublicKey: Endpoint] = [:]
    /// After a failure each change stands alone, so that one refused route does not hold up the others.
    private var isCareful = false

    package init(interfaceName: String, linkAlias: String, transport: Transport, logger: Logger) {
        device = WireGuardDevice(name: interfaceName, transport: transport)
        host = HostNetwork(transport: transport)
        self.interfaceName = interfaceName
        self.linkAlias = linkAlias
        self.logger = logger
    }

    /// - Parameter desired: `nil` removes exactly what is ours.
    /// - Throws: `AgentFailure`, one line for status and log. The kernel is read again the next time; nothing is assumed.
    package func reconcile(_ desired: DesiredState?) async throws(AgentFailure) -> Outcome {
        do throws(NetlinkError) {
            let outcome = if let desired { try await apply(desired) } else { try await remove() }
            isCareful = false
            return outcome
        } catch {
            // Whatever was applied before the failure is unknown, so every endpoint counts as not set.
            endpointLedger = [:]
            isCareful = true
            throw AgentFailure(kernel: error, desired: desired)
        }
    }

    private func apply(_ desired: DesiredState) async throws(NetlinkError) -> Outcome {
        let hostPlan = plan(
            current: try await host.snapshot(linkName: interfaceName),
            desired: desired.host,
            alias: linkAlias
        )
        if let conflict = hostPlan.conflicts.first {
            throw NetlinkError(operation: "configure \(interfaceName)", code: EEXIST, detail: conflict.description)
        }
        try await perform(hostPlan.operations.filter { $0.phase == .link })

        let current = try await device.snapshot()
        let changes = plan(current: current, desired: desired.device, endpointLedger: endpointLedger)
        for change in changes { logger.debug("kernel", metadata: ["change": "wg set \(interfaceName) \(change)"]) }
        if !changes.isEmpty { try await device.apply(changes) }
        endpointLedger = desired.device.peers.compactMapValues(\.endpoint)

        let network = hostPlan.operations.filter { $0.phase == .network }
        try await perform(network)
        if changes.isEmpty, hostPlan.operations.isEmpty { return Outcome(current) }
        return Outcome(try await device.snapshot())
    }

    private func remove() async throws(NetlinkError) -> Outcome {
        endpointLedger = [:]
        // A link of our name that is somebody else's is nothing of ours: the plan is empty then, which is right.
        let removal = plan(
            current: try await host.snapshot(linkName: interfaceName),
            desired: nil,
            alias: linkAlias
        )
        try await perform(removal.operations)
        return Outcome()
    }

    private func perform(_ operations: [HostOperation]) async throws(NetlinkError) {
        for operation in operations { logger.debug("kernel", metadata: ["change": "\(operation)"]) }
        guard isCareful else {
            if !operations.isEmpty { try await host.apply(operations) }
            return
        }
        var firstFailure: NetlinkError?
        for operation in operations {
            do throws(NetlinkError) {
                try await host.apply([operation])
            } catch {
                firstFailure = firstFailure ?? error
            }
        }
        if let firstFailure { throw firstFailure }
    }
}

extension Reconciler.Outcome {
    fileprivate init(_ snapshot: DeviceSnapshot) {
        listenPort = snapshot.listenPort
        observations = Dictionary(
            snapshot.peers.map { ($0.publicKey, $0.observation) },
            uniquingKeysWith: { first, _ in first }
        )
    }
}
