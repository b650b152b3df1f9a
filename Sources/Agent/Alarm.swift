@preconcurrency import Dispatch  // timer sources are thread-safe, but not marked Sendable on Linux

/// One timer that can be set again at any time; only the last setting counts.
struct Alarm: Sendable {
    /// One element per ring; rings that nobody took yet count once.
    let rings: AsyncStream<Void>
    private let source: any DispatchSourceTimer

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let source = DispatchSource.makeTimerSource(queue: .global())
        source.setEventHandler { continuation.yield() }
        continuation.onTermination = { _ in source.cancel() }
        source.schedule(deadline: .distantFuture)
        source.activate()
        rings = stream
        self.source = source
    }

    /// - Parameter delay: `nil`: do not ring.
    func set(after delay: Duration?) {
        guard let delay else {
            source.schedule(deadline: .distantFuture)
            return
        }
        // More than a day means never soon: the deadline is computed anew long before.
        let bounded = min(max(delay, .zero), .seconds(86_400))
        source.schedule(deadline: .now() + .nanoseconds(Int(nanoseconds(bounded))), leeway: .milliseconds(1))
    }
}
