import MeshModel
import NetlinkWire

/// The options of the verbs for the agent.
struct AgentOptions {
    private(set) var socket: String?
    private(set) var instance: String?
    /// Name of the link that `down` removes when no agent runs.
    private(set) var interface = "wgm0"
    private(set) var isJSON = false

    /// `--name value`, `--name=value`, and flags.
    ///
    /// - Parameter names: the options that the verb has.
    /// - Throws: `CommandFailure` (`usage`) for anything else, and for a value that cannot be.
    init(_ arguments: [String], allowing names: Set<String>) throws(CommandFailure) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard names.contains(parts[0]) else {
                throw CommandFailure(.usage, "there is no '\(argument)' here; see --help")
            }
            if parts[0] == "--json" {
                guard parts.count == 1 else { throw CommandFailure(.usage, "--json takes no value") }
                isJSON = true
                continue
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw CommandFailure(.usage, "\(argument) needs a value")
            }
            switch parts[0] {
            case "--socket": socket = value
            case "--instance": instance = value
            case "--interface": interface = value
            default: preconditionFailure("the option \(parts[0]) is allowed and not read")
            }
        }
        if let name = instanceName, !Self.isValid(instance: name) {
            let rule = "an instance name has 1 to 64 letters, digits, dots, dashes and underscores"
            throw CommandFailure(.usage, "\(rule); '\(name)' is none")
        }
        guard isValidLinkName(interface) else { throw CommandFailure(.usage, "'\(interface)' is no name for a link") }
    }

    var instanceName: String? { instance ?? environment("WGMESH_INSTANCE") }

    var socketPath: String {
        socket ?? environment("WGMESH_SOCKET") ?? "/run/wgmesh/\(instanceName ?? "agent").sock"
    }

    private static func isValid(instance name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".")
            && name.utf8.allSatisfy(isNameCharacter)
    }
}

/// - Returns: `nil` also for an empty variable, which is how a unit file unsets one.
func environment(_ name: String) -> String? {
    guard let value = environmentValue(name), !value.isEmpty else { return nil }
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
