import ArgumentParser

struct WGCtl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wgctl",
        abstract: "Shows and controls the mesh on this host.",
        subcommands: [Show.self, Status.self, Up.self, Down.self]
    )
}
