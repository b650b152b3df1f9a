package import MeshModel

extension PeerMeta {
    /// More than any host has; keeps a hostile agent from filling the database.
    private static let maximumAddresses = 256

    /// - Throws: `WireError` for a host name or version with control characters or more than 255 bytes: both are shown
    ///   to people. Other texts like that become empty.
    package init(wire: Management_PeerSystemMeta) throws(WireError) {
        guard let hostname = displayable(wire.hostname) else {
            throw WireError("meta.hostname", "\(quoted(wire.hostname)) is no host name")
        }
        guard let agentVersion = displayable(wire.netbirdVersion) else {
            throw WireError("meta.netbirdVersion", "\(quoted(wire.netbirdVersion)) is no version")
        }
        self.init(
            hostname: hostname,
            operatingSystem: displayable(wire.goOs) ?? "",
            distribution: displayable(wire.os) ?? "",
            distributionVersion: displayable(wire.osversion) ?? "",
            kernel: displayable(wire.kernel) ?? "",
            kernelVersion: displayable(wire.kernelVersion) ?? "",
            machine: displayable(wire.platform) ?? "",
            agentVersion: agentVersion,
            interfaceVersion: displayable(wire.uiVersion) ?? "",
            networkAddresses: wire.networkAddresses.prefix(Self.maximumAddresses).map {
                HostAddress(prefix: displayable($0.netIp) ?? "", hardwareAddress: displayable($0.mac) ?? "")
            },
            capabilities: Set(wire.capabilities.compactMap { PeerCapability(rawValue: $0.rawValue) }),
            isIPv6Disabled: wire.flags.disableIpv6,
            allowsSSHServer: wire.flags.serverSshallowed
        )
    }
}

extension Management_PeerSystemMeta {
    package init(_ meta: PeerMeta) {
        self.init()
        hostname = meta.hostname
        goOs = meta.operatingSystem
        os = meta.distribution
        osversion = meta.distributionVersion
        core = meta.distributionVersion  // legacy mirror of OSVersion
        kernel = meta.kernel
        kernelVersion = meta.kernelVersion
        platform = meta.machine
        netbirdVersion = meta.agentVersion
        uiVersion = meta.interfaceVersion
        networkAddresses = meta.networkAddresses.map { address in
            var wire = Management_NetworkAddress()
            wire.netIp = address.prefix
            wire.mac = address.hardwareAddress
            return wire
        }
        capabilities = meta.capabilities.sorted().compactMap { Management_PeerCapability(rawValue: $0.rawValue) }
        flags.disableIpv6 = meta.isIPv6Disabled
        flags.serverSshallowed = meta.allowsSSHServer
        // 0 asks for the expanded network map, the only form we read.
        syncMessageVersion = 0
    }
}
