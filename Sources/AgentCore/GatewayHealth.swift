import MeshModel
import Routing

/// Whether one gateway works, judged by echoes through the tunnel and by WireGuard's counters.
///
/// Pure, like `AgentCore`. A gateway that answers echoes is watched by them: enough unanswered ones in a row make it
/// *silent*, which is enough to prefer another one; when nothing of the gateway reaches the kernel's counters either, it is
/// *dead*. One that never answers (its policy may refuse ICMP) is judged by the counters alone. A gateway that comes back
/// is *recovering* for a while, so that traffic does not follow one that comes and goes.
struct GatewayHealth: Sendable {
    enum State: String, Hashable, Sendable {
        /// Watched for a moment only.
        case unknown
        case alive
        /// WireGuard has a session with it; it never answered an echo.
        case mute
        case silent
        case dead
        case recovering
    }

    /// How closely it is watched.
    enum Role: Hashable, Sendable {
        /// Carries traffic that another one could take over: found out within a second or so.
        case carrier
        case standby
    }

    private struct Probe: Hashable, Sendable {
        var sequence: UInt16
        var sent: ContinuousClock.Instant
        var due: ContinuousClock.Instant
        var isMissed = false
    }

    /// Counters at the last moment when something had been received, to see what was sent into the silence since.
    private struct Baseline: Hashable, Sendable {
        var time: ContinuousClock.Instant
        var receivedBytes: UInt64
        var sentBytes: UInt64
    }

    private(set) var state: State = .unknown
    private(set) var stateSince: ContinuousClock.Instant
    /// Its newest answer asked to go elsewhere.
    private(set) var isDraining = false
    /// Exponentially weighted mean (1/8) of the round trips; `nil` before the first.
    private(set) var roundTrip: Duration?
    /// Mean deviation from `roundTrip` (1/4), as TCP has it (RFC 6298).
    private var variation: Duration = .zero
    /// Exponentially weighted share (1/16) of lost echoes, 0 to 1; those of a gateway that went silent do not count.
    private(set) var loss = 0.0
    private(set) var role: Role
    private var probes: [Probe] = []
    private var nextProbe: ContinuousClock.Instant
    private var missesInARow = 0
    private var hasAnswered = false
    /// No answer in `firstPatience`.
    private var isLate = false
    private var observation: PeerObservation?
    private var baseline: Baseline?
    private var receivedWhenSilent: (bytes: UInt64, time: ContinuousClock.Instant)?

    init(role: Role, at now: ContinuousClock.Instant) {
        self.role = role
        stateSince = now
        nextProbe = now
    }

    // MARK: - Timing

    /// Three unanswered echoes and the last one's patience are 0.8 s on a path of up to 100 ms: with the change of the kernel
    /// the data path is to be back within 1.5 s, on slow machines too.
    private static let carrierInterval: Duration = .milliseconds(200)
    /// A standby must be known to work when it is needed; its own failure hurts nobody in the meantime.
    private static let standbyInterval: Duration = .seconds(2)
    /// Of a gateway that is dead, or never answers: only whether it comes (back) is of interest.
    private static let rareInterval: Duration = .seconds(5)
    /// What a new session takes in practice: signal, ICE checks, handshake.
    private static let grace: Duration = .seconds(5)
    /// How long the preferred gateway may take to answer at all before one that does carries its traffic: after a restart of
    /// the agent the first in order may be the one that is dead.
    private static let firstPatience: Duration = .seconds(1)
    /// Longer than a reboot's flapping links; spec/agent/route-selection.md 7.
    static let holdDown: Duration = .seconds(60)
    /// A peer that gets data answers at least by a keepalive within 10 s (WireGuard whitepaper, section 6.5); half as much
    /// again, for the journey.
    private static let silenceLimit: Duration = .seconds(15)
    /// More than keepalives (32 bytes each) and one handshake initiation (148): somebody sends data.
    private static let sentIntoSilenceBytes: UInt64 = 256
    /// `Reject-After-Time`: an older session carries nothing. Source: WireGuard whitepaper, section 6.1.
    private static let sessionLifetime: Duration = .seconds(180)
    /// Two looks at counters nearer to each other say nothing.
    private static let confirmationTime: Duration = .seconds(1)
    /// A tick that comes later than this tells of a suspended or starved machine, not of the gateway.
    private static let latestTick: Duration = .seconds(1)
    /// How long an answer still counts as a sign of life after its echo was given up.
    private static let memory: Duration = .seconds(5)

    var deadline: ContinuousClock.Instant? {
        var times = probes.lazy.filter { !$0.isMissed }.map(\.due) + [nextProbe]
        if state == .unknown { times.append(stateSince + (isLate ? Self.grace : Self.firstPatience)) }
        if state == .recovering { times.append(stateSince + Self.holdDown) }
        return times.min()
    }

    /// How soon the counters should be read again; `nil`: no hurry.
    var observationInterval: Duration? {
        switch state {
        case .unknown, .silent: .seconds(2)
        case .mute: role == .carrier ? Self.rareInterval : nil
        case .alive, .dead, .recovering: nil
        }
    }

    var standing: GatewayCandidate.Standing {
        switch state {
        case .alive, .mute: isDraining ? .draining : .usable
        case .unknown: isLate ? .recovering : .usable
        case .recovering: isDraining ? .draining : .recovering
        case .silent: .silent
        case .dead: .dead
        }
    }

    // MARK: - Inputs

    mutating func setRole(_ role: Role, at now: ContinuousClock.Instant) {
        guard role != self.role else { return }
        self.role = role
        nextProbe = min(nextProbe, now + interval(stretch: 1))
    }

    /// - Parameters:
    ///   - stretch: factor on the pauses, where many gateways are watched.
    ///   - nextSequence: numbers the echo, if one is due.
    /// - Returns: the number of the echo to send now.
    mutating func tick(
        at now: ContinuousClock.Instant,
        stretch: Int,
        nextSequence: () -> UInt16
    ) -> UInt16? {
        if let deadline, now - deadline > Self.latestTick { probes = [] }
        for index in probes.indices where !probes[index].isMissed && probes[index].due <= now {
            probes[index].isMissed = true
            miss(at: now)
        }
        probes.removeAll { $0.isMissed && now - $0.sent > Self.memory }
        if state == .recovering, now - stateSince >= Self.holdDown { enter(hasAnswered ? .alive : .mute, at: now) }
        if state == .unknown, now - stateSince >= Self.firstPatience { isLate = true }
        if state == .unknown, now - stateSince >= Self.grace { judgeByCounters(at: now) }
        guard nextProbe <= now else { return nil }
        nextProbe = now + interval(stretch: stretch)
        let sequence = nextSequence()
        probes.append(Probe(sequence: sequence, sent: now, due: now + patience))
        return sequence
    }

    /// An answer to the echo with this number. One that we do not wait for is ignored.
    mutating func receive(sequence: UInt16, isDraining: Bool = false, at now: ContinuousClock.Instant) {
        guard let index = probes.firstIndex(where: { $0.sequence == sequence }) else { return }
        let probe = probes.remove(at: index)
        // Older ones are overtaken: they are lost, or will come late, but the gateway is there.
        measure(now - probe.sent)
        if state != .silent, state != .dead {
            for _ in 0..<missesInARow { loss += (1 - loss) / 16 }
        }
        loss -= loss / 16
        missesInARow = 0
        hasAnswered = true
        let isBack = self.isDraining && !isDraining
        self.isDraining = isDraining
        switch state {
        case .unknown, .mute: enter(.alive, at: now)
        case .silent, .dead: enter(.recovering, at: now)
        // Back from maintenance is back like any other: on probation.
        case .alive: if isBack { enter(.recovering, at: now) }
        case .recovering: if isBack { stateSince = now }
        }
    }

    /// One word for people: the state, or what the gateway says of itself.
    var word: String { standing == .draining ? "draining" : state.rawValue }

    /// What the kernel says of the peer.
    mutating func observe(_ new: PeerObservation, at now: ContinuousClock.Instant) {
        let old = observation
        observation = new
        // Counters start anew with a peer that was taken out and put back.
        if baseline.map({ new.receivedBytes != $0.receivedBytes || new.sentBytes < $0.sentBytes }) ?? true {
            baseline = Baseline(time: now, receivedBytes: new.receivedBytes, sentBytes: new.sentBytes)
        }
        let hasReceived = old.map { new.receivedBytes > $0.receivedBytes } ?? false
        switch state {
        case .silent: confirmSilence(new, at: now)
        case .mute:
            if isTalkedToInVain(new, at: now) { enter(.dead, at: now) }
        case .dead:
            if !hasAnswered, hasReceived { enter(.recovering, at: now) }
        case .recovering:
            if !hasAnswered, isTalkedToInVain(new, at: now) { enter(.dead, at: now) }
        case .unknown, .alive: break
        }
    }

    // MARK: - Judgement

    private mutating func miss(at now: ContinuousClock.Instant) {
        guard hasAnswered, state == .alive || state == .recovering else { return }
        missesInARow += 1
        guard missesInARow >= missesAllowed else {
            nextProbe = min(nextProbe, now + interval(stretch: 1))
            return
        }
        missesInARow = 0
        receivedWhenSilent = nil
        enter(.silent, at: now)
    }

    /// So many in a row that a path with the loss seen so far does so once in a million echoes; 3 where nothing was lost.
    private var missesAllowed: Int {
        var (count, chance) = (1, loss)
        while count < 3 || (chance > 1e-6 && count < 8) { (count, chance) = (count + 1, chance * loss) }
        return count
    }

    /// Echoes alone may be refused; a gateway whose bytes still arrive is not dead.
    private mutating func confirmSilence(_ new: PeerObservation, at now: ContinuousClock.Instant) {
        guard let before = receivedWhenSilent else {
            receivedWhenSilent = (new.receivedBytes, now)
            return
        }
        guard now - before.time >= Self.confirmationTime else { return }
        if new.receivedBytes == before.bytes { return enter(.dead, at: now) }
        receivedWhenSilent = (new.receivedBytes, now)
    }

    private func isTalkedToInVain(_ new: PeerObservation, at now: ContinuousClock.Instant) -> Bool {
        guard let baseline else { return false }
        let silence = now - baseline.time
        let sent = new.sentBytes - min(baseline.sentBytes, new.sentBytes)
        return silence >= Self.sessionLifetime && sent > 0
            || silence >= Self.silenceLimit && sent >= Self.sentIntoSilenceBytes
    }

    /// The moment of grace is over and no echo came back: is there a session at all?
    private mutating func judgeByCounters(at now: ContinuousClock.Instant) {
        let hasSession = observation.map { $0.latestHandshakeSeconds > 0 && $0.receivedBytes > 0 } ?? false
        enter(hasSession ? .mute : .dead, at: now)
    }

    private mutating func enter(_ new: State, at now: ContinuousClock.Instant) {
        guard new != state else { return }
        state = new
        stateSince = now
        nextProbe = min(nextProbe, now + interval(stretch: 1))
    }

    // MARK: - Echoes

    private func interval(stretch: Int) -> Duration {
        switch state {
        case .dead, .mute: Self.rareInterval * stretch
        case .unknown: .milliseconds(500) * stretch
        case .silent: Self.standbyInterval * stretch
        case .alive, .recovering:
            // After a first miss a standby is looked at as closely as a carrier: it may be needed soon.
            (role == .carrier || missesInARow > 0 ? Self.carrierInterval : Self.standbyInterval) * stretch
        }
    }

    /// RFC 6298's timeout within bounds: 200 ms is the pace of the echoes, more than 2 s is no usable gateway.
    private var patience: Duration {
        guard let roundTrip else { return Self.firstPatience }
        return min(max(roundTrip + variation * 4, .milliseconds(200)), .seconds(2))
    }

    private mutating func measure(_ sample: Duration) {
        guard let mean = roundTrip else {
            roundTrip = sample
            variation = sample / 2
            return
        }
        let deviation = sample > mean ? sample - mean : mean - sample
        variation += (deviation - variation) / 4
        roundTrip = mean + (sample - mean) / 8
    }
}
