import MeshModel

/// Which agent of this host is meant.
struct AgentOptions {
    let socketPath: String
    /// `nil`: the first, which has no name.
    let instanceName: String?

    /// Takes `--socket` and `--instance` out of the arguments; what they leave open is in the environment.
    ///
    /// - Throws: `CommandFailure` (`usage`) for what cannot be the name of an instance.
    init(_ invocation: inout Invocation) throws(CommandFailure) {
        let socket = invocation.take(option: "--socket") ?? nonEmptyEnvironmentValue("WGMESH_SOCKET")
        instanceName = invocation.take(option: "--instance") ?? nonEmptyEnvironmentValue("WGMESH_INSTANCE")
        socketPath = socket ?? "/run/wgmesh/\(instanceName ?? "agent").sock"
        guard let instanceName else { return }
        let isValid =
            (1...64).contains(instanceName.utf8.count) && instanceName.utf8.first != UInt8(ascii: ".")
            && instanceName.utf8.allSatisfy(isNameCharacter)
        guard isValid else {
            let rule = "an instance name has 1 to 64 letters, digits, dots, dashes and underscores"
            throw CommandFailure(.usage, rule)
        }
    }
}

/// - Returns: `nil` also for an empty variable, which is how a unit file unsets one.
private func nonEmptyEnvironmentValue(_ name: String) -> String? {
    environmentValue(name).flatMap { $0.isEmpty ? nil : $0 }
}

private func isNameCharacter(_ character: UInt8) -> Bool {
    switch character {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}
