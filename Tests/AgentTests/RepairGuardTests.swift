import Agent
import Testing

struct RepairGuardTests {
    private let start = ContinuousClock().now

    @Test func `a reload of the network is no fight`() {
        var repairs = RepairGuard()
        for second in 0..<RepairGuard.limit {
            repairs.record(["ip link set dev wgm0 up"], at: start + .seconds(second), seconds: Int64(second))
        }
        #expect(repairs.truceEnd(at: start + .seconds(20)) == nil)
        #expect(repairs.total == RepairGuard.limit && repairs.last?.atSeconds == 19)
    }

    @Test func `a program that insists is met every ten seconds, until it gives up`() throws {
        var repairs = RepairGuard()
        var now = start
        for _ in 0...RepairGuard.limit {
            repairs.record(["ip link set dev wgm0 mtu 1280"], at: now, seconds: 0)
            now += .milliseconds(300)
        }
        let end = try #require(repairs.truceEnd(at: now))
        #expect(end > now + .seconds(9) && end <= now + .seconds(10))
        // A minute without anything to repair, and it is forgotten.
        #expect(repairs.truceEnd(at: now + .seconds(61)) == nil)
    }
}
