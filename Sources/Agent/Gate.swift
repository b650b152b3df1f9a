/// Closed until it is opened once; then open for ever.
struct Gate: Sendable {
    private let stream: AsyncStream<Never>
    private let continuation: AsyncStream<Never>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }

    /// Returns when the gate is open or the task is cancelled. For one waiter at a time.
    func wait() async {
        for await _ in stream {}
    }

    /// As `wait`, but opens the gate itself after `limit`.
    func wait(atMost limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await wait() }
            group.addTask {
                do { try await Task.sleep(for: limit) } catch { return }  // cancelled: the gate opened first
                open()
            }
            await group.next()
            group.cancelAll()
        }
    }
}
