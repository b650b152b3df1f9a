/// Counts repairs, and knows a fight from an accident.
///
/// A repair is a change to the kernel although what we want is what it was: somebody else took it away. Another program
/// that insists on its own way would keep both busy for ever; after `limit` repairs within a minute we wait before each.
struct RepairGuard {
    /// More than a reload of a host's whole network needs.
    static let limit = 20
    private static let window = Duration.seconds(60)
    /// How long what is ours may stay broken during a fight: this long, and not longer.
    private static let truce = Duration.seconds(10)

    /// Since the start.
    private(set) var total = 0
    /// Seconds since 1970 and commands of the newest one.
    private(set) var last: (atSeconds: Int64, changes: [String])?
    private var recent: [ContinuousClock.Instant] = []

    mutating func record(_ changes: [String], at now: ContinuousClock.Instant, seconds: Int64) {
        total += 1
        last = (seconds, changes)
        recent = recent.filter { $0 + Self.window > now } + [now]
    }

    /// Until when the next repair waits; `nil`: nobody fights.
    func truceEnd(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let counted = recent.filter { $0 + Self.window > now }
        guard counted.count > Self.limit, let newest = counted.last else { return nil }
        return newest + Self.truce
    }
}
