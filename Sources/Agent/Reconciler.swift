package import AgentCore
import Glibc
package import Logging
package import MeshModel
package import NetlinkWire
package import Routing
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
        /// What was changed, as commands; empty: nothing differed.
        package var changes: [String] = []
        /// `nil`: this host serves nothing.
        package var serving: Serving?
    }

    /// What became of a look at the networks that this host forwards to.
    package struct Serving: Hashable, Sendable {
        package var networks: Int
        /// Why some cannot be reached from here; empty: all is well.
        package var problems: [String]
    }

    private let device: WireGuardDevice<Transport>
    private let host: HostNetwork<Transport>
    private let interfaceName: String
    private let marks: OwnerMarks
    private let logger: Logger
    private var settings: SysctlKeeper
    /// The endpoints that we set, as opposed to those the kernel has roamed to since.
    private var endpointLedger: [PublicKey: Endpoint] = [:]
    /// Index of the link that was ours at the end of the last pass; the kernel gives no two links one index.
    private var ownLink: UInt32?
    /// After a failure each change stands alone, so that one refused route does not hold up the others.
    private var isCareful = false
    /// What our nftables table was when it was last as wanted: nobody has changed any table while the number stays.
    private var verifiedFirewall: (ruleset: NftablesRuleset?, generation: UInt32)?
    /// Of the pass under way.
    private var changes: [String] = []

    package init(
        interfaceName: String,
        marks: OwnerMarks,
        transport: Transport,
        sysctls: any SysctlAccess,
        journal: SysctlJournal = SysctlJournal(),
        storeJournal: @escaping @Sendable (SysctlJournal) throws(AgentFailure) -> Void,
        logger: Logger
    ) {
        device = WireGuardDevice(name: interfaceName, transport: transport)
        host = HostNetwork(transport: transport)
        settings = SysctlKeeper(access: sysctls, journal: journal, store: storeJournal)
        self.interfaceName = interfaceName
        self.marks = marks
        self.logger = logger
    }

    /// - Parameter desired: `nil` removes exactly what is ours.
    /// - Throws: `AgentFailure`, one line for status and log. The kernel is read again the next time; nothing is assumed.
    package func reconcile(_ desired: DesiredState?) async throws(AgentFailure) -> Outcome {
        changes = []
        do throws(NetlinkError) {
            var outcome = if let desired { try await apply(desired) } else { try await remove() }
            outcome.changes = changes
            isCareful = false
            return outcome
        } catch {
            // Whatever was applied before the failure is unknown, so every endpoint counts as not set.
            endpointLedger = [:]
            verifiedFirewall = nil
            isCareful = true
            throw AgentFailure(kernel: error, desired: desired)
        }
    }

    /// What a pass would change now, as commands in order; nothing is touched.
    package func preview(_ desired: DesiredState?) async throws(AgentFailure) -> [String] {
        do throws(NetlinkError) {
            let snapshot = try await hostSnapshot()
            let hostPlan = plan(current: snapshot, desired: desired?.host, alias: marks.alias)
            if let conflict = hostPlan.conflicts.first { return ["# \(conflict)"] }
            let policy = try await policyPlan(desired?.host.policy)
            var lines = hostPlan.operations.filter { $0.phase == .link }.map(\.description)
            if let desired { lines += try await deviceChanges(desired).map(wgText) }
            lines += policy.removals.map(\.description)
            lines += hostPlan.operations.filter { $0.phase == .network }.map(\.description)
            lines += try await firewallChange(desired?.host)?.map { "nft \($0)" } ?? []
            lines += try await settings.changes(requirements(desired?.host, snapshot)).map(\.description)
            return lines + policy.additions.map(\.description)
        } catch {
            throw AgentFailure(kernel: error, desired: desired)
        }
    }

    /// The order lets no packet go astray: peers before the routes to them, routes before the rules that make them
    /// count, and rules away before the routes behind them.
    private func apply(_ desired: DesiredState) async throws(NetlinkError) -> Outcome {
        let snapshot = try await hostSnapshot()
        let hostPlan = plan(current: snapshot, desired: desired.host, alias: marks.alias)
        if let conflict = hostPlan.conflicts.first {
            throw NetlinkError(operation: "configure \(interfaceName)", code: EEXIST, detail: conflict.description)
        }
        try await perform(hostPlan.operations.filter { $0.phase == .link })

        let current = try await device.snapshot()
        ownLink = current.index
        let deviceChanges = try await device.changes(
            from: current,
            to: desired.device,
            endpointLedger: endpointLedger
        )
        note(deviceChanges.map(wgText))
        if !deviceChanges.isEmpty { try await device.apply(deviceChanges) }
        endpointLedger = desired.device.peers.compactMapValues(\.endpoint)

        let policy = try await policyPlan(desired.host.policy)
        try await perform(policy.removals)
        try await perform(hostPlan.operations.filter { $0.phase == .network })
        try await setFirewall(desired.host)
        try await setSettings(requirements(desired.host, snapshot))
        try await perform(policy.additions)
        var outcome = Outcome(changes.isEmpty ? current : try await device.snapshot())
        if let gateway = desired.host.gateway { outcome.serving = try await serving(gateway) }
        return outcome
    }

    private func remove() async throws(NetlinkError) -> Outcome {
        endpointLedger = [:]
        try await perform(try await policyPlan(nil).removals)
        // A link of our name that is somebody else's is nothing of ours: the plan is empty then, which is right.
        let snapshot = try await hostSnapshot()
        try await perform(plan(current: snapshot, desired: nil, alias: marks.alias).operations)
        try await setSettings([])
        try await setFirewall(nil)
        return Outcome()
    }

    // MARK: - Drain

    /// Who sent packets through this host since it is being drained.
    package func drainUsers() async throws(AgentFailure) -> [DrainUser] {
        do throws(NetlinkError) {
            return try await host.nftablesRuleset(marks.nftablesTable)?.drainUsers ?? []
        } catch {
            throw AgentFailure(kernel: error, desired: nil)
        }
    }

    // MARK: - Self-test

    /// Whether packets of the mesh, once here, go on: each network needs a way that is not the tunnel they came by.
    private func serving(_ gateway: GatewayConfiguration) async throws(NetlinkError) -> Serving {
        var problems: [String] = []
        let tunnel = try await host.links().first { $0.name == interfaceName }?.index
        for prefix in gateway.served.map(\.prefix).sorted().prefix(Self.selfTestLimit) {
            // As the gateway's own sockets would ask: an exit node that this host itself uses is not for others.
            let lookup = RouteLookup(to: Self.sample(of: prefix), fwmark: marks.fwmark)
            switch try await host.lookUp(lookup) {
            case .refused(let code): problems.append("\(prefix): \(errorText(code))")
            case .route(let route) where route.linkIndex == tunnel && tunnel != nil:
                problems.append("\(prefix): the way there leads back into the tunnel")
            case .route: break
            }
        }
        return Serving(networks: gateway.served.count, problems: problems)
    }

    /// An address that stands for all of the prefix; of a default route, one of those kept for documentation.
    private static func sample(of prefix: IPPrefix) -> IPAddress {
        guard prefix.length == 0 else { return prefix.network.address }
        return (prefix.isV4 ? IPAddress("192.0.2.1") : IPAddress("2001:db8::1")) ?? prefix.address
    }

    /// A gateway of more networks is asked about these.
    private static var selfTestLimit: Int { 64 }

    // MARK: - Parts

    /// A link that was ours when we looked last is ours though its alias has changed.
    private func hostSnapshot() async throws(NetlinkError) -> HostSnapshot {
        var snapshot = try await host.snapshot(linkName: interfaceName)
        if let link = snapshot.link, link.index == ownLink, link.alias != marks.alias { snapshot.claimLink() }
        return snapshot
    }

    /// A device that is not there yet is an empty one.
    private func deviceChanges(_ desired: DesiredState) async throws(NetlinkError) -> [DeviceOperation] {
        let current: DeviceSnapshot
        do throws(NetlinkError) {
            current = try await device.snapshot()
        } catch {
            guard error.isNoSuchDevice else { throw error }
            current = DeviceSnapshot(name: interfaceName, index: 0)
        }
        return try await device.changes(from: current, to: desired.device, endpointLedger: endpointLedger)
    }

    private func policyPlan(_ desired: PolicyRouting?) async throws(NetlinkError) -> PolicyPlan {
        plan(current: try await host.policySnapshot(table: marks.table), desired: desired, marks: marks)
    }

    private func requirements(_ desired: HostConfiguration?, _ snapshot: HostSnapshot) -> [SysctlRequirement] {
        desired.map { sysctlRequirements(of: $0, links: snapshot.links) } ?? []
    }

    private func setSettings(_ required: [SysctlRequirement]) async throws(NetlinkError) {
        // Passes never overlap, so nobody else changes it meanwhile.
        var keeper = settings
        defer { settings = keeper }
        note(try await keeper.apply(required).map(\.description))
    }

    private func setFirewall(_ desired: HostConfiguration?) async throws(NetlinkError) {
        guard let change = try await firewallChange(desired) else { return }
        note(["nft # replace table \(marks.nftablesTable) (\(change.count) commands)"])
        try await host.commit(change, operation: "replace nftables table \(marks.nftablesTable)")
        verifiedFirewall = nil
    }

    /// - Returns: `nil`: our table is as it should be.
    private func firewallChange(_ desired: HostConfiguration?) async throws(NetlinkError) -> [NftablesChange]? {
        let wanted = desired.flatMap { firewall(of: $0, marks: marks) }
        do throws(NetlinkError) {
            let generation = try await host.nftablesGeneration()
            if let verifiedFirewall, verifiedFirewall == (wanted, generation) { return nil }
            let held = try await host.nftablesRuleset(marks.nftablesTable)
            if let held, !marks.own(held.table) {
                guard wanted != nil else { return nil }
                let problem = "nftables table \(held.table.name) exists and is not ours: rename it"
                throw NetlinkError(operation: "set nftables table \(held.table.name)", code: EEXIST, detail: problem)
            }
            if held?.withoutHandles == wanted {
                verifiedFirewall = (wanted, generation)
                return nil
            }
            return wanted?.replacement ?? [.removeTable(marks.nftablesTable)]
        } catch {
            // A kernel without nf_tables holds no table of ours, and is in order while we want none.
            guard wanted == nil, error.code == EOPNOTSUPP || error.code == EINVAL || error.code == EPROTONOSUPPORT
            else { throw error }
            return nil
        }
    }

    private func perform(_ operations: [HostOperation]) async throws(NetlinkError) {
        try await perform(operations) { [host] operations throws(NetlinkError) in try await host.apply(operations) }
    }

    private func perform(_ operations: [RoutingOperation]) async throws(NetlinkError) {
        try await perform(operations) { [host] operations throws(NetlinkError) in try await host.apply(operations) }
    }

    private func perform<Operation: Sendable & CustomStringConvertible>(
        _ operations: [Operation],
        apply: ([Operation]) async throws(NetlinkError) -> Void
    ) async throws(NetlinkError) {
        if operations.isEmpty { return }
        note(operations.map(\.description))
        guard isCareful else { return try await apply(operations) }
        var firstFailure: NetlinkError?
        for operation in operations {
            do throws(NetlinkError) { try await apply([operation]) } catch { firstFailure = firstFailure ?? error }
        }
        if let firstFailure { throw firstFailure }
    }

    private func wgText(_ change: DeviceOperation) -> String { "wg set \(interfaceName) \(change)" }

    private func note(_ commands: [String]) {
        for command in commands { logger.debug("kernel", metadata: ["change": "\(command)"]) }
        changes += commands
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
