extension ServiceConfiguration {
    /// STUN's port where the URI names none (RFC 7064, section 3.2).
    private static let defaultSTUNPort: UInt16 = 3478

    /// Entries that cannot be read are left out and reported.
    init(wire: Management_NetbirdConfig, skipped: inout [WireError]) {
        self.init(signal: nil)
        if wire.hasSignal {
            if let address = HostPort(wire.signal.uri) {
                signal = SignalServer(address: address, usesTLS: wire.signal.protocol == .https)
            } else {
                skipped.append(WireError("netbirdConfig.signal.uri", "\(quoted(wire.signal.uri)) is no host:port"))
            }
        }
        for (index, stun) in wire.stuns.enumerated() {
            guard stun.uri.hasPrefix("stun:"), let server = Self.stunServer(stun.uri.dropFirst("stun:".count)) else {
                skipped.append(WireError("netbirdConfig.stuns[\(index)].uri", "\(quoted(stun.uri)) is no stun: URI"))
                continue
            }
            stunServers.append(server)
        }
        if wire.hasRelay {
            relay = RelayAccess(
                urls: wire.relay.urls,
                tokenPayload: wire.relay.tokenPayload,
                tokenSignature: wire.relay.tokenSignature
            )
        }
    }

    private static func stunServer(_ text: Substring) -> HostPort? {
        HostPort(String(text)) ?? HostPort("\(text):\(defaultSTUNPort)")
    }
}

extension Management_NetbirdConfig {
    init(_ services: ServiceConfiguration) {
        self.init()
        if let server = services.signal {
            signal.uri = server.address.description
            signal.protocol = server.usesTLS ? .https : .http
        }
        stuns = services.stunServers.map { server in
            var wire = Management_HostConfig()
            wire.uri = "stun:\(server)"
            return wire
        }
        if let access = services.relay {
            relay.urls = access.urls
            relay.tokenPayload = access.tokenPayload
            relay.tokenSignature = access.tokenSignature
        }
        metrics = Management_MetricsConfig()  // present and off, as stock servers send it
    }
}
