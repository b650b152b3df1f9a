import ArgumentParser
import Glibc

/// Which agent of this host is meant.
struct AgentOptions: ParsableArguments {
    @Option(
        help: "The agent's socket (default: WGMESH_SOCKET, then /run/wgmesh/agent.sock or /run/wgmesh/INSTANCE.sock)."
    )
    var socket: String?
    @Option(help: "Name of a further agent on this host (default: WGMESH_INSTANCE).")
    var instance: String?

    var instanceName: String? { instance ?? environment("WGMESH_INSTANCE") }

    var socketPath: String {
        socket ?? environment("WGMESH_SOCKET") ?? "/run/wgmesh/\(instanceName ?? "agent").sock"
    }

    func validate() throws {
        guard let name = instanceName else { return }
        let isValid =
            (1...64).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".")
            && name.utf8.allSatisfy(isNameCharacter)
        guard isValid else {
            throw ValidationError("an instance name has 1 to 64 letters, digits, dots, dashes and underscores")
        }
    }
}

/// - Returns: `nil` also for an empty variable, which is how a unit file unsets one.
func environment(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}

private func isNameCharacter(_ character: UInt8) -> Bool {
    switch character {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}
