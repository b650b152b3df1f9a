/// How long to wait before the next attempt: grows with every failure, jittered, bounded.
///
/// Pure: the random number is given in.
package struct Backoff: Hashable, Sendable {
    package var initial: Duration
    package var factor: Double
    package var maximum: Duration
    /// Failures since the last success.
    package private(set) var failures = 0

    package init(initial: Duration, factor: Double, maximum: Duration) {
        self.initial = initial
        self.factor = factor
        self.maximum = maximum
    }

    /// Reconnecting to the control plane: 0.8 s, x1.7, at most 10 s. Source: spec/wire/management.md A4.5, signal.md 5.
    package static let connection = Backoff(initial: .milliseconds(800), factor: 1.7, maximum: .seconds(10))

    /// The delay after one more failure, between 0 and twice the nominal one (full jitter keeps agents apart that lost
    /// the same server), never more than `maximum`.
    ///
    /// - Parameter random: uniform in 0..<1.
    package mutating func next(random: Double) -> Duration {
        var nominal = initial
        for _ in 0..<failures where nominal < maximum { nominal = nominal * factor }
        failures += 1
        return min(min(nominal, maximum) * (2 * random), maximum)
    }

    package mutating func reset() { failures = 0 }
}
