package import AgentCore
import Glibc
package import Logging
import MeshModel
package import Routing

/// Everything the user may set, as given on the command line; `nil`: not given there.
package struct AgentFlags: Sendable {
    package var managementURL: String?
    package var setupKey: String?
    package var setupKeyFile: String?
    package var interface: String?
    package var listenPort: String?
    package var stateDirectory: String?
    package var socket: String?
    package var instance: String?
    package var hostname: String?
    package var mtuBytes: String?
    package var fwmark: String?
    package var routeTable: String?
    package var rulePriority: String?
    package var exitScope: String?
    package var localNetworks: String?
    package var logLevel: String?
    package var exitFailure: String?
    package var interfaceBlocklist: String?
    package var externalIPMap: String?
    package var lazyConnections: String?
    package var lazyInactivity: String?

    package init() {}
}

/// What the agent runs with: command line before environment (`WGMESH_*`) before defaults, validated once.
package struct AgentConfiguration: Sendable {
    package var management: ServerAddress
    /// `nil`: none given; an agent that is registered needs none. So a key file that is gone or unreadable is a failure
    /// only once the key is needed: it must not keep a registered host out of its mesh after a reboot.
    package var setupKey: Result<SetupKey, AgentFailure>?
    package var interfaceName: String
    /// What our objects in the kernel bear, and where our routes and rules stand.
    package var marks: OwnerMarks
    /// UDP; 0 lets the kernel choose.
    package var listenPort: UInt16
    package var stateDirectory: String
    package var socketPath: String
    package var hostname: String
    package var mtuBytes: UInt32
    /// As a gateway; see `AgentCore.Configuration`.
    package var exitReachesPrivateNetworks: Bool
    package var blocksLocalNetworks: Bool
    package var logLevel: Logger.Level
    /// What happens to an exit node's traffic when none of its gateways works.
    package var exitFailure: ExitFailurePolicy
    /// Beginnings of names of links that peers are never told the addresses of, besides those that nobody is told.
    package var interfaceBlocklist: [String]
    package var externalAddresses: ExternalAddressMap
    package var lazy: LazyPolicy

    /// 1280: fits every path that carries IPv6, tunnels inside tunnels included; NetBird's default too.
    package static let defaultMTUBytes: UInt32 = 1280
    /// WireGuard's customary port.
    package static let defaultListenPort: UInt16 = 51820
    package static let defaultInterface = "wgm0"
    package static let stateRoot = "/var/lib/wgmesh"
    package static let runRoot = "/run/wgmesh"

    /// - Parameters:
    ///   - environment: the process's; only `WGMESH_*` names are read.
    ///   - hostname: the operating system's name of this host.
    ///   - readFile: the text of a small file, or the reason why not.
    /// - Throws: `AgentFailure` with `.usage`, naming the setting and its source.
    package init(
        flags: AgentFlags,
        environment: [String: String],
        hostname: String,
        readFile: (String) throws(AgentFailure) -> String
    ) throws(AgentFailure) {
        let settings = Settings(environment: environment)
        let instance = try settings.instance(flags.instance)
        guard let url = settings.text(flags.managementURL, "management-url") else {
            throw AgentFailure(.usage, "no management URL: give --management-url or WGMESH_MANAGEMENT_URL")
        }
        management = try url.parsed("http://HOST:PORT or https://HOST[:PORT]", ServerAddress.init(url:))
        setupKey = try settings.setupKey(flags: flags, readFile: readFile)
        interfaceName = try settings.interfaceName(flags.interface)
        marks = OwnerMarks(instance: instance)
        listenPort =
            try settings.text(flags.listenPort, "listen-port")?.parsed("a UDP port, 0 to 65535", portNumber)
            ?? Self.defaultListenPort
        stateDirectory =
            try settings.text(flags.stateDirectory, "state-dir")?.parsed("an absolute path", absolutePath)
            ?? Self.stateRoot + (instance.map { "/\($0)" } ?? "")
        socketPath =
            try settings.text(flags.socket, "socket")?.parsed("an absolute path of at most 107 bytes", socketPathText)
            ?? "\(Self.runRoot)/\(instance ?? "agent").sock"
        self.hostname =
            try settings.text(flags.hostname, "hostname")?.parsed("1 to 253 bytes without spaces", hostnameText)
            ?? hostname
        mtuBytes =
            try settings.text(flags.mtuBytes, "mtu")?.parsed("a number from 1280 to 9000", mtuNumber)
            ?? Self.defaultMTUBytes
        if let fwmark = settings.text(flags.fwmark, "fwmark") {
            marks.fwmark = try fwmark.parsed("0x1 to 0xffffffff, or decimal", markNumber)
        }
        if let table = settings.text(flags.routeTable, "route-table") {
            marks.table = try table.parsed("a table number, 1 to 4294967295, other than 253 to 255", tableNumber)
        }
        if let priority = settings.text(flags.rulePriority, "rule-priority") {
            marks.rulePriority = try priority.parsed("a priority, 1 to 32763", priorityNumber)
        }
        exitReachesPrivateNetworks =
            try settings.text(flags.exitScope, "exit-scope")?.parsed("internet or all", exitScopeWord) ?? false
        blocksLocalNetworks =
            try settings.text(flags.localNetworks, "local-networks")?.parsed("open or closed", localNetworksWord)
            ?? false
        logLevel =
            try settings.text(flags.logLevel, "log-level")?
            .parsed("trace, debug, info, notice, warning or error", Logger.Level.init(rawValue:)) ?? .info
        exitFailure =
            try settings.text(flags.exitFailure, "exit-failure")?
            .parsed("closed or open", ExitFailurePolicy.init(rawValue:)) ?? .closed
        interfaceBlocklist =
            try settings.text(flags.interfaceBlocklist, "interface-blocklist")?
            .parsed("a list of interface names or their beginnings, separated by commas", linkNames) ?? []
        externalAddresses =
            try settings.text(flags.externalIPMap, "external-ip-map")?
            .parsed("a list of OUTSIDE[/INSIDE], INSIDE an address or interface", ExternalAddressMap.init(_:))
            ?? ExternalAddressMap()
        lazy = LazyPolicy()
        if let mode = settings.text(flags.lazyConnections, "lazy-connections") {
            lazy.mode = try mode.parsed("auto, on or off", LazyPolicy.Mode.init(rawValue:))
        }
        if let seconds = settings.text(flags.lazyInactivity, "lazy-inactivity") {
            lazy.inactivity = try seconds.parsed("a number of seconds, 60 to 86400", inactivityDuration)
        }
    }
}

/// One setting's text and the name of its source, for errors.
private struct Setting {
    var text: String
    /// `--listen-port` or `WGMESH_LISTEN_PORT`.
    var source: String

    func parsed<Value>(_ expected: String, _ parse: (String) -> Value?) throws(AgentFailure) -> Value {
        guard let value = parse(text) else {
            throw AgentFailure(.usage, "\(source): \"\(text)\" is not \(expected)")
        }
        return value
    }
}

private struct Settings {
    var environment: [String: String]

    /// The flag if given, else the environment variable of the same name if it is not empty.
    func text(_ flag: String?, _ name: String) -> Setting? {
        if let flag { return Setting(text: flag, source: "--\(name)") }
        let variable = "WGMESH_" + name.uppercased().replacing("-", with: "_")
        guard let value = environment[variable], !value.isEmpty else { return nil }
        return Setting(text: value, source: variable)
    }

    func instance(_ flag: String?) throws(AgentFailure) -> String? {
        try text(flag, "instance")?.parsed("1 to 32 characters of a-z, 0-9 and -", instanceName)
    }

    func interfaceName(_ flag: String?) throws(AgentFailure) -> String {
        try text(flag, "interface")?
            .parsed("an interface name: 1 to 15 bytes, no spaces, slashes or colons", linkName)
            ?? AgentConfiguration.defaultInterface
    }

    /// Flag, file flag, variable, file variable: the first that is given. The key itself never stands in an error.
    func setupKey(
        flags: AgentFlags,
        readFile: (String) throws(AgentFailure) -> String
    ) throws(AgentFailure) -> Result<SetupKey, AgentFailure>? {
        if flags.setupKey != nil, flags.setupKeyFile != nil {
            throw AgentFailure(.usage, "--setup-key and --setup-key-file exclude each other: give one")
        }
        let given: Setting
        if flags.setupKeyFile == nil, let direct = text(flags.setupKey, "setup-key") {
            given = direct
        } else if let file = text(flags.setupKeyFile, "setup-key-file") {
            do throws(AgentFailure) {
                given = Setting(text: try readFile(file.text), source: file.text)
            } catch {
                return .failure(error)
            }
        } else {
            return nil
        }
        guard let key = SetupKey(given.text) else {
            let line = "\(given.source): not a setup key; it is a UUID, as the server prints it"
            return .failure(AgentFailure(.setupKeyRefused, line))
        }
        return .success(key)
    }
}

// Functions, not closures: of a closure that returns `nil` the compiler may infer that `nil` is the parsed value.

private func instanceName(_ text: String) -> String? {
    let isPlain = text.utf8.allSatisfy { byte in
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d
    }
    return isPlain && (1...32).contains(text.utf8.count) ? text : nil
}

private func linkName(_ text: String) -> String? { isLinkName(text) ? text : nil }

private func linkNames(_ text: String) -> [String]? {
    let names = text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
    return names.allSatisfy(isLinkName) ? names : nil
}

private func portNumber(_ text: String) -> UInt16? { UInt16(text) }

private func mtuNumber(_ text: String) -> UInt32? {
    guard let number = UInt32(text), (1280...9000).contains(number) else { return nil }
    return number
}

private func absolutePath(_ text: String) -> String? {
    guard text.hasPrefix("/"), !text.utf8.contains(0) else { return nil }
    return text.count > 1 && text.hasSuffix("/") ? String(text.dropLast()) : text
}

/// `sun_path` holds 108 bytes with its terminator (unix(7)).
private func socketPathText(_ text: String) -> String? { text.utf8.count <= 107 ? absolutePath(text) : nil }

private func hostnameText(_ text: String) -> String? {
    (1...253).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f } ? text : nil
}

/// Without a mark nothing would tell control traffic from the rest.
private func markNumber(_ text: String) -> UInt32? {
    let number = text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
    return number == 0 ? nil : number
}

/// Not default, main and local (rtnetlink(7)).
private func tableNumber(_ text: String) -> UInt32? {
    guard let number = UInt32(text), number > 0, !(253...255).contains(number) else { return nil }
    return number
}

/// Ours and the two behind it stand before the rule for the main table (32766).
private func priorityNumber(_ text: String) -> UInt32? {
    guard let number = UInt32(text), (1...32_763).contains(number) else { return nil }
    return number
}

private func inactivityDuration(_ text: String) -> Duration? {
    guard let seconds = Int64(text), (60...86_400).contains(seconds) else { return nil }
    return .seconds(seconds)
}

private func exitScopeWord(_ text: String) -> Bool? { ["internet": false, "all": true][text] }

private func localNetworksWord(_ text: String) -> Bool? { ["open": false, "closed": true][text] }
