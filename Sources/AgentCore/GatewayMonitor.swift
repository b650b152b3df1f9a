import MeshModel
import Routing

/// Watches the gateways in use, and no others: without one it sends nothing and has no deadline.
struct GatewayMonitor: Sendable {
    /// A gateway to watch.
    struct Target: Hashable, Sendable {
        /// Our and its overlay address, of one family.
        var local: IPAddress
        var remote: IPAddress
        var role: GatewayHealth.Role
    }

    /// What the choice of gateways depends on: changes only with `standing`, or slowly, so that not every echo is a reason
    /// to choose anew.
    struct View: Hashable, Sendable {
        var standing: GatewayCandidate.Standing
        var cost: Duration?
    }

    private(set) var gateways: [PublicKey: GatewayHealth] = [:]
    private(set) var views: [PublicKey: View] = [:]
    private var targets: [PublicKey: Target] = [:]
    private var peers: [IPAddress: PublicKey] = [:]
    private var sequence: UInt16 = 0
    private var viewsDue: ContinuousClock.Instant?

    /// How often round trips may move the choice; the dwell time of a challenge is many times longer.
    private static let viewInterval: Duration = .seconds(5)
    /// With more gateways all are asked more rarely: some 60 echoes a second are the most.
    private static let unstretchedGateways = 16
    /// What a lost packet costs in round trip: at 10 % loss a path of 50 ms counts as one of 100 ms.
    private static let lossPenalty: Duration = .milliseconds(500)

    var deadline: ContinuousClock.Instant? { gateways.values.lazy.compactMap(\.deadline).min() }

    /// How soon the kernel's counters should be read again; `nil`: no hurry.
    var observationInterval: Duration? { gateways.values.lazy.compactMap(\.observationInterval).min() }

    /// Watches exactly these from now on; what is known of those that stay is kept.
    mutating func watch(_ wanted: [PublicKey: Target], at now: ContinuousClock.Instant) {
        guard wanted != targets else { return }
        for (peer, target) in wanted {
            if let known = targets[peer], known.local == target.local, known.remote == target.remote {
                gateways[peer]?.setRole(target.role, at: now)
            } else {
                gateways[peer] = GatewayHealth(role: target.role, at: now)
            }
        }
        for peer in gateways.keys where wanted[peer] == nil { gateways[peer] = nil }
        targets = wanted
        peers = Dictionary(wanted.map { ($0.value.remote, $0.key) }, uniquingKeysWith: min)
    }

    mutating func tick(at now: ContinuousClock.Instant) -> [EchoRequest] {
        guard let deadline, deadline <= now else { return [] }
        let stretch = max(1, gateways.count / Self.unstretchedGateways)
        var requests: [EchoRequest] = []
        for peer in gateways.keys.sorted() {
            guard let target = targets[peer] else { continue }
            let due = gateways[peer]?.tick(at: now, stretch: stretch) {
                sequence &+= 1
                return sequence
            }
            guard let number = due ?? nil else { continue }
            requests.append(EchoRequest(local: target.local, remote: target.remote, sequence: number))
        }
        return requests
    }

    mutating func receive(_ reply: EchoReply, at now: ContinuousClock.Instant) {
        guard let peer = peers[reply.remote] else { return }
        gateways[peer]?.receive(sequence: reply.sequence, isDraining: reply.isDraining, at: now)
    }

    mutating func observe(_ observations: [PublicKey: PeerObservation], at now: ContinuousClock.Instant) {
        for peer in gateways.keys {
            if let observation = observations[peer] { gateways[peer]?.observe(observation, at: now) }
        }
    }

    /// Brings `views` up to date.
    ///
    /// - Returns: whether anything changed.
    mutating func renewViews(at now: ContinuousClock.Instant) -> Bool {
        let current = gateways.mapValues { View(standing: $0.standing, cost: Self.cost(of: $0)) }
        let isUrgent = current.mapValues(\.standing) != views.mapValues(\.standing)
        guard isUrgent || viewsDue.map({ $0 <= now }) ?? true, current != views else { return false }
        views = current
        viewsDue = now + Self.viewInterval
        return true
    }

    private static func cost(of gateway: GatewayHealth) -> Duration? {
        gateway.roundTrip.map { $0 + lossPenalty * gateway.loss }
    }
}
