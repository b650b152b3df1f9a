import Agent
import AgentCore
import MeshModel
import Testing

@Suite struct RouteRequestTests {
    @Test(arguments: [
        ("routes list text", RouteRequest.Action.listRoutes, false),
        ("exit list json", .listExitNodes, true),
        ("exit auto text", .change(.automaticExit), false),
        ("exit off json", .change(.noExit), true),
        ("exit use text A B%2CC", .change(.useExit(["A", "B,C"])), false),
        ("routes select text all", .change(.selectAll), false),
        ("routes select json replace all", .change(.select(["all"], append: false)), true),
        ("routes select text append a%20b json", .change(.select(["a b", "json"], append: true)), false),
        ("routes deselect text all", .change(.deselectAll), false),
        ("routes deselect text names %C3%BC", .change(.deselect(["ü"])), false),
    ])
    func `a line is read`(line: String, action: RouteRequest.Action, isJSON: Bool) throws {
        let request = try #require(RouteRequest(line: line.utf8))
        #expect(request.action == action)
        #expect(request.isJSON == isJSON)
        #expect(request.needsRoot == ![.listRoutes, .listExitNodes].contains(action))
    }

    @Test(arguments: [
        "", "routes", "routes list", "exit list yaml", "routes list text x", "exit use text", "exit use text ",
        "exit use text a%", "exit use text a%zz", "exit use text a%ff", "exit use text a,b", "exit  use text a",
        "routes select text append", "routes select text", "routes select text all x", "routes deselect text a",
        "exit auto text x", "ROUTES list text", "exit use text " + String(repeating: "x", count: 256),
    ])
    func `anything else is none`(line: String) {
        #expect(RouteRequest(line: line.utf8) == nil)
    }

    @Test func `bytes that are no text are none`() {
        #expect(RouteRequest(line: Array("routes list text".utf8) + [0xff]) == nil)
    }
}
