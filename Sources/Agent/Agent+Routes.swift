package import AgentCore
import Logging
import MeshModel
import NetlinkWire

/// Routes, exit nodes and the gateways behind them.
extension Agent {
    /// Opens the sockets that send and receive echoes through a link; tests give their own.
    package typealias OpenEchoes =
        @Sendable (
            _ link: String, _ sink: AsyncStream<EchoReply>.Continuation
        ) throws(EchoError) -> any EchoPort

    package var routeChoice: RouteChoice { core.routeChoice }

    func answer(_ request: RouteRequest) async -> StatusResponse {
        switch request.action {
        case .listRoutes, .listExitNodes: return respond(to: request)
        case .change(let command): return await change(command, request)
        }
    }

    /// Stores the wish, then lets it take effect.
    ///
    /// Between reading the old wish and delivering the new one nothing waits, so commands never mix: each sees the whole
    /// of the one before.
    private func change(_ command: RouteCommand, _ request: RouteRequest) async -> StatusResponse {
        let outcome = core.outcome(of: command)
        // A command without a valid part changes nothing, not even a file that cannot be read.
        let isRepair = routeProblem != nil && outcome.unknownNames.isEmpty
        if outcome.intent != core.routeIntent || isRepair {
            do throws(AgentFailure) {
                try RouteIntentFile.store(outcome.intent, in: state, replacingDamaged: routeProblem != nil)
            } catch {
                return StatusResponse(error.status, "\(error)\n")
            }
            routeProblem = nil
            logger.info("routes", metadata: ["wish": "\(command.word)"])
            deliver(.routeIntent(outcome.intent))
            if let problem = await passDone() { return StatusResponse(problem.status, "\(problem)\n") }
        }
        return respond(to: request, unknownNames: outcome.unknownNames)
    }

    /// - Parameter unknownNames: of a command whose other names were obeyed.
    private func respond(to request: RouteRequest, unknownNames: [String] = []) -> StatusResponse {
        let report = RouteReport(routes: core.routeStatus, unknownNames: unknownNames, problem: routeProblem)
        if request.isJSON {
            let json = (request.isOfExitNodes ? report.exitJSON : report.networkJSON).text() + "\n"
            return StatusResponse(unknownNames.isEmpty ? .success : .failure, json)
        }
        guard unknownNames.isEmpty else {
            let names = unknownNames.map(printable).joined(separator: ", ")
            let verb = request.isOfExitNodes ? "exit" : "routes"
            return StatusResponse(
                .failure,
                "nobody knows \(names); all else was done; `wgctl \(verb) list` has the names\n"
            )
        }
        return StatusResponse(.success, request.isOfExitNodes ? report.exitText : report.networkText)
    }

    // MARK: - Echoes

    func send(_ request: EchoRequest) {
        do throws(EchoError) {
            if echoPort == nil { echoPort = try openEchoes(configuration.interfaceName, echoSink) }
            try echoPort?.send(request)
        } catch {
            // The echo counts as lost; that is what it is.
            logger.trace("cannot send an echo", metadata: ["reason": "\(error)"])
            if error.isLinkGone { closeEchoPort() }
        }
    }

    /// Reads the kernel's counters while they tell of a gateway; needs no sockets while none is watched.
    func followGateways() {
        if let interval = core.observationInterval { schedulePass(after: interval) }
        if echoPort != nil, !core.isWatchingGateways { closeEchoPort() }
    }

    private func closeEchoPort() {
        echoPort?.close()
        echoPort = nil
    }

    func log(_ move: CarrierMove) {
        logger.info(
            "routes move",
            metadata: [
                "from": "\(move.from.map { "\($0)" } ?? "nobody")", "to": "\(move.to.map { "\($0)" } ?? "nobody")",
                "prefixes": "\(move.prefixes.count)",
            ]
        )
    }
}

extension RouteRequest {
    var isOfExitNodes: Bool {
        switch action {
        case .listExitNodes, .change(.useExit), .change(.automaticExit), .change(.noExit): true
        case .listRoutes, .change: false
        }
    }
}

extension RouteCommand {
    /// For the log; names stay out of it.
    fileprivate var word: String {
        switch self {
        case .select: "select"
        case .selectAll: "select all"
        case .deselect: "deselect"
        case .deselectAll: "deselect all"
        case .useExit: "exit use"
        case .automaticExit: "exit auto"
        case .noExit: "exit off"
        }
    }
}
