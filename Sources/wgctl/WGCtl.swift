import ArgumentParser

/// The verbs that talk to the agent; those of `verbs` come before them.
struct WGCtl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wgctl",
        abstract: "Shows and controls the mesh on this host.",
        subcommands: [Status.self, Up.self, Down.self]
    )
}
