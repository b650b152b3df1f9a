import Glibc
import Logging
import MeshModel
import NIOCore
import NetlinkSocket
import NetlinkWire
import Routing
import ServiceLifecycle
import UnixSignals

/// The program from its settings to its end: what `wgmesh-agent` does between the command line and the exit status.
package enum AgentProgram {
    /// Validates the settings, then runs until SIGTERM or SIGINT, which leave the tunnel up.
    ///
    /// - Throws: `AgentFailure`: every reason to end has its own status and line.
    package static func run(flags: AgentFlags) async throws(AgentFailure) {
        useFewThreads()
        ProgramPages.avoidHugePages()
        try requireRoot()
        let configuration = try configuration(flags)
        let logger = logger(configuration)
        let transport = try openNetlink()
        let state = try StateDirectory(path: configuration.stateDirectory)
        let identity = try Identity.loadOrCreate(in: state)
        let isEnabled = try TunnelWish.isEnabled(in: state)
        let isDraining = try DrainWish.isDraining(in: state)
        let routes = RouteIntentFile.load(from: state)
        let journal = SettingsJournal.load(from: state, logger: logger)
        try await Preflight.check(configuration, transport: transport)
        let statusServer = try await StatusServer.bind(path: configuration.socketPath)

        logger.info(
            "wgmesh-agent \(programVersion) starts",
            metadata: [
                "management": "\(configuration.management)", "interface": "\(configuration.interfaceName)",
                "publicKey": "\(identity.publicKey)",
            ]
        )
        if let problem = routes.problem { logger.error("routes", metadata: ["reason": "\(problem)"]) }
        let agent = Agent(
            configuration: configuration,
            identity: identity,
            state: state,
            stored: StoredState(
                in: state,
                identity: identity.publicKey,
                management: configuration.management,
                logger: logger
            ),
            isEnabled: isEnabled,
            isDraining: isDraining,
            routes: routes,
            transport: transport,
            journal: journal,
            logger: logger
        )
        let service = AgentService(agent: agent, events: try monitorEvents(), statusServer: statusServer)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: service)],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        do {
            try await group.run()
        } catch let failure as AgentFailure {
            throw failure
        } catch {
            throw AgentFailure(.failure, "\(error)")
        }
        logger.info("wgmesh-agent ends; the tunnel stays as it is")
    }

    /// Asks the management server to forget this agent, and forgets the mesh's map. The tunnel, if one is up, is left to `wgctl down`.
    ///
    /// - Throws: `AgentFailure`; `.notLoggedIn` if there is nothing to forget.
    package static func logout(flags: AgentFlags) async throws(AgentFailure) {
        try requireRoot()
        let configuration = try configuration(flags)
        let state = try StateDirectory(path: configuration.stateDirectory)
        guard let identity = try Identity.load(from: state) else {
            throw AgentFailure(.notLoggedIn, "\(configuration.stateDirectory) holds no identity: nothing to log out")
        }
        let management = ManagementStream(
            server: configuration.management,
            identity: identity,
            setupKey: nil,
            meta: .ofThisHost(hostname: configuration.hostname),
            sockets: ControlSockets(fwmark: configuration.marks.fwmark),
            logger: logger(configuration),
            readyToSync: {}
        )
        do throws(AgentFailure) {
            try await management.logout()
        } catch {
            // Who is not known there has no more use for its map than who has just left.
            if error.status == .notLoggedIn { try StoredState.remove(from: state) }
            throw error
        }
        try StoredState.remove(from: state)
    }

    /// Two streams to servers, a socket for `wgctl`, a file now and then and a slow resolver: more threads only cost memory. Before
    /// anything uses the pools.
    private static func useFewThreads() {
        NIOSingletons.groupLoopCountSuggestion = 1
        NIOSingletons.blockingPoolThreadCountSuggestion = 2
    }

    private static func configuration(_ flags: AgentFlags) throws(AgentFailure) -> AgentConfiguration {
        try AgentConfiguration(
            flags: flags,
            environment: environmentVariables(),
            hostname: systemHostname(),
            readFile: readSmallFile
        )
    }

    private static func requireRoot() throws(AgentFailure) {
        guard geteuid() == 0 else {
            throw AgentFailure(.notPrivileged, "must run as root (it configures the kernel's network); use sudo")
        }
    }

    private static func logger(_ configuration: AgentConfiguration) -> Logger {
        var logger = Logger(label: "wgmesh-agent") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = configuration.logLevel
        return logger
    }

    private static func openNetlink() throws(AgentFailure) -> NetlinkSocket {
        do throws(NetlinkError) {
            return try NetlinkSocket()
        } catch {
            throw AgentFailure(kernel: error, desired: nil)
        }
    }

    private static func monitorEvents() throws(AgentFailure) -> AsyncStream<NetlinkMonitor.Event> {
        do throws(NetlinkError) {
            return try NetlinkMonitor(kinds: [.link, .address, .route, .rule, .nftables, .setting]).events
        } catch {
            throw AgentFailure(kernel: error, desired: nil)
        }
    }
}

private struct AgentService: Service, CustomStringConvertible {
    let agent: Agent<NetlinkSocket>
    let events: AsyncStream<NetlinkMonitor.Event>
    let statusServer: StatusServer

    var description: String { "agent" }

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingDiscardingTaskGroup { group in
                    group.addTask {
                        try await Task.sleep(for: startDuration)
                        ProgramPages.release()
                    }
                    try await agent.run(kernelEvents: events, statusServer: statusServer)
                    group.cancelAll()
                }
            }
        } catch is CancellationError {
            // That is how a run without end ends in order.
        }
    }
}

/// After so long an agent is connected, and has found its paths or will do no more for them than it does all day.
private let startDuration: Duration = .seconds(45)

/// Those that are ours; the rest of the environment is nobody's business.
private func environmentVariables() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
        let text = String(cString: entry)
        if let equals = text.firstIndex(of: "="), text.hasPrefix("WGMESH_") {
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        next += 1
    }
    return variables
}

private func systemHostname() -> String {
    var name = utsname()
    uname(&name)
    return withUnsafeBytes(of: &name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// A setup key and its white space; anything longer is another file, given by mistake.
private let maximumSmallFileBytes = 1024

private func readSmallFile(_ path: String) throws(AgentFailure) -> String {
    guard let file = fopen(path, "re") else {
        throw AgentFailure(.setupKeyRefused, "cannot read setup key file \(path): \(errorText(errno))")
    }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: maximumSmallFileBytes + 1)
    let count = fread(&bytes, 1, bytes.count, file)
    guard ferror(file) == 0 else { throw AgentFailure(.setupKeyRefused, "cannot read \(path): \(errorText(errno))") }
    guard count <= maximumSmallFileBytes else {
        throw AgentFailure(
            .setupKeyRefused,
            "\(path) is longer than \(maximumSmallFileBytes) bytes: it is no setup key file"
        )
    }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
}
