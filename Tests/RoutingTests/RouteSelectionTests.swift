import MeshModel
import Routing
import Testing

struct RouteSelectionTests {
    private let start = ContinuousClock.now

    @Test func `the lowest metric wins, then the lowest key, whatever the order`() throws {
        let members = [try gateway(3, metric: 9), try gateway(2, metric: 5), try gateway(1, metric: 5)]
        for order in [members, members.reversed(), [members[1], members[2], members[0]]] {
            #expect(winner(of: order)?.peer == members[2].peer)
        }
        #expect(winner(of: []) == nil)
    }

    @Test func `a gateway that works goes before any metric, a dead one comes last`() throws {
        let standings: [GatewayCandidate.Standing] = [.dead, .silent, .recovering, .usable]
        let members = try standings.enumerated().map { index, standing in
            try gateway(UInt8(index + 1), metric: index, standing: standing)
        }
        for count in 1...4 {
            #expect(winner(of: Array(members.prefix(count)))?.standing == standings[count - 1])
        }
    }

    @Test func `the incumbent stays against an equal and leaves at once for a better metric`() throws {
        let (a, b) = (try gateway(1, metric: 5), try gateway(2, metric: 5))
        #expect(winner(of: [a, b], incumbent: b.peer)?.peer == b.peer)
        #expect(winner(of: [try gateway(1, metric: 4), b], incumbent: b.peer)?.peer == a.peer)
        #expect(winner(of: [a, try gateway(2, metric: 5, standing: .silent)], incumbent: b.peer)?.peer == a.peer)
    }

    @Test func `a clearly nearer gateway takes over after the dwell time, a hardly nearer one never`() throws {
        let near = try gateway(1, metric: 5, cost: .milliseconds(10))
        let far = try gateway(2, metric: 5, cost: .milliseconds(60))
        let first = select(among: [near, far], incumbent: far.peer, challenge: nil, at: start)
        #expect(first.winner == far)
        #expect(first.challenge?.deadline == start + GatewayChallenge.dwellTime)
        let early = select(
            among: [near, far],
            incumbent: far.peer,
            challenge: first.challenge,
            at: start + .seconds(29)
        )
        #expect(early.winner == far && early.challenge == first.challenge)
        let late = select(
            among: [near, far],
            incumbent: far.peer,
            challenge: first.challenge,
            at: start + .seconds(30)
        )
        #expect(late.winner == near && late.challenge == nil)

        let hardly = try gateway(1, metric: 5, cost: .milliseconds(40))
        let never = select(
            among: [hardly, far],
            incumbent: far.peer,
            challenge: first.challenge,
            at: start + .seconds(99)
        )
        #expect(never.winner == far && never.challenge == nil)
    }

    @Test func `a challenge that was interrupted, or that is another one's, begins anew`() throws {
        let (near, far) = (
            try gateway(1, metric: 5, cost: .milliseconds(10)), try gateway(2, metric: 5, cost: .milliseconds(60))
        )
        let other = GatewayChallenge(challenger: try gateway(3, metric: 5).peer, since: start)
        let result = select(among: [near, far], incumbent: far.peer, challenge: other, at: start + .seconds(31))
        #expect(result.winner == far)
        #expect(result.challenge == GatewayChallenge(challenger: near.peer, since: start + .seconds(31)))
        let unmeasured = try gateway(2, metric: 5)
        #expect(winner(of: [near, unmeasured], incumbent: unmeasured.peer) == unmeasured)
    }

    private func winner(of members: [GatewayCandidate], incumbent: PublicKey? = nil) -> GatewayCandidate? {
        select(among: members, incumbent: incumbent, challenge: nil, at: start).winner
    }

    private func gateway(
        _ byte: UInt8,
        metric: Int,
        standing: GatewayCandidate.Standing = .usable,
        cost: Duration? = nil
    ) throws -> GatewayCandidate {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: byte, count: 32)))
        return GatewayCandidate(peer: key, metric: metric, standing: standing, cost: cost)
    }
}
