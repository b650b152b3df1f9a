package import AgentCore
import Glibc
package import Logging
package import MeshModel
import MeshProto
package import NetlinkSocket
package import NetlinkWire
package import Routing

/// Runs `AgentCore` against the machine: one task per source, one per sink, no locks.
package actor Agent<Transport: NetlinkTransport> {
    /// Opens the sockets that send and receive STUN on a port; tests give their own.
    package typealias OpenSTUN =
        @Sendable (
            _ port: UInt16, _ fwmark: UInt32, _ sink: AsyncStream<Datagram>.Continuation
        ) throws(STUNSocketError) -> any DatagramPort

    let configuration: AgentConfiguration
    let identity: Identity
    let state: StateDirectory
    let logger: Logger
    let clock = ContinuousClock()
    /// What an earlier run left; its map is handed to the core once.
    var recalled: StoredState
    var hints: StoredHints
    let sockets: ControlSockets
    var unsaved = Unsaved()
    var storageProblem: AgentFailure?
    let saveRequests: AsyncStream<Void>
    let saveSink: AsyncStream<Void>.Continuation
    var core: AgentCore
    /// Where signal is, as the control plane said last.
    var signalServer: ServerAddress?
    var isManagementConnected = false
    /// Where messages to peers go; `nil` while the tunnel is wanted down.
    private var signalSink: (@Sendable (SignalStream.Outgoing) -> Void)?
    /// Opened by the first word of the control plane on where the other services are.
    var servicesKnown = Gate()
    let wishes: AsyncStream<Bool>
    let wishSink: AsyncStream<Bool>.Continuation

    private let transport: Transport
    let reconciler: Reconciler<Transport>
    /// `nil`: the core has not said yet what it wants, so nothing is touched.
    var desired: Desired?
    /// What the kernel was made to hold by the last pass that succeeded: a difference from it is somebody else's doing.
    var settled: Desired?
    var serving: Reconciler<Transport>.Serving?
    /// Since when clients are asked to go elsewhere; `nil`: they are not.
    var drainBegan: ContinuousClock.Instant?
    var repairs = RepairGuard()
    var history = ReconcileHistory()
    /// Why the next pass is made.
    var reasons: [String] = []
    var kernelProblem: AgentFailure?
    private(set) var stunProblem: STUNSocketError?
    var kernelBackoff = Backoff(initial: .seconds(1), factor: 2, maximum: .seconds(30))
    var passes = PassCounter()
    let passRequests: AsyncStream<Void>
    let passSink: AsyncStream<Void>.Continuation
    var nextPass: ContinuousClock.Instant?
    /// Passes since a path changed; they get rarer, since the kernel's handshake comes soon or not at all.
    var settlingPasses = 0
    var lastPass: ContinuousClock.Instant
    private var localAddresses: [IPAddress] = []

    private let openSTUN: OpenSTUN
    private var stun: (port: UInt16, sockets: any DatagramPort)?
    private let datagrams: AsyncStream<Datagram>
    private let datagramSink: AsyncStream<Datagram>.Continuation
    private let alarm = Alarm()

    let openEchoes: OpenEchoes
    var echoPort: (any EchoPort)?
    private let relays: RelayHub
    private let relayCommands: AsyncStream<RelayHub.Command>
    let relaySink: AsyncStream<RelayHub.Command>.Continuation
    private let relayEvents: AsyncStream<RelayEvent>
    /// As the control plane names them.
    let stunServers: AsyncStream<[HostPort]>
    let stunServerSink: AsyncStream<[HostPort]>.Continuation
    private let echoes: AsyncStream<EchoReply>
    let echoSink: AsyncStream<EchoReply>.Continuation
    /// Why the stored wish for routes could not be read; `nil`: it could, or there is a new one.
    var routeProblem: String?

    struct Desired: Hashable {
        var state: DesiredState?
    }

    package init(
        configuration: AgentConfiguration,
        identity: Identity,
        state: StateDirectory,
        stored: StoredState? = nil,
        isEnabled: Bool,
        isDraining: Bool = false,
        routes: RouteIntentFile.Loaded = RouteIntentFile.Loaded(intent: RouteIntent()),
        transport: Transport,
        sysctls: any SysctlAccess = KernelSysctls(),
        journal: SysctlJournal = SysctlJournal(),
        logger: Logger,
        random: some RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        openSTUN: @escaping OpenSTUN = STUNSockets.init(port:fwmark:sink:),
        openEchoes: @escaping OpenEchoes = GatewayProbes.init(link:sink:),
        openLoopback: @escaping RelayHub.OpenPort = KernelLoopbackPort.init(sink:)
    ) {
        self.configuration = configuration
        self.identity = identity
        self.state = state
        recalled = stored ?? StoredState(identity: identity.publicKey)
        hints = recalled.hints
        sockets = ControlSockets(
            fwmark: configuration.marks.fwmark,
            addresses: ServerAddressBook(
                known: recalled.hints.servers,
                maximumAddresses: StoredHints.maximumAddresses
            )
        )
        self.logger = logger
        self.transport = transport
        self.openSTUN = openSTUN
        self.openEchoes = openEchoes
        routeProblem = routes.problem
        core = AgentCore(
            configuration: AgentCore.Configuration(configuration, identity: identity),
            isEnabled: isEnabled,
            isDraining: isDraining,
            routeIntent: routes.intent,
            random: random
        )
        reconciler = Reconciler(
            interfaceName: configuration.interfaceName,
            marks: configuration.marks,
            transport: transport,
            sysctls: sysctls,
            journal: journal,
            storeJournal: { journal throws(AgentFailure) in try SettingsJournal.store(journal, in: state) },
            logger: logger
        )
        lastPass = clock.now
        drainBegan = isDraining ? clock.now : nil
        (wishes, wishSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (passRequests, passSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (saveRequests, saveSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (datagrams, datagramSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(bufferedDatagrams))
        (echoes, echoSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(bufferedDatagrams))
        (stunServers, stunServerSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (relayCommands, relaySink) = AsyncStream.makeStream()
        let (events, eventSink) = AsyncStream.makeStream(of: RelayEvent.self)
        relayEvents = events
        relays = RelayHub(
            identity: identity.publicKey,
            sockets: sockets,
            logger: logger,
            openPort: openLoopback
        ) { eventSink.yield($0) }
        wishSink.yield(isEnabled)
    }

    /// Runs until the surrounding task is cancelled; the tunnel stays up then.
    ///
    /// - Parameter kernelEvents: changes of the host's network.
    /// - Throws: `AgentFailure` if the first login is refused for good and there is no stored map to go by.
    package func run(kernelEvents: AsyncStream<NetlinkMonitor.Event>, statusServer: StatusServer) async throws {
        // What an interrupted `down` left behind goes now.
        if !status.isEnabled { deliver(.setEnabled(false)) }
        let isKnown = recalled.map != nil
        recall()
        defer {
            stun?.sockets.close()
            echoPort?.close()
            saveNow()
        }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await self.runConnections(isKnown: isKnown) }
            group.addTask { await self.runPasses() }
            group.addTask { await self.runAlarm() }
            group.addTask { await self.receiveDatagrams() }
            group.addTask { await self.receiveEchoes() }
            group.addTask { [relays, relayCommands] in await relays.run(commands: relayCommands) }
            group.addTask { await self.receiveRelayEvents() }
            group.addTask { await self.resolveSTUNServers() }
            group.addTask { await self.runStorage() }
            group.addTask { await self.watchLinks(kernelEvents) }
            group.addTask { [logger] in
                await statusServer.run(logger: logger) { await self.answer($0) }
            }
        }
    }

    /// Synchronous on purpose: no `await` between a decision and the order of its effects.
    ///
    /// - Parameter now: `nil`: the clock's.
    package func deliver(_ input: AgentCore.Input, at now: ContinuousClock.Instant? = nil) {
        for effect in core.handle(input, at: now ?? clock.now) {
            if case .reconcile = effect { addReason(input.summary) }
            perform(effect)
        }
        followGateways()
        setAlarm()
    }

    /// When the core wants its next `.tick`; `nil`: nothing is pending.
    package var deadline: ContinuousClock.Instant? { core.deadline }

    /// - Parameter sink: gets every message to a peer, in order; must not block. `nil`: they are dropped.
    package func setSignalSink(_ sink: (@Sendable (SignalStream.Outgoing) -> Void)?) { signalSink = sink }

    private func perform(_ effect: AgentCore.Effect) {
        switch effect {
        case .reconcile(let state):
            desired = Desired(state: state)
            passSink.yield()
        case .signal(let peer, let message):
            signalSink?(SignalStream.Outgoing(to: peer, message))
        case .send(let datagram):
            send(datagram)
        case .relay(let request):
            relaySink.yield(.perform(request))
        case .strayed:
            addReason(Self.relayReason)
            schedulePass(after: Self.minimumInterval)
        case .observe:
            schedulePass(after: max(.zero, lastPass + Self.minimumInterval - clock.now))
        case .probe(let request):
            send(request)
        case .carriersMoved(let move):
            log(move)
        case .pathChanged(let peer, let path):
            logger.info("path", metadata: ["peer": "\(peer)", "state": "\(pathWord(path))"])
            // The kernel's handshake follows: look soon.
            settlingPasses = 0
            schedulePass(after: .seconds(1))
        case .ignored(let reason):
            logger.debug("ignored", metadata: ["reason": "\(reason)"])
        }
    }

    private func send(_ datagram: Datagram) {
        do throws(STUNSocketError) {
            try stun?.sockets.send(datagram)
        } catch {
            logger.trace("cannot send STUN", metadata: ["reason": "\(error)"])
        }
    }

    private func receiveDatagrams() async {
        for await datagram in datagrams { deliver(.datagram(datagram)) }
    }

    private func receiveRelayEvents() async {
        for await event in relayEvents { deliver(.relay(event)) }
    }

    private func receiveEchoes() async {
        for await reply in echoes { deliver(.echo(reply)) }
    }

    // MARK: - The kernel

    /// STUN shares WireGuard's port, so its sockets follow it. 0: the tunnel is down.
    func shareListenPort(_ port: UInt16) {
        if let stun, stun.port != port {
            stun.sockets.close()
            self.stun = nil
        }
        guard port != 0, stun == nil else { return }
        relaySink.yield(.setWireGuardPort(port))
        do throws(STUNSocketError) {
            stun = (port, try openSTUN(port, configuration.marks.fwmark, datagramSink))
            stunProblem = nil
        } catch {
            if stunProblem != error { logger.error("no STUN", metadata: ["reason": "\(error)"]) }
            stunProblem = error
        }
    }

    private func watchLinks(_ events: AsyncStream<NetlinkMonitor.Event>) async {
        await readAddresses()
        for await event in events {
            switch event {
            case .changed(.link), .changed(.address), .overrun: await readAddresses()
            case .changed: break
            }
            addReason(event.summary)
            let soonest = max(clock.now, lastPass + Self.minimumInterval)
            schedulePass(after: max(soonest, repairs.truceEnd(at: clock.now) ?? soonest) - clock.now)
        }
    }

    private func readAddresses() async {
        do throws(NetlinkError) {
            let host = try await HostNetwork(transport: transport).interfaces(linkName: configuration.interfaceName)
            deliver(.localNetworks(LinkMonitor.localNetworks(of: host)))
            let found = LinkMonitor.candidateAddresses(of: host, blocklist: configuration.interfaceBlocklist)
            deliver(.outsides(configuration.externalAddresses.outsides(of: found)))
            let addresses = found.map(\.address)
            guard addresses != localAddresses else { return }
            localAddresses = addresses
            logger.info("addresses of this host", metadata: ["count": "\(addresses.count)"])
            deliver(.localAddresses(addresses))
        } catch {
            logger.warning("cannot list addresses", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: - Time

    private func runAlarm() async {
        for await _ in alarm.rings {
            let now = clock.now
            if let nextPass, nextPass <= now {
                self.nextPass = nil
                passSink.yield()
            }
            if let deadline = core.deadline, deadline <= now { deliver(.tick) } else { setAlarm() }
        }
    }

    func setAlarm() {
        let next = [core.deadline, nextPass].compactMap { $0 }.min()
        alarm.set(after: next.map { $0 - clock.now })
    }
}

/// STUN is repeated by its sender, so a burst beyond this loses nothing that matters.
private let bufferedDatagrams = 256

/// Of this program; what goes over the wire is `LoginAttempt.wireVersion`.
package let programVersion = "0.1.0"
