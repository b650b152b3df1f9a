import AgentCore
import Glibc
import Logging
import MeshModel
import NetlinkWire
import Routing

/// What `wgctl` asks, and the answers.
extension Agent {
    package func answer(_ request: AgentRequest) async -> StatusResponse {
        switch request {
        case .status(let request): await answer(request)
        case .routes(let request): await answer(request)
        case .peer(let request): await answer(request)
        case .drain(let request): await answer(request)
        }
    }

    private func answer(_ request: StatusRequest) async -> StatusResponse {
        switch request {
        case .statusText, .statusJSON:
            await refreshCounters()
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

    /// Counters and handshakes are the kernel's: look again, but not for everyone who polls.
    func refreshCounters() async {
        if clock.now - lastPass > Self.activeInterval { _ = await passDone() }
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

    var status: AgentStatus { core.status(nowSeconds: Int64(time(nil))) }

    func report() -> StatusReport {
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
        report.serving = serving.map { serving in
            StatusReport.Serving(
                networks: serving.networks,
                problems: serving.problems,
                isDraining: core.isDraining
            )
        }
        return report
    }
}
