import Testing

@testable import ControlPlane

@Suite struct RelayHealthTests {
    let start = ContinuousClock.now

    @Test func `a client that never echoes fails 45 seconds after it came`() {
        var health = RelayHealth(at: start)
        #expect(health.deadline == start + .seconds(25))
        #expect(health.tick(at: start + .seconds(25)) == [.sendCheck])
        #expect(health.deadline == start + .seconds(45))
        #expect(health.tick(at: start + .milliseconds(44_999)) == [])
        #expect(health.tick(at: start + .seconds(45)) == [.fail])
    }

    @Test func `one echo in each period is enough, and only in that period`() {
        var health = RelayHealth(at: start)
        var now = start
        for _ in 0..<1000 {
            now = health.deadline
            let effects = health.tick(at: now)
            #expect(!effects.contains(.fail))
            if effects == [.sendCheck] { health.echoed() }
        }
        var silence: [RelayHealth.Effect] = []
        let quietSince = now
        while !silence.contains(.fail) {
            now = health.deadline
            silence = health.tick(at: now)
        }
        #expect(now - quietSince <= .seconds(90))
    }
}
