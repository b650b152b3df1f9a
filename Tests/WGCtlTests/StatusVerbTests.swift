import MeshModel
import Testing

@testable import wgctl

struct StatusVerbTests {
    @Test(arguments: [
        ([], "status text"), (["--json"], "status json"), (["b.mesh"], "peer show text b.mesh"),
        (["--why", "a/b="], "peer why text a%2Fb%3D"), (["fd00::2", "--json", "--why"], "peer why json fd00%3A%3A2"),
    ])
    func `status becomes a line`(arguments: [String], line: String) throws {
        var invocation = Invocation(program: "wgctl", verb: "status", arguments: arguments)
        #expect(try statusRequest(&invocation) == line)
    }

    @Test(arguments: [
        (["--why"], "--why explains the way to one peer: name it"), (["a", "b"], "unknown argument 'b'"),
        (["--bogus"], "unknown argument '--bogus'"), ([""], "a peer is named by a name"),
        ([String(repeating: "x", count: 256)], "a peer is named by a name"),
    ])
    func `bad usage says what is wrong`(arguments: [String], text: String) {
        var invocation = Invocation(program: "wgctl", verb: "status", arguments: arguments)
        let failure = #expect(throws: CommandFailure.self) { try statusRequest(&invocation) }
        #expect(failure?.status == .usage)
        #expect(failure?.description.hasPrefix(text) == true)
    }
}
