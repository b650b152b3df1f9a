/// Whether a relayed peer still lives: a check every 25 s, and in each 45 s at least one echo. Pure.
///
/// Source: spec/wire/relay.md 5.1.
struct RelayHealth: Sendable {
    enum Effect: Hashable, Sendable {
        case sendCheck
        /// No echo for a whole period: the connection is to end.
        case fail
    }

    static let checkInterval: Duration = .seconds(25)
    static let echoPeriod: Duration = .seconds(45)

    private var nextCheck: ContinuousClock.Instant
    private var periodEnd: ContinuousClock.Instant
    private var hasEchoed = false

    init(at now: ContinuousClock.Instant) {
        nextCheck = now + Self.checkInterval
        periodEnd = now + Self.echoPeriod
    }

    /// When `tick` is due.
    var deadline: ContinuousClock.Instant { min(nextCheck, periodEnd) }

    mutating func echoed() { hasEchoed = true }

    mutating func tick(at now: ContinuousClock.Instant) -> [Effect] {
        if now >= periodEnd {
            guard hasEchoed else { return [.fail] }
            hasEchoed = false
            periodEnd = now + Self.echoPeriod
        }
        guard now >= nextCheck else { return [] }
        nextCheck = now + Self.checkInterval
        return [.sendCheck]
    }
}
