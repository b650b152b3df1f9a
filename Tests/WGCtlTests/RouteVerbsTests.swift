import MeshModel
import Testing

@testable import wgctl

struct RouteVerbsTests {
    @Test(arguments: [
        ([], "routes list text"), (["list", "--json"], "routes list json"),
        (["select", "a b", "c"], "routes select text replace a%20b c"),
        (["select", "-a", "ü"], "routes select text append %C3%BC"),
        (["select", "--append", "--json", "x"], "routes select json append x"),
        (["select", "all"], "routes select text all"), (["select", "all", "b"], "routes select text replace all b"),
        (["deselect", "all"], "routes deselect text all"), (["deselect", "x"], "routes deselect text names x"),
    ])
    func `routes becomes a line`(arguments: [String], line: String) {
        var invocation = Invocation(program: "wgctl", verb: "routes", arguments: arguments)
        #expect(routesRequest(&invocation) == line)
    }

    @Test(arguments: [
        ([], "exit list text"), (["use", "A,B"], "exit use text A B"), (["use", "A", "B"], "exit use text A B"),
        (["use", #"A\,B,C\\"#], "exit use text A%2CB C%5C"), (["auto"], "exit auto text"),
        (["off", "--json"], "exit off json"),
    ])
    func `exit becomes a line`(arguments: [String], line: String) {
        var invocation = Invocation(program: "wgctl", verb: "exit", arguments: arguments)
        #expect(exitRequest(&invocation) == line)
    }

    @Test(arguments: [
        ["bogus"], ["list", "x"], ["select"], ["select", ""], ["deselect"], ["select", "-a", "all"],
        ["deselect", "-a", "x"],
        ["-a"],
    ])
    func `bad usage of routes is none`(arguments: [String]) {
        var invocation = Invocation(program: "wgctl", verb: "routes", arguments: arguments)
        #expect(routesRequest(&invocation) == nil)
    }

    @Test(arguments: [["use"], ["use", ""], ["use", "A,"], ["use", ",A"], ["auto", "A"], ["off", "now"], ["A"]])
    func `bad usage of exit is none`(arguments: [String]) {
        var invocation = Invocation(program: "wgctl", verb: "exit", arguments: arguments)
        #expect(exitRequest(&invocation) == nil)
    }
}
