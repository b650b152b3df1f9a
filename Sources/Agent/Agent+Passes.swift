import AgentCore
import Glibc
import Logging
import NetlinkWire

// Passes of the reconciler: when there is one, what it says, and whether it was a repair.
extension Agent {
    func runPasses() async {
        for await _ in passRequests { await pass() }
        // Whoever waits for a pass that will not come must not wait for ever.
        passes.finishAll(with: kernelProblem)
    }

    /// One pass of the reconciler with the newest desired state; what it saw goes to the core.
    package func pass() async {
        let number = passes.begin()
        lastPass = clock.now
        // Whatever was to come is done by this pass; what happens from here on asks for another one.
        nextPass = nil
        if let desired {
            let reasons = reasons
            self.reasons = []
            do throws(AgentFailure) {
                let outcome = try await reconciler.reconcile(desired.state)
                // A late packet of a relay is nobody's damage.
                note(outcome.changes, for: reasons, isRepair: isSettled(desired) && reasons != [Self.relayReason])
                settled = desired
                serving = outcome.serving
                kernelBackoff.reset()
                setKernelProblem(nil)
                shareListenPort(outcome.listenPort)
                if outcome.listenPort != 0 { deliver(.listenPort(outcome.listenPort)) }
                deliver(.observed(outcome.observations))
                noteEndpoints(core.lastEndpoints)
                let pause = quietInterval()
                schedulePass(after: min(pause, core.observationInterval ?? pause))
                respectTruce()
            } catch {
                history.add(
                    atSeconds: Int64(time(nil)),
                    reasons: reasons,
                    isRepair: isSettled(desired),
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

    /// Whether the kernel was made to hold this before: then a difference is somebody else's doing. What was only learned
    /// from the kernel meanwhile is nothing that we want of it.
    private func isSettled(_ desired: Desired) -> Bool {
        guard let settled else { return false }
        return desired == settled || desired.state?.withoutHints == settled.state?.withoutHints
    }

    /// What the other side of a fight did during the pass waits for the truce too.
    private func respectTruce() {
        guard let nextPass, let end = repairs.truceEnd(at: clock.now), nextPass < end else { return }
        schedulePass(after: end - clock.now, replacing: true)
    }

    static var relayReason: String { "relay" }

    func addReason(_ reason: String) {
        if !reasons.contains(reason), reasons.count < Self.maximumReasons { reasons.append(reason) }
    }

    private static var maximumReasons: Int { 8 }

    /// While a session is being set up the kernel's handshake is awaited: 1, 2, 4 ... seconds. Afterwards everything but
    /// peers is watched by notifications; for them, and for settings of single links, there is none.
    private func quietInterval() -> Duration {
        guard core.isSettingUp, settlingPasses < 5 else { return Self.idleInterval }
        settlingPasses += 1
        return .seconds(1 << (settlingPasses - 1))
    }

    private static var idleInterval: Duration { .seconds(30) }
    /// Counters that are not older than this are new enough for whoever asks.
    static var activeInterval: Duration { .seconds(2) }
    /// Bounds the work that another program's changes can cause: a router may see thousands a minute.
    static var minimumInterval: Duration { .milliseconds(250) }

    private func setKernelProblem(_ problem: AgentFailure?) {
        if let problem, problem != kernelProblem { logger.error("kernel", metadata: ["reason": "\(problem)"]) }
        if problem == nil, kernelProblem != nil { logger.info("kernel configured") }
        kernelProblem = problem
    }

    /// - Parameter replacing: `false` keeps an earlier one.
    func schedulePass(after delay: Duration, replacing: Bool = false) {
        let wanted = clock.now + delay
        nextPass = replacing ? wanted : min(nextPass ?? wanted, wanted)
        setAlarm()
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
