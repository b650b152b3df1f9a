/// Counts repairs, and knows a fight from an accident.
///
/// A repair is a change to the kernel although what we want is what it was: somebody else took it away. Another program
/// that insists on its own way would keep both busy for ever; after `limit` repairs within a minute we wait before each.
package struct RepairGuard {
    /// More than a reload of a host's whole network needs.
    package static let limit = 20
    private static let window = Duration.seconds(60)
    /// How long what is ours may stay broken during a fight: this long, and not longer.
    private static let truce = Duration.seconds(10)

    /// Since the start.
    package private(set) var total = 0
    /// Seconds since 1970 and commands of the newest one.
    package private(set) var last: (atSeconds: Int64, changes: [String])?
    private var recent: [ContinuousClock.Instant] = []

    package init() {}

    package mutating func record(_ changes: [String], at now: ContinuousClock.Instant, seconds: Int64) {
        total += 1
        last = (seconds, changes)
        recent = recent.filter { $0 + Self.window > now } + [now]
    }

    /// Until when the next repair waits; `nil`: nobody fights.
    package func truceEnd(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let counted = recent.filter { $0 + Self.window > now }
        guard counted.count > Self.limit, let newest = counted.last else { return nil }
        return newest + Self.truce
    }
}
