import MeshModel
import Routing
import Testing

@testable import AgentCore

/// The truth table of spec/agent/route-selection.md 5, row by row.
@Suite struct RouteTruthTableTests {
    private let both = ["A 0.0.0.0/0 1", "B 0.0.0.0/0 2"]
    private let pairAndB = [
        "exitA 0.0.0.0/0 1 skip", "exitA-v6 ::/0 1 skip", "exitB 0.0.0.0/0 2 skip", "lan 10.0.0.0/8 3",
    ]

    @Test func `row 1: an exit node that the control plane asks for is used`() {
        #expect(world("A 0.0.0.0/0 1").active == ["A+4"])
    }

    @Test func `row 2: one that it does not ask for is not`() {
        #expect(world("A 0.0.0.0/0 1 skip").active == [])
    }

    @Test func `row 3: of several the first by name, and the LAN beside it`() {
        let world = world("C 0.0.0.0/0 3", "B 0.0.0.0/0 2", "A 0.0.0.0/0 1", "lan 10.0.0.0/8 4")
        #expect(world.active == ["A+4", "lan"])
    }

    @Test func `row 4: none of several that nobody asks for`() {
        #expect(world("A 0.0.0.0/0 1 skip", "B 0.0.0.0/0 2 skip").active == [])
    }

    @Test func `row 5: the user's choice goes before the automatic one`() {
        var world = world(both)
        world.command(.select(["B"], append: false))
        #expect(world.active == ["B+4"])
        world.map(both)
        #expect(world.active == ["B+4"])
    }

    @Test func `row 6: both deselected, none is used`() {
        var world = world(both)
        world.command(.deselect(["A", "B"]))
        #expect(world.active == [])
        world.map(both)
        #expect(world.active == [])
    }

    @Test func `row 7: the one in use deselected, none is used`() {
        var world = world(both)
        world.command(.deselect(["A"]))
        world.map(both)
        #expect(world.active == [])
        #expect(world.intent.exit == .off)
    }

    @Test func `row 8: the user's choice needs nobody's asking`() {
        var world = world("A 0.0.0.0/0 1 skip")
        world.command(.select(["A"], append: false))
        world.map("A 0.0.0.0/0 1 skip")
        #expect(world.active == ["A+4"])
    }

    @Test func `row 9: after deselect all a map brings nothing back`() {
        var world = world("A 0.0.0.0/0 1")
        world.command(.deselectAll)
        world.map("A 0.0.0.0/0 1")
        #expect(world.active == [])
    }

    @Test func `row 10: select all forgets the choice at once`() {
        var world = world(both + ["lan 10.0.0.0/8 3"])
        world.command(.select(["B"], append: false))
        #expect(world.active == ["B+4"])
        world.command(.selectAll)
        #expect(world.active == ["A+4", "lan"])
    }

    @Test func `rows 11 to 13: exit nodes replace each other, networks come along`() {
        var world = world(pairAndB)
        world.command(.select(["exitA"], append: true))
        #expect(world.active == ["exitA+46", "lan"])
        world.command(.select(["exitB"], append: true))
        #expect(world.active == ["exitB+4", "lan"])
        world.command(.select(["lan"], append: true))
        #expect(world.active == ["exitB+4", "lan"])
    }

    @Test func `row 14: an unknown name is told and the rest is done at once`() {
        var world = world(pairAndB)
        #expect(world.command(.select(["missing", "exitB"], append: false)) == ["missing"])
        #expect(world.active == ["exitB+4"])
    }

    @Test func `row 15: the IPv6 half alone means the pair, and goes with it`() throws {
        let lines = ["A 0.0.0.0/0 1 skip", "A-v6 ::/0 1 skip"]
        var world = world(lines)
        world.command(.select(["A-v6"], append: true))
        #expect(world.active == ["A+46"])
        world.command(.deselect(["A"]))
        #expect(world.active == [])
        // The half stood alone when it was chosen; now it is a half.
        world = self.world("A-v6 ::/0 1 skip")
        world.command(.select(["A-v6"], append: true))
        #expect(world.active == ["A-v6+6"])
        world.map(lines)
        #expect(world.active == ["A+46"])
        world.command(.deselect(["A-v6"]))
        #expect(world.active == [])
    }

    @Test func `row 16: what replaces the selection switches the known off, not the new`() {
        var world = world("lan 10.0.0.0/8 1", "lan2 11.0.0.0/8 1")
        world.command(.select(["lan"], append: false))
        #expect(world.active == ["lan"])
        world.map("lan 10.0.0.0/8 1", "lan2 11.0.0.0/8 1", "lan3 12.0.0.0/8 1")
        #expect(world.active == ["lan", "lan3"])
    }

    @Test func `row 17: a network selected after deselect all comes alone`() {
        var world = world("lan 10.0.0.0/8 1", "A 0.0.0.0/0 2")
        world.command(.deselectAll)
        world.command(.select(["lan"], append: true))
        #expect(world.active == ["lan"])
        world.map("lan 10.0.0.0/8 1", "A 0.0.0.0/0 2", "lan3 12.0.0.0/8 1")
        #expect(world.active == ["lan"])
    }

    @Test func `row 18: two exit nodes chosen, one is used`() {
        var world = world(both)
        world.intent.exit = .use(["A", "B"])
        world.choose()
        #expect(world.active == ["A+4"])
    }

    @Test func `row 19: a choice outlives the exit node's absence, and nothing leaks meanwhile`() throws {
        var world = world(both)
        world.command(.useExit(["A"]))
        world.map("B 0.0.0.0/0 2")
        #expect(world.carrier("0.0.0.0/0") == nil && world.hasRoute("0.0.0.0/0") && world.hasRoute("::/0"))
        #expect(world.selection.exitReason == .notInMap)
        try world.restart()
        world.map(both)
        #expect(world.active == ["A+4"])
        #expect(world.carrier("0.0.0.0/0") == 1)
    }

    private func world(_ lines: String...) -> RouteWorld { world(lines) }

    private func world(_ lines: [String]) -> RouteWorld {
        var world = RouteWorld()
        world.map(lines)
        return world
    }
}

/// The surprises S1 to S10 of the same page, each with our rule.
@Suite struct RouteSurpriseTests {
    @Test func `S1: auto-apply that comes later is applied`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1 skip")
        #expect(world.active == [])
        world.map("A 0.0.0.0/0 1")
        #expect(world.active == ["A+4"])
    }

    @Test func `S2: auto-apply that is taken back is not applied`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1")
        world.map("A 0.0.0.0/0 1 skip")
        #expect(world.active == [])
    }

    @Test func `S3: when the automatic exit node is deleted, the next one takes its place`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "B 0.0.0.0/0 2")
        world.map("B 0.0.0.0/0 2")
        #expect(world.active == ["B+4"])
        world.map([])
        #expect(world.active == [])
    }

    @Test(arguments: [true, false])
    func `S4: of two exit nodes in one command the last one counts, at once`(append: Bool) {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1 skip", "B 0.0.0.0/0 2 skip", "lan 10.0.0.0/8 3")
        world.command(.select(["A", "B"], append: append))
        #expect(world.active == (append ? ["B+4", "lan"] : ["B+4"]))
    }

    @Test func `S5: an IPv4 exit node whose name ends in -v6 is one like any other`() {
        var world = RouteWorld()
        world.map("us-v6 0.0.0.0/0 1", "eu 0.0.0.0/0 2")
        #expect(world.active == ["eu+4"])
        world.command(.useExit(["us-v6"]))
        #expect(world.active == ["us-v6+4"])
        world.map("us-v6 0.0.0.0/0 1", "us 0.0.0.0/0 2", "us-v6 ::/0 2")
        #expect(world.active == ["us-v6+4"])
        world.command(.useExit(["us"]))
        #expect(world.active == ["us+46"])
    }

    @Test func `S6: the first map with two automatic pairs uses one pair`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "A-v6 ::/0 1", "B 0.0.0.0/0 2", "B-v6 ::/0 2")
        #expect(world.active == ["A+46"])
        #expect(world.carrier("0.0.0.0/0") == 1 && world.carrier("::/0") == 1)
    }

    @Test func `S7: the IPv4 half decides whether the pair is automatic`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1 skip", "A-v6 ::/0 1")
        #expect(world.active == [])
        world.map("A 0.0.0.0/0 1", "A-v6 ::/0 1 skip")
        #expect(world.active == ["A+46"])
    }

    @Test func `S8: a pair is deselected as one`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "A-v6 ::/0 1")
        world.command(.deselect(["A"]))
        #expect(world.active == [] && !world.hasRoute("::/0"))
    }

    @Test func `S9: the valid part of a command is in force although a part is not`() {
        var world = RouteWorld()
        world.map("lan 10.0.0.0/8 1", "lan2 11.0.0.0/8 1")
        #expect(world.command(.deselect(["nothing", "lan"])) == ["nothing"])
        #expect(world.active == ["lan2"])
        let before = world.intent
        #expect(world.command(.select(["nothing"], append: false)) == ["nothing"])
        #expect(world.command(.useExit(["lan"])) == ["lan"])
        #expect(world.intent == before)
    }

    @Test func `S10: exit nodes back each other up, in the user's order or automatically`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "A-v6 ::/0 1", "B 0.0.0.0/0 2", "B-v6 ::/0 2", "C 0.0.0.0/0 3 skip")
        world.set(1, .silent)
        #expect(world.active == ["B+46"])
        #expect(world.selection.exitReason == .standby(for: "A"))
        world.command(.useExit(["C", "A"]))
        #expect(world.active == ["C+4"])
        world.set(3, .dead)
        world.set(1, .usable)
        #expect(world.active == ["A+46"])
    }

    @Test func `S10: a gateway that is drained gives way to any that works, and carries on where there is none`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "B 0.0.0.0/0 2", "lan 10.0.0.0/8 1", "lan 10.0.0.0/8 2 metric=9998")
        world.set(1, .draining)
        #expect(world.active == ["B+4", "lan"] && world.carrier("0.0.0.0/0") == 2)
        #expect(world.selection.exitReason == .relief(for: "A"))
        world.set(2, .recovering)
        #expect(world.carrier("0.0.0.0/0") == 2 && world.carrier("10.0.0.0/8") == 2)
        world.set(2, .draining)
        #expect(world.active == ["A+4", "lan"] && world.carrier("0.0.0.0/0") == 1)
        world.set(1, .silent)
        #expect(world.carrier("0.0.0.0/0") == 2)
        world.set(2, .dead)
        #expect(world.carrier("0.0.0.0/0") == 1)
    }

    @Test func `S10: whoever names one exit node gets no other, and nothing leaks when it dies`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "B 0.0.0.0/0 2")
        world.command(.useExit(["A"]))
        world.set(1, .dead)
        #expect(world.active == ["A+4"])
        #expect(world.carrier("0.0.0.0/0") == nil && world.hasRoute("0.0.0.0/0"))
        world.policy = .open
        world.choose()
        #expect(world.active == [] && !world.hasRoute("0.0.0.0/0"))
        #expect(world.selection.exitReason == .noneWorks)
    }
}
