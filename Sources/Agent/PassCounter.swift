/// Numbers the reconciler's passes, and knows who waits for which.
struct PassCounter {
    private var begun = 0
    private var waiting: [(pass: Int, continuation: CheckedContinuation<AgentFailure?, Never>)] = []
    private var isFinished = false

    /// - Returns: the number of the pass that begins now.
    mutating func begin() -> Int {
        begun += 1
        return begun
    }

    /// Resumes `continuation` when a pass that begins from now on has ended.
    mutating func wait(_ continuation: CheckedContinuation<AgentFailure?, Never>) {
        if isFinished { return continuation.resume(returning: nil) }
        waiting.append((begun + 1, continuation))
    }

    mutating func finish(_ pass: Int, with problem: AgentFailure?) {
        for waiter in waiting where waiter.pass <= pass { waiter.continuation.resume(returning: problem) }
        waiting.removeAll { $0.pass <= pass }
    }

    /// No pass will begin any more.
    mutating func finishAll(with problem: AgentFailure?) {
        isFinished = true
        finish(.max, with: problem)
    }
}
