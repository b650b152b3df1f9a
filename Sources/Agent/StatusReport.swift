package import AgentCore
package import MeshModel

/// Everything `wgctl status` shows, and how: a snapshot, formatted without clock or system calls.
package struct StatusReport: Sendable {
    package var core: AgentStatus
    package var management: ServerAddress
    /// `nil` until the control plane has named it.
    package var signalServer: ServerAddress?
    /// Why the agent has no valid registration; `nil`: it has one, or has not asked yet.
    package var registrationProblem: String?
    /// Why the kernel does not hold what it should; `nil`: it does.
    package var kernelProblem: String?
    /// Why the stored wish for routes could not be read; `nil`: it could.
    package var routeProblem: String?
    package var repairs: Repairs
    /// `nil`: this host forwards nothing for the mesh.
    package var serving: Serving?
    /// Version of this program.
    package var version: String
    /// Seconds since 1970, for "ago" texts.
    package var nowSeconds: Int64

    /// What other programs took away and we put back, since the start.
    package struct Repairs: Hashable, Sendable {
        package var total: Int
        /// Seconds since 1970; `nil`: there was none.
        package var lastAtSeconds: Int64?
        /// As commands.
        package var lastChanges: [String]
        /// Another program undoes them again and again.
        package var isFight: Bool

        package init(total: Int = 0, lastAtSeconds: Int64? = nil, lastChanges: [String] = [], isFight: Bool = false) {
            self.total = total
            self.lastAtSeconds = lastAtSeconds
            self.lastChanges = lastChanges
            self.isFight = isFight
        }
    }

    /// What this host forwards to, and which of it cannot be reached from here.
    package struct Serving: Hashable, Sendable {
        package var networks: Int
        package var problems: [String]
        /// Clients are asked to go elsewhere.
        package var isDraining: Bool

        package init(networks: Int, problems: [String], isDraining: Bool = false) {
            self.networks = networks
            self.problems = problems
            self.isDraining = isDraining
        }
    }

    package init(
        core: AgentStatus,
        management: ServerAddress,
        signalServer: ServerAddress?,
        registrationProblem: String?,
        kernelProblem: String?,
        repairs: Repairs = Repairs(),
        version: String,
        nowSeconds: Int64
    ) {
        self.core = core
        self.management = management
        self.signalServer = signalServer
        self.registrationProblem = registrationProblem
        self.kernelProblem = kernelProblem
        self.repairs = repairs
        self.version = version
        self.nowSeconds = nowSeconds
    }

    /// `.notLoggedIn`, `.degraded` while something is missing, else `.success`. A tunnel that is down by wish is no fault.
    package var exitStatus: ExitStatus {
        if registrationProblem != nil { return .notLoggedIn }
        return problems.isEmpty ? .success : .degraded
    }

    /// What is not as it should be, one line each, most fundamental first.
    package var problems: [String] {
        if let registrationProblem { return ["not logged in: \(registrationProblem)"] }
        var lines: [String] = []
        if let kernelProblem { lines.append("kernel: \(kernelProblem)") }
        if let routeProblem { lines.append("routes: \(routeProblem)") }
        lines += (serving?.problems ?? []).map { "serving \($0)" }
        if repairs.isFight {
            let change = repairs.lastChanges.first ?? "-"
            lines.append("kernel: another program keeps undoing what the agent sets, last: \(change) (wgctl history)")
        }
        guard core.isEnabled else { return lines }
        if core.management != .connected { lines.append("management: \(word(core.management))") }
        if core.signalServer != .connected { lines.append("signal: \(word(core.signalServer))") }
        if let seconds = core.mapStoredSeconds { lines.append("map: stale since \(timeText(seconds)) (stored)") }
        for peer in core.peers where !peer.isConnected && peer.path != .sleeping {
            lines.append("peer \(peer.fqdn): no path" + (peer.lastError.map { " (\($0))" } ?? ""))
        }
        lines += RouteReport(routes: core.routes).problemLines
        return lines
    }

    /// One of NetBird's words: `Idle`, `Connecting`, `Connected`, `NeedsLogin`. Source: spec/agent/cli-and-status.md 2.3.
    var daemonStatus: String {
        if registrationProblem != nil { return "NeedsLogin" }
        guard core.isEnabled else { return "Idle" }
        return core.management == .connected && core.signalServer == .connected ? "Connected" : "Connecting"
    }

    var connectedPeers: Int { core.peers.count(where: \.isConnected) }
}

extension PeerStatus {
    /// Whether traffic has a way to this peer.
    var isConnected: Bool {
        switch path {
        case .direct, .relayed, .kernelSession: true
        case .idle, .sleeping, .connecting: false
        }
    }

    /// NetBird's words. Source: spec/agent/cli-and-status.md 2.2.
    var connectionType: String {
        switch path {
        case .direct, .kernelSession: "P2P"
        case .relayed: "Relayed"
        case .idle, .sleeping, .connecting: "-"
        }
    }

    /// URL; empty unless the traffic goes over a relay.
    var relayServer: String {
        if case .relayed(let server) = path { server } else { "" }
    }

    var statusWord: String {
        switch path {
        case .idle, .sleeping: "Idle"
        case .connecting: "Connecting"
        case .direct, .relayed, .kernelSession: "Connected"
        }
    }
}

func word(_ state: ConnectionState) -> String {
    switch state {
    case .connected: "Connected"
    case .connecting: "Connecting"
    case .disconnected(let reason): reason.isEmpty ? "Disconnected" : "Disconnected, reason: \(reason)"
    }
}
