import MeshModel

/// Every interval of the agent, with its source. Stock peers count on these: spec/wire/ice.md 2.
enum ICETimers {
    /// Between two rounds of checks (Ta of RFC 8445, section 14.2, is 50 ms per check; stock agents check all pairs at once).
    static let checkInterval: Duration = .milliseconds(200)
    /// Unanswered checks after which a pair has failed.
    static let checksPerPair = 8
    /// A selected pair is checked this often by each side; a stock peer gives the path up after 6 s without.
    static let keepaliveInterval: Duration = .seconds(2)
    /// Silence of the selected remote after which the path is lost.
    static let disconnectedTimeout: Duration = .seconds(6)
    /// Checking without a selected pair for so long has failed.
    static let failedTimeout: Duration = .seconds(12)
    /// Answers to older checks are not ours to wait for.
    static let transactionExpiry: Duration = .seconds(4)

    /// How long the controlling side waits for something better before it nominates a pair with such a candidate.
    static func acceptanceWait(_ kind: RemoteCandidate.Kind) -> Duration {
        switch kind {
        case .host: .zero
        case .srflx: .milliseconds(500)
        case .prflx: .seconds(1)
        case .relay: .seconds(2)
        }
    }
}
