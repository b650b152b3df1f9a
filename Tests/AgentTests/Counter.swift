import Synchronization

/// Counts calls from closures that may run anywhere.
final class Counter: Sendable {
    private let count = Atomic(0)

    /// 1 for the first call.
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
