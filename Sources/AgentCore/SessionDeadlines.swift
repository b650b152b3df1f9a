import MeshModel

/// When each session wants its next tick, and which comes first: a thousand sessions that wait cost nothing while they do.
struct SessionDeadlines: Sendable {
    /// The earliest; `nil`: nobody waits for anything.
    private(set) var first: ContinuousClock.Instant?
    private var deadlines: [PublicKey: ContinuousClock.Instant] = [:]

    /// - Parameter deadline: `nil`: it waits for nothing.
    mutating func set(_ deadline: ContinuousClock.Instant?, for peer: PublicKey) {
        let old = deadlines[peer]
        guard deadline != old else { return }
        deadlines[peer] = deadline
        if let deadline, first.map({ deadline <= $0 }) ?? true {
            first = deadline
        } else if old == first {
            first = deadlines.values.min()
        }
    }

    /// Sorted.
    func due(at now: ContinuousClock.Instant) -> [PublicKey] {
        guard let first, first <= now else { return [] }
        return deadlines.filter { $0.value <= now }.keys.sorted()
    }
}
