/// Whether WireGuard lives on at a direct path where STUN has fallen silent: the kernel's counter of received bytes tells.
///
/// An agent that restarts answers no checks for some seconds, while its kernel goes on; traffic must not be moved for that.
/// Before ICE gives up a reading is taken to compare with; once it has, each reading that is higher than the one before is
/// a sign of life, and the first that is not ends it.
struct PathDoubt: Sendable {
    private var reading: (bytes: UInt64, at: ContinuousClock.Instant)?
    private(set) var isJudging = false
    /// When the counters should be read again; `nil`: while ICE still hopes, one reading will do.
    private(set) var deadline: ContinuousClock.Instant?

    /// A path that carries anything shows it within so long. TCP sends a lost segment again within a second.
    private static let firstInterval: Duration = .seconds(1)
    private static let interval: Duration = .seconds(2)

    /// ICE has given up.
    mutating func judge(at now: ContinuousClock.Instant) {
        isJudging = true
        deadline = now + Self.firstInterval
    }

    /// The reading that is due has been asked for.
    mutating func postpone(at now: ContinuousClock.Instant) {
        if deadline != nil { deadline = now + Self.firstInterval }
    }

    /// - Parameter bytes: received from the peer in all.
    /// - Returns: whether the path is dead.
    mutating func isOver(receivedBytes bytes: UInt64, at now: ContinuousClock.Instant) -> Bool {
        guard let last = reading else {
            reading = (bytes, now)
            return false
        }
        guard isJudging else { return false }
        if bytes > last.bytes {
            reading = (bytes, now)
            deadline = now + Self.interval
            return false
        }
        deadline = last.at + Self.firstInterval
        return now >= last.at + Self.firstInterval
    }
}
