/// What an agent says about its host and itself with every login and sync. Texts are for display, unless noted.
///
/// Codable so that the control plane can store it as one column.
public struct PeerMeta: Hashable, Sendable, Codable {
    /// At registration it gives the peer its name; later values are the operating system's and change nothing.
    public var hostname: String
    /// Go's name of the operating system: `linux`, `windows`, `darwin`, ...
    public var operatingSystem: String
    /// Distribution, such as `Debian GNU/Linux`.
    public var distribution: String
    public var distributionVersion: String
    /// `uname -s`.
    public var kernel: String
    /// `uname -r`.
    public var kernelVersion: String
    /// `uname -m`.
    public var machine: String
    /// Compared by version: it decides which forms of rules the agent gets. See `AgentVersion`.
    public var agentVersion: String
    public var interfaceVersion: String
    public var networkAddresses: [HostAddress]
    public var capabilities: Set<PeerCapability>
    /// The user runs the agent without overlay IPv6.
    public var isIPv6Disabled: Bool
    /// The agent would run an SSH server if the map asks for one.
    public var allowsSSHServer: Bool

    public init(
        hostname: String,
        operatingSystem: String = "linux",
        distribution: String = "",
        distributionVersion: String = "",
        kernel: String = "",
        kernelVersion: String = "",
        machine: String = "",
        agentVersion: String,
        interfaceVersion: String = "",
        networkAddresses: [HostAddress] = [],
        capabilities: Set<PeerCapability>,
        isIPv6Disabled: Bool = false,
        allowsSSHServer: Bool = false
    ) {
        self.hostname = hostname
        self.operatingSystem = operatingSystem
        self.distribution = distribution
        self.distributionVersion = distributionVersion
        self.kernel = kernel
        self.kernelVersion = kernelVersion
        self.machine = machine
        self.agentVersion = agentVersion
        self.interfaceVersion = interfaceVersion
        self.networkAddresses = networkAddresses
        self.capabilities = capabilities
        self.isIPv6Disabled = isIPv6Disabled
        self.allowsSSHServer = allowsSSHServer
    }

    /// Whether the agent takes IPv6 overlay addresses. Source: spec/wire/management.md A9.
    public var supportsIPv6: Bool { capabilities.contains(.ipv6Overlay) && !isIPv6Disabled }
}

/// What an agent understands beyond the first protocol; numbered as on the wire.
public enum PeerCapability: Int, Hashable, Sendable, Codable, Comparable {
    /// Firewall rules with `sourcePrefixes`.
    case sourcePrefixes = 1
    case ipv6Overlay = 2

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One address of a host's own interfaces, as text for display and posture checks.
public struct HostAddress: Hashable, Sendable, Codable {
    /// `192.168.1.5/24`.
    public var prefix: String
    /// `aa:bb:cc:dd:ee:ff`.
    public var hardwareAddress: String

    public init(prefix: String, hardwareAddress: String) {
        self.prefix = prefix
        self.hardwareAddress = hardwareAddress
    }
}
