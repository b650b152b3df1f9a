import Agent
import AgentCore
import Logging
import MeshModel
package import NetlinkWire
import Routing
import TestSupport

/// Random steps of everything that can happen to an agent, on any kernel: maps, the user's words, gateways that die and come
/// back, `down` and `up`, a restart of the agent, and other programs that break what is ours. Core and reconciler are the real
/// ones; time is virtual. After each step the kernel is compared with a model that knows only what was said (`WalkModel`).
package struct AgentWalk<Transport: NetlinkTransport> {
    private let transport: Transport
    private let settings = FakeSysctls([
        ["ipv4", "ip_forward"]: "0", ["ipv6", "conf", "all", "forwarding"]: "0",
        ["ipv4", "conf", "all", "rp_filter"]: "1", ["ipv4", "conf", "all", "src_valid_mark"]: "0",
    ])
    private let disk = StoredJournal()
    private var random: SeededGenerator
    private var model = WalkModel()
    private var core: AgentCore
    private var reconciler: Reconciler<Transport>
    /// `nil`: the core has not said yet.
    private var desired: DesiredState??
    private var storedIntent = RouteIntent()
    private var lastMap: NetworkMap?
    private var now = ContinuousClock.now
    private var answers: [(reply: EchoReply, arrival: ContinuousClock.Instant)] = []
    private var nextLook: ContinuousClock.Instant?
    /// How often each kind of step was made; repairs that changed something are counted as `repair`.
    package private(set) var counts: [String: Int] = [:]

    package init(seed: UInt64, transport: Transport) {
        self.transport = transport
        random = SeededGenerator(seed: seed)
        core = Self.newCore(RouteIntent(), isEnabled: true)
        reconciler = Self.newReconciler(transport, settings, disk)
    }

    /// One step, and what is wrong then.
    ///
    /// - Returns: the step in words; problems, empty if the kernel is as the model says.
    package mutating func step() async throws -> (what: String, problems: [String]) {
        let what: String
        // Down is soon up again: there is little to see meanwhile.
        let isSoonUp = !model.isEnabled && Int.random(in: 0..<4, using: &random) == 0
        switch isSoonUp ? 40 : Int.random(in: 0..<100, using: &random) {
        case 0..<14:
            what = "map"
            model.drawOffers(using: &random)
            lastMap = model.map
            try await deliver(.networkMap(model.map))
        case 14..<32:
            let command = model.drawCommand(using: &random)
            what = "\(command)"
            storedIntent = core.outcome(of: command).intent
            model.obey(command)
            try await deliver(.routeIntent(storedIntent))
        case 32..<38:
            what = model.toggleGateway(using: &random)
        case 38..<42:
            model.isEnabled.toggle()
            what = model.isEnabled ? "up" : "down"
            try await deliver(.setEnabled(model.isEnabled))
        case 42..<46:
            model.isDraining.toggle()
            what = model.isDraining ? "drain" : "undrain"
            try await deliver(.setDraining(model.isDraining))
        case 46..<54:
            what = "restart"
            try await restart()
        default:
            what = try await sabotage()
        }
        counts[String(what.prefix { $0 != "(" && $0 != ":" }), default: 0] += 1
        return (what, try await settle() + problems())
    }

    private mutating func restart() async throws {
        core = Self.newCore(storedIntent, isEnabled: model.isEnabled, isDraining: model.isDraining)
        reconciler = Self.newReconciler(transport, settings, disk)
        answers = []
        desired = nil
        // What an interrupted `down` left behind goes now.
        if !model.isEnabled { try await deliver(.setEnabled(false)) }
        guard let lastMap else { return }
        let isBoot = Bool.random(using: &random)
        try await deliver(
            isBoot ? .storedMap(StoredNetworkMap(map: lastMap, receivedSeconds: 1)) : .networkMap(lastMap)
        )
    }

    private mutating func sabotage() async throws -> String {
        let saboteur = Saboteur(transport: transport, settings: settings)
        let what = try await saboteur.strike(using: &random)
        // The kernel has told, or thirty seconds are over.
        if try await reconcile() { counts["repair", default: 0] += 1 }
        return "sabotage \(what)"
    }

    // MARK: - The agent around the core

    private mutating func deliver(_ input: AgentCore.Input) async throws {
        var isChanged = false
        for effect in core.handle(input, at: now) {
            switch effect {
            case .reconcile(let state):
                desired = .some(state)
                isChanged = true
            case .probe(let request):
                guard model.answers(request.remote) else { continue }
                let reply = EchoReply(remote: request.remote, sequence: request.sequence)
                answers.append((reply, now + .milliseconds(10)))
            case .signal, .send, .carriersMoved, .pathChanged, .relay, .strayed, .observe, .ignored: break
            }
        }
        if isChanged { _ = try await reconcile() }
    }

    /// - Returns: whether anything was changed.
    private mutating func reconcile() async throws -> Bool {
        guard let desired else { return false }
        let outcome = try await reconciler.reconcile(desired)
        nextLook = now + .seconds(30)
        try await deliver(.observed(outcome.observations))
        return !outcome.changes.isEmpty
    }

    /// Lets time go on until every gateway that is watched is known for what it is, as it must be soon.
    private mutating func settle() async throws -> [String] {
        let end = now + .seconds(100)
        while let unsettled = model.unsettled(core.routeStatus.gateways) {
            guard now < end else { return ["after 100 s \(unsettled)"] }
            try await run(for: .seconds(1))
        }
        return []
    }

    private mutating func run(for duration: Duration) async throws {
        let end = now + duration
        while true {
            let look = core.observationInterval.map { interval in min(nextLook ?? now, now + interval) }
            let times = [core.deadline, answers.map(\.arrival).min(), look].compactMap(\.self)
            guard let next = times.min(), next <= end else { break }
            now = max(now, next)
            let arrived = answers.filter { $0.arrival <= now }
            answers.removeAll { $0.arrival <= now }
            for (reply, _) in arrived { try await deliver(.echo(reply)) }
            if let deadline = core.deadline, deadline <= now { try await deliver(.tick) }
            if let look, look <= now {
                _ = try await reconcile()
                nextLook = now + (core.observationInterval ?? .seconds(30))
            }
        }
        now = end
    }

    private mutating func problems() async throws -> [String] {
        var problems = try await model.differences(from: transport, settings: settings.values)
        // Where all is as it should be, a further look changes nothing.
        if let desired {
            let more = try await reconciler.reconcile(desired).changes
            if !more.isEmpty { problems.append("another pass changes \(more)") }
        }
        return problems
    }

    // MARK: - Parts

    private static func newCore(_ intent: RouteIntent, isEnabled: Bool, isDraining: Bool = false) -> AgentCore {
        AgentCore(
            configuration: .init(
                interfaceName: WalkModel.link,
                marks: WalkModel.marks,
                privateKey: WalkModel.privateKey,
                publicKey: WalkModel.own,
                listenPort: WalkModel.port,
                mtuBytes: WalkModel.mtuBytes,
                persistentKeepaliveSeconds: 25,
                agentVersion: "walk"
            ),
            isEnabled: isEnabled,
            isDraining: isDraining,
            routeIntent: intent,
            random: SeededGenerator(seed: 1)
        )
    }

    private static func newReconciler(
        _ transport: Transport,
        _ settings: FakeSysctls,
        _ disk: StoredJournal
    ) -> Reconciler<Transport> {
        Reconciler(
            interfaceName: WalkModel.link,
            marks: WalkModel.marks,
            transport: transport,
            sysctls: settings,
            journal: disk.journal,
            storeJournal: { disk.put($0) },
            logger: Logger(label: "walk") { _ in SwiftLogNoOpLogHandler() }
        )
    }
}
