import MeshModel
import Routing
import TestSupport
import Testing

@testable import AgentCore

/// A core behind gateways that answer echoes, in virtual time.
private struct Mesh {
    var core: AgentCore
    var now: ContinuousClock.Instant
    let start: ContinuousClock.Instant
    var silent: Set<UInt8> = []
    var draining: Set<UInt8> = []
    private(set) var echoes: [(peer: UInt8, at: Duration)] = []
    private(set) var states: [(state: DesiredState, at: Duration)] = []
    private(set) var moves: [CarrierMove] = []
    private var pending: [(reply: EchoReply, arrival: ContinuousClock.Instant)] = []
    private var serial: UInt64 = 0

    init(routes: [String], policy: ExitFailurePolicy = .closed, intent: RouteIntent = RouteIntent()) throws {
        start = ContinuousClock.now
        now = start
        let privateKey = try #require(PrivateKey(bytes: Array(repeating: 9, count: 32)))
        core = AgentCore(
            configuration: .init(
                interfaceName: "wgm0",
                marks: OwnerMarks(instance: nil),
                privateKey: privateKey,
                publicKey: RouteWorld.own,
                listenPort: 51820,
                mtuBytes: 1280,
                persistentKeepaliveSeconds: 25,
                agentVersion: "test",
                exitFailure: policy
            ),
            routeIntent: intent,
            random: SeededGenerator(seed: 5)
        )
        map(routes)
    }

    mutating func map(_ lines: [String]) {
        serial += 1
        let peers = (1...6).map { number in
            RemotePeer(
                publicKey: RouteWorld.peer(UInt8(number)),
                allowedIPs: [IPPrefix("100.64.0.\(number)/32"), IPPrefix("fd00:1::\(number)/128")].compactMap(\.self),
                fqdn: "peer\(number).mesh"
            )
        }
        let map = NetworkMap(
            serial: serial,
            own: IPPrefix("100.64.0.99/16").map { SelfConfiguration(address: $0, fqdn: "own.mesh") },
            peers: peers,
            routes: lines.map(RouteWorld.route)
        )
        handle(.networkMap(map))
    }

    var time: Duration { now - start }

    mutating func handle(_ input: AgentCore.Input) {
        for effect in core.handle(input, at: now) {
            switch effect {
            case .probe(let request):
                let peer = request.remote.bytes[3]
                echoes.append((peer, time))
                if !silent.contains(peer) {
                    let reply = EchoReply(
                        remote: request.remote,
                        sequence: request.sequence,
                        isDraining: draining.contains(peer)
                    )
                    pending.append((reply, now + .milliseconds(10)))
                }
            case .reconcile(let state?): states.append((state, time))
            case .carriersMoved(let move): moves.append(move)
            case .reconcile, .signal, .send, .relay, .pathChanged, .strayed, .observe, .ignored: break
            }
        }
    }

    mutating func run(for duration: Duration) {
        let end = now + duration
        while let next = ([core.deadline] + pending.map(\.arrival)).compactMap(\.self).min(), next <= end {
            now = max(now, next)
            let arrived = pending.filter { $0.arrival <= now }
            pending.removeAll { $0.arrival <= now }
            for (reply, _) in arrived { handle(.echo(reply)) }
            handle(.tick)
        }
        now = end
    }

    mutating func command(_ command: RouteCommand) {
        handle(.routeIntent(core.outcome(of: command).intent))
    }

    func carrier(_ prefix: String) -> UInt8? {
        guard let prefix = IPPrefix(prefix) else { preconditionFailure("not a prefix: \(prefix)") }
        return (core.routeChoice.carriers[prefix] ?? nil)?.bytes.first
    }
}

@Suite struct GatewayFailoverTests {
    private let pairs = ["A 0.0.0.0/0 1", "A-v6 ::/0 1", "B 0.0.0.0/0 2", "B-v6 ::/0 2"]

    @Test func `clients leave a gateway that is drained at once, and come back after a minute's probation`() throws {
        var mesh = try Mesh(routes: pairs + ["lan 10.0.0.0/8 1", "lan 10.0.0.0/8 2"])
        mesh.run(for: .seconds(10))
        #expect(mesh.carrier("0.0.0.0/0") == 1)
        let asked = mesh.time
        mesh.draining = [1]
        mesh.run(for: .seconds(5))
        #expect(mesh.carrier("0.0.0.0/0") == 2 && mesh.carrier("::/0") == 2 && mesh.carrier("10.0.0.0/8") == 2)
        let moved = try #require(mesh.states.last?.at)
        #expect(moved - asked < .milliseconds(300), "\(moved - asked)")
        // That is no failover: nothing failed.
        #expect(mesh.core.routeStatus.failovers == 0)
        #expect(mesh.core.routeStatus.gateways.map(\.state) == ["draining", "alive"])
        #expect(mesh.core.routeStatus.exitReason == "in place of A, which is being drained")

        mesh.draining = []
        mesh.run(for: .seconds(55))
        #expect(mesh.carrier("0.0.0.0/0") == 2)
        mesh.run(for: .seconds(10))
        #expect(mesh.carrier("0.0.0.0/0") == 1)

        // With both drained somebody must go on.
        mesh.draining = [1, 2]
        mesh.run(for: .seconds(90))
        #expect(mesh.carrier("0.0.0.0/0") == 1 && !mesh.core.routeStatus.isExitFailed)
        mesh.silent = [1]
        mesh.run(for: .seconds(5))
        #expect(mesh.carrier("0.0.0.0/0") == 2)
    }

    @Test func `a host without routes sends no echo and has no timer for it`() throws {
        var mesh = try Mesh(routes: ["lan 10.0.0.0/8 1", "A 0.0.0.0/0 2 skip"])
        let sessionsOnly = mesh.core.deadline
        mesh.run(for: .seconds(120))
        #expect(mesh.echoes.isEmpty)
        #expect(!mesh.core.isWatchingGateways && mesh.core.routing.deadline == nil)
        #expect(sessionsOnly != nil)
    }

    @Test func `a silent exit node is left within 0.85 s, both families in one state`() throws {
        var mesh = try Mesh(routes: pairs)
        mesh.run(for: .seconds(30))
        #expect(mesh.carrier("0.0.0.0/0") == 1 && mesh.carrier("::/0") == 1)
        let before = mesh.states.count
        mesh.silent = [1]
        let death = mesh.time
        mesh.run(for: .seconds(5))
        #expect(mesh.carrier("0.0.0.0/0") == 2 && mesh.carrier("::/0") == 2)
        #expect(mesh.states.count == before + 1, "one reconciliation")
        let (state, moment) = try #require(mesh.states.last)
        #expect(moment - death <= .milliseconds(850), "\(moment - death)")
        #expect(state.device.peers[RouteWorld.peer(2)]?.allowedIPs.count == 4)
        #expect(state.device.peers[RouteWorld.peer(1)]?.allowedIPs.count == 2)
        #expect(mesh.moves.count == 1 && mesh.moves.first?.prefixes.count == 2)
        let status = mesh.core.routeStatus
        #expect(status.failovers == 1)
        #expect(status.exitNode == "B" && status.exitCarrier == "peer2.mesh")
        #expect(status.exitReason == "in place of A, which does not work")
        #expect(status.gateways.map(\.state) == ["silent", "alive"])
    }

    @Test func `the first choice comes back after a minute, and a flapping one does not`() throws {
        var mesh = try Mesh(routes: pairs)
        mesh.run(for: .seconds(30))
        mesh.silent = [1]
        mesh.run(for: .seconds(10))
        for _ in 0..<10 {
            mesh.silent = []
            mesh.run(for: .seconds(20))
            #expect(mesh.carrier("0.0.0.0/0") == 2)
            mesh.silent = [1]
            mesh.run(for: .seconds(10))
        }
        mesh.silent = []
        mesh.run(for: .seconds(55))
        #expect(mesh.carrier("0.0.0.0/0") == 2)
        mesh.run(for: .seconds(20))
        #expect(mesh.carrier("0.0.0.0/0") == 1)
        #expect(mesh.moves.count == 2)
        #expect(mesh.core.routeStatus.failovers == 1, "a return is none")
    }

    @Test func `when nobody answers, traffic is held back, and flows again with the first answer`() throws {
        var mesh = try Mesh(routes: pairs)
        mesh.run(for: .seconds(30))
        mesh.silent = [1, 2]
        mesh.run(for: .seconds(10))
        for step in 0..<4 {
            mesh.observe(step: step)
            mesh.run(for: .seconds(2))
        }
        let choice = mesh.core.routeChoice
        #expect(choice.exitNode == "A" && choice.carriers.count == 2)
        #expect(choice.carriers.values.allSatisfy { $0 == nil })
        #expect(mesh.core.routeStatus.isExitFailed)
        mesh.silent = [1]
        mesh.run(for: .seconds(6))
        #expect(mesh.carrier("0.0.0.0/0") == 2)
        #expect(mesh.core.routeStatus.exitNode == "B")
    }

    @Test func `fail-open gives the routes up instead`() throws {
        var mesh = try Mesh(routes: pairs, policy: .open)
        mesh.run(for: .seconds(30))
        mesh.silent = [1, 2]
        mesh.run(for: .seconds(10))
        for step in 0..<4 {
            mesh.observe(step: step)
            mesh.run(for: .seconds(2))
        }
        #expect(mesh.core.routeChoice == RouteChoice())
    }

    @Test func `both die at once: the third takes over as soon as the second is known to be dead`() throws {
        var mesh = try Mesh(routes: pairs + ["C 0.0.0.0/0 3", "C-v6 ::/0 3"])
        mesh.run(for: .seconds(30))
        mesh.silent = [1, 2]
        mesh.run(for: .seconds(4))
        #expect(mesh.carrier("0.0.0.0/0") == 3)
    }

    @Test func `after a restart a dead first choice costs a second, not its whole grace`() throws {
        var mesh = try Mesh(routes: [])
        mesh.silent = [1]
        mesh.map(pairs)
        #expect(mesh.carrier("0.0.0.0/0") == 1)
        mesh.run(for: .milliseconds(1100))
        #expect(mesh.carrier("0.0.0.0/0") == 2)
        mesh.silent = []
        mesh.run(for: .seconds(1))
        #expect(mesh.carrier("0.0.0.0/0") == 1, "it was only slow to begin with")
    }

    @Test func `members of a network back each other up by metric, without echoes for single ones`() throws {
        var mesh = try Mesh(routes: [
            "office 10.0.0.0/8 1 metric=10", "office 10.0.0.0/8 2 metric=20", "single 11.0.0.0/8 3",
        ])
        mesh.run(for: .seconds(30))
        #expect(mesh.carrier("10.0.0.0/8") == 1 && mesh.carrier("11.0.0.0/8") == 3)
        #expect(Set(mesh.echoes.map(\.peer)) == [1, 2])
        mesh.silent = [1]
        mesh.run(for: .seconds(2))
        #expect(mesh.carrier("10.0.0.0/8") == 2)
        mesh.command(.deselect(["office"]))
        let count = mesh.echoes.count
        mesh.run(for: .seconds(30))
        #expect(mesh.echoes.count == count, "nobody is watched any more")
    }

    @Test func `down stops the echoes, up begins them anew`() throws {
        var mesh = try Mesh(routes: pairs)
        mesh.run(for: .seconds(10))
        mesh.handle(.setEnabled(false))
        let count = mesh.echoes.count
        mesh.run(for: .seconds(30))
        #expect(mesh.echoes.count == count)
        #expect(mesh.core.routeChoice == RouteChoice())
        mesh.handle(.setEnabled(true))
        mesh.run(for: .seconds(5))
        #expect(mesh.echoes.count > count && mesh.carrier("0.0.0.0/0") == 1)
    }

    @Test func `a hundred gateways are asked at a bounded rate`() throws {
        var lines: [String] = []
        for net in 0..<60 {
            lines += (1...6).map { "net\(net) 10.\(net).0.0/16 \($0) metric=\($0)" }
        }
        var mesh = try Mesh(routes: lines)
        mesh.run(for: .seconds(60))
        #expect(Set(mesh.echoes.map(\.peer)) == [1, 2, 3], "the carrier and two standbys")
        #expect(mesh.echoes.count < 60 * 7)
    }
}

extension Mesh {
    /// Counters of peers that send nothing back.
    fileprivate mutating func observe(step: Int) {
        let seen = PeerObservation(
            endpoint: nil,
            latestHandshakeSeconds: 1,
            receivedBytes: 5000,
            sentBytes: 5000 + UInt64(step) * 100
        )
        handle(.observed([RouteWorld.peer(1): seen, RouteWorld.peer(2): seen]))
    }
}
