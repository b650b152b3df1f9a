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
    private let wishSink: AsyncStream<Bool>.Continuation

    private let transport: Transport
    private let reconciler: Reconciler<Transport>
    /// `nil`: the core has not said yet what it wants, so nothing is touched.
    private var desired: Desired?
    /// What the kernel was made to hold by the last pass that succeeded: a difference from it is somebody else's doing.
    private var settled: Desired?
    private var repairs = RepairGuard()
    private var history = ReconcileHistory()
    /// Why the next pass is made.
    private var reasons: [String] = []
    private var kernelProblem: AgentFailure?
    private var stunProblem: STUNSocketError?
    private var kernelBackoff = Backoff(initial: .seconds(1), factor: 2, maximum: .seconds(30))
    private var passes = PassCounter()
    private let passRequests: AsyncStream<Void>
    private let passSink: AsyncStream<Void>.Continuation
    private var nextPass: ContinuousClock.Instant?
    /// Passes since a path changed; they get rarer, since the kernel's handshake comes soon or not at all.
    private var settlingPasses = 0
    private var lastPass: ContinuousClock.Instant
    private var localAddresses: [IPAddress] = []

    private let openSTUN: OpenSTUN
    private var stun: (port: UInt16, sockets: any DatagramPort)?
    private let datagrams: AsyncStream<Datagram>
    private let datagramSink: AsyncStream<Datagram>.Continuation
    private let alarm = Alarm()

    let openEchoes: OpenEchoes
    var echoPort: (any EchoPort)?
    private let echoes: AsyncStream<EchoReply>
    let echoSink: AsyncStream<EchoReply>.Continuation
    /// Why the stored wish for routes could not be read; `nil`: it could, or there is a new one.
    var routeProblem: String?

    private struct Desired: Hashable {
        var state: DesiredState?
    }

    package init(
        configuration: AgentConfiguration,
        identity: Identity,
        state: StateDirectory,
        stored: StoredState? = nil,
        isEnabled: Bool,
        routes: RouteIntentFile.Loaded = RouteIntentFile.Loaded(intent: RouteIntent()),
        transport: Transport,
        sysctls: any SysctlAccess = KernelSysctls(),
        journal: SysctlJournal = SysctlJournal(),
        logger: Logger,
        random: some RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        openSTUN: @escaping OpenSTUN = STUNSockets.init(port:fwmark:sink:),
        openEchoes: @escaping OpenEchoes = GatewayProbes.init(link:sink:)
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
        (wishes, wishSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (passRequests, passSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (saveRequests, saveSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (datagrams, datagramSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(bufferedDatagrams))
        (echoes, echoSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(bufferedDatagrams))
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

    private func receiveEchoes() async {
        for await reply in echoes { deliver(.echo(reply)) }
    }

    // MARK: - The kernel

    private func runPasses() async {
        for await _ in passRequests { await pass() }
        // Whoever waits for a pass that will not come must not wait for ever.
        passes.finishAll(with: kernelProblem)
    }

    /// One pass of the reconciler with the newest desired state; what it saw goes to the core.
    package func pass() async {
        let number = passes.begin()
        lastPass = clock.now
        if let desired {
            let reasons = reasons
            self.reasons = []
            do throws(AgentFailure) {
                let outcome = try await reconciler.reconcile(desired.state)
                note(outcome.changes, for: reasons, isRepair: desired == settled)
                settled = desired
                kernelBackoff.reset()
                setKernelProblem(nil)
                shareListenPort(outcome.listenPort)
                if outcome.listenPort != 0 { deliver(.listenPort(outcome.listenPort)) }
                deliver(.observed(outcome.observations))
                noteEndpoints(core.lastEndpoints)
                let pause = quietInterval()
                schedulePass(after: min(pause, core.observationInterval ?? pause), replacing: true)
            } catch {
                history.add(
                    atSeconds: Int64(time(nil)),
                    reasons: reasons,
                    isRepair: desired == settled,
                    changes: [],
                    failure: error.description
                )
                setKernelProblem(error)
                schedulePass(after: kernelBackoff.next(random: .random(in: 0.25..<0.75)), replacing: true)
            }
        }
        passes.finish(number, with: kernelProblem)
    }

    private func note(_ changes: [String], for reasons: [String], isRepair: Bool) {
        if changes.isEmpty { return }
        let seconds = Int64(time(nil))
        history.add(atSeconds: seconds, reasons: reasons, isRepair: isRepair, changes: changes)
        guard isRepair else { return }
        repairs.record(changes, at: clock.now, seconds: seconds)
        let isFight = repairs.truceEnd(at: clock.now) != nil
        logger.log(
            level: isFight ? .error : .warning,
            isFight ? "another program keeps undoing this; slowing down" : "repaired what another program changed",
            metadata: ["changes": "\(changes.joined(separator: "; "))", "repairs": "\(repairs.total)"]
        )
    }

    private func addReason(_ reason: String) {
        if !reasons.contains(reason), reasons.count < Self.maximumReasons { reasons.append(reason) }
    }

    private static var maximumReasons: Int { 8 }

    /// While a session is being set up the kernel's handshake is awaited: 1, 2, 4 ... seconds. Afterwards everything but
    /// peers is watched by notifications; for them, and for settings of single links, there is none.
    private func quietInterval() -> Duration {
        guard isSettingUp, settlingPasses < 5 else { return Self.idleInterval }
        settlingPasses += 1
        return .seconds(1 << (settlingPasses - 1))
    }

    private static var idleInterval: Duration { .seconds(30) }
    /// Counters that are not older than this are new enough for whoever asks.
    private static var activeInterval: Duration { .seconds(2) }
    /// Bounds the work that another program's changes can cause: a router may see thousands a minute.
    private static var minimumInterval: Duration { .milliseconds(250) }

    private var isSettingUp: Bool {
        status.peers.contains { peer in
            switch peer.path {
            case .connecting: true
            case .direct: peer.observed.map { $0.latestHandshakeSeconds == 0 } ?? true
            case .idle, .kernelSession: false
            }
        }
    }

    /// STUN shares WireGuard's port, so its sockets follow it. 0: the tunnel is down.
    private func shareListenPort(_ port: UInt16) {
        if let stun, stun.port != port {
            stun.sockets.close()
            self.stun = nil
        }
        guard port != 0, stun == nil else { return }
        do throws(STUNSocketError) {
            stun = (port, try openSTUN(port, configuration.marks.fwmark, datagramSink))
            stunProblem = nil
        } catch {
            if stunProblem != error { logger.error("no STUN", metadata: ["reason": "\(error)"]) }
            stunProblem = error
        }
    }

    private func setKernelProblem(_ problem: AgentFailure?) {
        if let problem, problem != kernelProblem { logger.error("kernel", metadata: ["reason": "\(problem)"]) }
        if problem == nil, kernelProblem != nil { logger.info("kernel configured") }
        kernelProblem = problem
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
            let addresses = LinkMonitor.candidateAddresses(of: host)
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

    private func setAlarm() {
        let next = [core.deadline, nextPass].compactMap { $0 }.min()
        alarm.set(after: next.map { $0 - clock.now })
    }

    /// - Parameter replacing: `false` keeps an earlier one.
    func schedulePass(after delay: Duration, replacing: Bool = false) {
        let wanted = clock.now + delay
        nextPass = replacing ? wanted : min(nextPass ?? wanted, wanted)
        setAlarm()
    }

    // MARK: - Status

    package func answer(_ request: AgentRequest) async -> StatusResponse {
        switch request {
        case .status(let request): await answer(request)
        case .routes(let request): await answer(request)
        }
    }

    private func answer(_ request: StatusRequest) async -> StatusResponse {
        switch request {
        case .statusText, .statusJSON:
            // Counters and handshakes are the kernel's: look again, but not for everyone who polls.
            if clock.now - lastPass > Self.activeInterval { _ = await passDone() }
            let report = report()
            return StatusResponse(report.exitStatus, request == .statusText ? report.text : report.json)
        case .planText, .planJSON:
            return await plan(isJSON: request == .planJSON)
        case .facts: return StatusResponse(.success, report().facts)
        case .historyText: return StatusResponse(.success, history.text)
        case .historyJSON: return StatusResponse(.success, history.json)
        case .up, .down:
            return await setEnabled(request == .up)
        }
    }

    /// What a pass would change now.
    private func plan(isJSON: Bool) async -> StatusResponse {
        guard let desired else {
            return StatusResponse(.degraded, "nothing is wanted yet: the agent waits for its first network map\n")
        }
        do throws(AgentFailure) {
            let commands = try await reconciler.preview(desired.state)
            if isJSON {
                let list = JSONValue.object([("changes", .array(commands.map(JSONValue.string)))])
                return StatusResponse(.success, list.text() + "\n")
            }
            if commands.isEmpty { return StatusResponse(.success, "the kernel holds what it should\n") }
            return StatusResponse(.success, commands.map { $0 + "\n" }.joined())
        } catch {
            return StatusResponse(error.status, "\(error)\n")
        }
    }

    private func setEnabled(_ isEnabled: Bool) async -> StatusResponse {
        do throws(AgentFailure) {
            try TunnelWish.store(isEnabled: isEnabled, in: state)
        } catch {
            return StatusResponse(error.status, "\(error)\n")
        }
        logger.info("wish", metadata: ["tunnel": isEnabled ? "up" : "down"])
        deliver(.setEnabled(isEnabled))
        wishSink.yield(isEnabled)
        let problem = await passDone()
        guard let problem else {
            return StatusResponse(.success, isEnabled ? "tunnel is wanted up\n" : "tunnel is down\n")
        }
        return StatusResponse(problem.status, "\(problem)\n")
    }

    /// What `wgctl status` shows, of what is known without asking the kernel again.
    package func statusText() -> String { report().text }

    private var status: AgentStatus { core.status(nowSeconds: Int64(time(nil))) }

    private func report() -> StatusReport {
        let status = status
        var report = StatusReport(
            core: status,
            management: configuration.management,
            signalServer: signalServer,
            registrationProblem: status.deregistration,
            kernelProblem: kernelProblem?.description ?? stunProblem?.description,
            repairs: StatusReport.Repairs(
                total: repairs.total,
                lastAtSeconds: repairs.last?.atSeconds,
                lastChanges: repairs.last?.changes ?? [],
                isFight: repairs.truceEnd(at: clock.now) != nil
            ),
            version: programVersion,
            nowSeconds: Int64(time(nil))
        )
        report.routeProblem = routeProblem
        return report
    }

    /// Waits for a pass that begins from now on.
    ///
    /// - Returns: what stood in its way; `nil`: nothing.
    func passDone() async -> AgentFailure? {
        await withCheckedContinuation { continuation in
            passes.wait(continuation)
            passSink.yield()
        }
    }
}

/// STUN is repeated by its sender, so a burst beyond this loses nothing that matters.
private let bufferedDatagrams = 256

/// Of this program; what goes over the wire is `LoginAttempt.wireVersion`.
package let programVersion = "0.1.0"

private func pathWord(_ path: PeerStatus.Path) -> String {
    switch path {
    case .idle: "idle"
    case .connecting: "connecting"
    case .direct(_, let localKind, _, let remoteKind): "direct \(localKind.rawValue)/\(remoteKind.rawValue)"
    case .kernelSession: "kernel session"
    }
}

extension AgentCore.Input {
    /// For the history: what made the kernel's wanted state change.
    fileprivate var summary: String {
        switch self {
        case .networkMap(let map): "network map \(map.serial)"
        case .storedMap(let stored): "stored network map \(stored.map.serial)"
        case .lastEndpoints: "endpoints of last time"
        case .setEnabled(let isEnabled): isEnabled ? "wgctl up" : "wgctl down"
        case .localAddresses, .localNetworks: "addresses of this host"
        case .signal(let peer, _): "signal message from \(peer)"
        case .datagram: "path check"
        case .listenPort: "WireGuard port"
        case .deregistered: "deregistered"
        case .routeIntent: "wgctl routes or exit"
        case .echo: "gateway"
        case .management, .signalServer, .observed, .tick: "timer"
        }
    }
}

extension NetlinkMonitor.Event {
    fileprivate var summary: String {
        switch self {
        case .changed(let kind): "kernel: \(kind) changed"
        case .overrun: "kernel: events were lost"
        }
    }
}

extension AgentCore.Configuration {
    init(_ configuration: AgentConfiguration, identity: Identity) {
        self.init(
            interfaceName: configuration.interfaceName,
            marks: configuration.marks,
            privateKey: identity.privateKey,
            publicKey: identity.publicKey,
            listenPort: configuration.listenPort,
            mtuBytes: configuration.mtuBytes,
            persistentKeepaliveSeconds: keepaliveSeconds,
            exitReachesPrivateNetworks: configuration.exitReachesPrivateNetworks,
            blocksLocalNetworks: configuration.blocksLocalNetworks,
            agentVersion: LoginAttempt.wireVersion,
            exitFailure: configuration.exitFailure
        )
    }
}

/// Below the 30 s after which the strictest NATs forget a UDP mapping; wg(8) suggests it, NetBird uses it.
private let keepaliveSeconds: UInt16 = 25
