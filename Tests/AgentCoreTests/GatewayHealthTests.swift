import MeshModel
import Routing
import Testing

@testable import AgentCore

/// One gateway in virtual time, behind a path that answers, loses or delays.
private struct Gateway {
    var health: GatewayHealth
    var now: ContinuousClock.Instant
    let start: ContinuousClock.Instant
    var roundTrip: Duration = .milliseconds(20)
    /// Whether the echo with this number is answered.
    var answers: (UInt16) -> Bool = { _ in true }
    private var pending: [(sequence: UInt16, arrival: ContinuousClock.Instant)] = []
    private(set) var sent: [Duration] = []
    private var sequence: UInt16 = 0
    /// States in order, with when they began.
    private(set) var history: [(state: GatewayHealth.State, at: Duration)] = []

    init(role: GatewayHealth.Role) {
        start = ContinuousClock.now
        now = start
        health = GatewayHealth(role: role, at: start)
    }

    var time: Duration { now - start }

    mutating func run(for duration: Duration) {
        let end = now + duration
        while let next = ([health.deadline] + pending.map(\.arrival)).compactMap(\.self).min(), next <= end {
            now = max(now, next)
            for reply in pending where reply.arrival <= now {
                health.receive(sequence: reply.sequence, at: now)
                note()
            }
            pending.removeAll { $0.arrival <= now }
            var counter = sequence
            let due = health.tick(at: now, stretch: 1) {
                counter += 1
                return counter
            }
            sequence = counter
            note()
            guard let due else { continue }
            sent.append(time)
            if answers(due) { pending.append((due, now + roundTrip)) }
        }
        now = end
    }

    mutating func observe(received: UInt64, sent: UInt64, handshake: Int64 = 1) {
        let seen = PeerObservation(
            endpoint: nil,
            latestHandshakeSeconds: handshake,
            receivedBytes: received,
            sentBytes: sent
        )
        health.observe(seen, at: now)
        note()
    }

    private mutating func note() {
        if history.last?.state != health.state { history.append((health.state, time)) }
    }
}

@Suite struct GatewayHealthTests {
    @Test func `a gateway that answers is alive, with its round trip and no loss`() throws {
        var gateway = Gateway(role: .carrier)
        gateway.run(for: .seconds(10))
        #expect(gateway.health.state == .alive)
        #expect(gateway.health.standing == .usable)
        let roundTrip = try #require(gateway.health.roundTrip)
        #expect(abs(roundTrip / .milliseconds(1) - 20) < 0.1)
        #expect(gateway.health.loss == 0)
    }

    @Test func `a carrier that falls silent is left after 0.82 s at most`() throws {
        for offset in stride(from: 0, to: 200, by: 10) {
            var gateway = Gateway(role: .carrier)
            gateway.run(for: .seconds(20) + .milliseconds(offset))
            gateway.answers = { _ in false }
            let death = gateway.time
            gateway.run(for: .seconds(3))
            let silent = try #require(gateway.history.first { $0.state == .silent })
            #expect(silent.at - death <= .milliseconds(820), "\(silent.at - death) after \(offset) ms")
        }
    }

    @Test func `echoes are frequent for a carrier, rare for a standby, rarer for the dead`() {
        var carrier = Gateway(role: .carrier)
        carrier.run(for: .seconds(60))
        #expect((285...305).contains(carrier.sent.count), "\(carrier.sent.count)")
        var standby = Gateway(role: .standby)
        standby.run(for: .seconds(60))
        #expect((28...33).contains(standby.sent.count), "\(standby.sent.count)")
        var dead = Gateway(role: .carrier)
        dead.answers = { _ in false }
        dead.run(for: .seconds(65))
        #expect(dead.health.state == .dead)
        #expect((20...26).contains(dead.sent.count), "\(dead.sent.count)")
    }

    @Test func `a lossy path is no dead gateway`() {
        var gateway = Gateway(role: .carrier)
        // One in five, with runs of two.
        gateway.answers = { $0 % 10 > 1 }
        gateway.run(for: .seconds(600))
        #expect(gateway.history.map(\.state) == [.unknown, .alive])
        #expect((0.1...0.3).contains(gateway.health.loss), "\(gateway.health.loss)")
    }

    @Test func `after much loss it takes more misses, never more than eight`() throws {
        var gateway = Gateway(role: .carrier)
        gateway.answers = { $0 % 2 == 0 }
        gateway.run(for: .seconds(60))
        gateway.answers = { _ in false }
        let death = gateway.time
        gateway.run(for: .seconds(5))
        let silent = try #require(gateway.history.first { $0.state == .silent })
        #expect(silent.at - death <= .milliseconds(2600), "\(silent.at - death)")
    }

    @Test func `a slow path is measured and not mistaken for a dead one`() {
        var gateway = Gateway(role: .carrier)
        gateway.roundTrip = .milliseconds(900)
        gateway.run(for: .seconds(60))
        #expect(gateway.history.map(\.state) == [.unknown, .alive])
        gateway.roundTrip = .milliseconds(20)
        gateway.run(for: .seconds(60))
        // A round trip that leaps above the patience: late answers count as signs of life.
        gateway.roundTrip = .milliseconds(400)
        gateway.run(for: .seconds(60))
        #expect(gateway.health.state == .alive)
        #expect(!gateway.history.contains { $0.state == .dead })
    }

    @Test func `one that comes back is held down for a minute, each time anew`() {
        var gateway = Gateway(role: .carrier)
        gateway.run(for: .seconds(10))
        gateway.answers = { _ in false }
        gateway.run(for: .seconds(10))
        gateway.answers = { _ in true }
        gateway.run(for: .seconds(30))
        #expect(gateway.health.state == .recovering)
        gateway.answers = { _ in false }
        gateway.run(for: .seconds(10))
        gateway.answers = { _ in true }
        gateway.run(for: .seconds(57))
        #expect(gateway.health.state == .recovering)
        gateway.run(for: .seconds(10))
        #expect(gateway.health.state == .alive)
        #expect(gateway.history.map(\.state) == [.unknown, .alive, .silent, .recovering, .silent, .recovering, .alive])
    }

    @Test func `silence is death once the counters say so too`() {
        var gateway = Gateway(role: .carrier)
        gateway.run(for: .seconds(10))
        gateway.answers = { _ in false }
        gateway.run(for: .seconds(2))
        #expect(gateway.health.observationInterval == .seconds(2))
        gateway.observe(received: 1000, sent: 1000)
        gateway.run(for: .seconds(2))
        gateway.observe(received: 1500, sent: 2000)
        #expect(gateway.health.state == .silent, "bytes arrive: only echoes are refused")
        gateway.run(for: .seconds(2))
        gateway.observe(received: 1500, sent: 3000)
        #expect(gateway.health.state == .dead)
        #expect(gateway.health.observationInterval == nil)
    }

    @Test func `one that refuses echoes is judged by what comes back for what is sent`() {
        var gateway = Gateway(role: .carrier)
        gateway.answers = { _ in false }
        gateway.observe(received: 100, sent: 100)
        gateway.run(for: .seconds(6))
        #expect(gateway.health.state == .mute && gateway.health.standing == .usable)
        for second in 1...20 {
            gateway.run(for: .seconds(5))
            gateway.observe(received: 100 + UInt64(second) * 1000, sent: 100 + UInt64(second) * 1000)
        }
        #expect(gateway.health.state == .mute)
        // Idle: keepalives go out, nothing comes, and that is no news.
        for second in 1...20 {
            gateway.run(for: .seconds(5))
            gateway.observe(received: 20_100, sent: 20_100 + UInt64(second) * 6)
        }
        #expect(gateway.health.state == .mute)
        gateway.run(for: .seconds(5))
        gateway.observe(received: 20_132, sent: 20_300)
        for second in 1...4 {
            gateway.run(for: .seconds(5))
            gateway.observe(received: 20_132, sent: 20_300 + UInt64(second) * 1000)
        }
        #expect(gateway.health.state == .dead)
        gateway.run(for: .seconds(5))
        gateway.observe(received: 20_400, sent: 25_000)
        #expect(gateway.health.state == .recovering)
        gateway.run(for: .seconds(61))
        #expect(gateway.health.state == .mute)
    }

    @Test func `one that never had a session is dead after a moment of grace`() {
        var gateway = Gateway(role: .standby)
        gateway.answers = { _ in false }
        gateway.observe(received: 0, sent: 148, handshake: 0)
        gateway.run(for: .milliseconds(900))
        #expect(gateway.health.standing == .usable)
        gateway.run(for: .seconds(3))
        #expect(gateway.health.standing == .recovering, "whoever answers goes before it")
        gateway.run(for: .seconds(2))
        #expect(gateway.health.state == .dead)
    }

    @Test func `a suspended machine says nothing about its gateways`() {
        var gateway = Gateway(role: .carrier)
        gateway.run(for: .seconds(10))
        gateway.answers = { _ in false }
        gateway.run(for: .milliseconds(600))
        // An hour without a tick, then the gateway answers as ever.
        gateway.now += .seconds(3600)
        gateway.answers = { _ in true }
        gateway.run(for: .seconds(10))
        #expect(gateway.history.map(\.state) == [.unknown, .alive])
    }

    @Test func `an answer that nobody waits for changes nothing`() {
        var gateway = Gateway(role: .carrier)
        gateway.health.receive(sequence: 77, at: gateway.now)
        #expect(gateway.health.state == .unknown && gateway.health.roundTrip == nil)
    }
}
