import AgentCore
import Testing

@Suite struct BackoffTests {
    @Test func `delays grow by 1.7 from 0.8 s and end at 10 s`() {
        var backoff = Backoff.connection
        // A random number of one half gives the nominal delay.
        let delays = (0..<8).map { _ in backoff.next(random: 0.5) / .milliseconds(1) }
        let expected = [800, 1360, 2312, 3930.4, 6681.68, 10_000, 10_000, 10_000]
        for (delay, nominal) in zip(delays, expected) { #expect(abs(delay - nominal) < 0.001) }
        backoff.reset()
        #expect(backoff.next(random: 0.5) == .milliseconds(800))
    }

    @Test func `jitter spreads from nothing to twice, never beyond the maximum`() {
        var backoff = Backoff.connection
        #expect(backoff.next(random: 0) == .zero)
        for _ in 0..<100 { #expect(backoff.next(random: 0.999) <= .seconds(10)) }
    }
}
