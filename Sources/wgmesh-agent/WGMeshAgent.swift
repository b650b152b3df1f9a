import Agent
import ArgumentParser
import CommandLineSupport

struct WGMeshAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wgmesh-agent",
        abstract: "Joins this host to a WireGuard mesh and keeps the kernel in step with it.",
        discussion: "Every option is also an environment variable, such as WGMESH_MANAGEMENT_URL; the option wins.",
        version: programVersion,
        subcommands: [Run.self, Logout.self]
    )
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join the mesh and stay; SIGTERM leaves the tunnel up, `wgctl down` takes it down.",
        discussion: """
            Ends with 4 if it is not registered, 10 if not root, 11 without WireGuard in the kernel, 12 if the port is \
            taken, 13 if its state is damaged, 15 if the setup key is refused, 16 if another agent runs, 17 if the \
            interface name is taken. Later these are shown by `wgctl status` and tried again.
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var tunnel: TunnelOptions

    func run() async throws {
        var flags = connection.flags
        tunnel.set(&flags)
        try await reportingFailures { () async throws(AgentFailure) in try await AgentProgram.run(flags: flags) }
    }
}

struct Logout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove this agent from the mesh; stop `wgmesh-agent run` first."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let flags = connection.flags
        try await reportingFailures { () async throws(AgentFailure) in try await AgentProgram.logout(flags: flags) }
        print("logged out; `wgctl down` removes the tunnel")
    }
}

/// Who we are and whom we ask.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "Management server, http://HOST:PORT or https://HOST[:PORT].")
    var managementURL: String?
    @Option(help: "Where identity and wishes are kept (default: /var/lib/wgmesh[/INSTANCE]).")
    var stateDir: String?
    @Option(help: "Name of a further agent on this host: its own link mark, state and socket.")
    var instance: String?
    @Option(help: "Name under which to join (default: this host's).")
    var hostname: String?
    @Option(help: "trace, debug, info, notice, warning or error (default: info).")
    var logLevel: String?

    var flags: AgentFlags {
        var flags = AgentFlags()
        flags.managementURL = managementURL
        flags.stateDirectory = stateDir
        flags.instance = instance
        flags.hostname = hostname
        flags.logLevel = logLevel
        return flags
    }
}

/// How to join, and what the tunnel looks like.
struct TunnelOptions: ParsableArguments {
    @Option(help: "Joins a new agent. Visible to other users of this host: prefer the file.")
    var setupKey: String?
    @Option(help: "File that holds the setup key.")
    var setupKeyFile: String?
    @Option(help: "Name of the WireGuard interface (default: wgm0).")
    var interface: String?
    @Option(help: "WireGuard's UDP port, 0: any (default: 51820).")
    var listenPort: String?
    @Option(help: "Socket for wgctl (default: /run/wgmesh/agent.sock or /run/wgmesh/INSTANCE.sock).")
    var socket: String?
    @Option(help: "MTU in bytes unless the server names one (default: 1280).")
    var mtu: String?
    @Option(help: "Mark on WireGuard's own packets and the agent's sockets (default: 0x7946; differs by instance).")
    var fwmark: String?
    @Option(
        help: "When no gateway of the exit node works, its traffic is held back (closed, the default) or not (open)."
    )
    var exitFailure: String?
    @Option(help: "Routing table for the map's routes (default: 7946; differs by instance).")
    var routeTable: String?
    @Option(help: "Priority of the first of three routing rules (default: 7946; differs by instance).")
    var rulePriority: String?
    @Option(help: "What clients reach through us as an exit node: internet, or all that we reach (default: internet).")
    var exitScope: String?
    @Option(help: "As a gateway: the networks of our own links are open or closed to the mesh (default: open).")
    var localNetworks: String?
    @Option(help: "Interfaces whose addresses peers are not told: beginnings of names, such as ppp,eth1.")
    var interfaceBlocklist: String?
    @Option(
        name: .customLong("external-ip-map"),
        help: "What a 1:1 translator shows for our addresses: OUTSIDE[/INSIDE],..., INSIDE an address or interface."
    )
    var externalIPMap: String?
    @Option(help: "Peers without traffic sleep: auto (as the server says, the default), on or off.")
    var lazyConnections: String?
    @Option(help: "Seconds without traffic until a peer sleeps, at least 60 (default: 900).")
    var lazyInactivity: String?

    func set(_ flags: inout AgentFlags) {
        flags.setupKey = setupKey
        flags.setupKeyFile = setupKeyFile
        flags.interface = interface
        flags.listenPort = listenPort
        flags.socket = socket
        flags.mtuBytes = mtu
        flags.fwmark = fwmark
        flags.exitFailure = exitFailure
        flags.routeTable = routeTable
        flags.rulePriority = rulePriority
        flags.exitScope = exitScope
        flags.localNetworks = localNetworks
        flags.interfaceBlocklist = interfaceBlocklist
        flags.externalIPMap = externalIPMap
        flags.lazyConnections = lazyConnections
        flags.lazyInactivity = lazyInactivity
    }
}

private func reportingFailures(_ body: () async throws(AgentFailure) -> Void) async throws(CommandFailure) {
    do {
        try await body()
    } catch {
        throw CommandFailure(error.status, error.description)
    }
}
