import MeshModel
import MeshProto
import RelayWire

/// Where agents are told to find signal, STUN and relay.
struct AdvertisedServices: Sendable {
    enum STUN: Sendable {
        case none
        /// Ours, at the public host.
        case own(port: UInt16)
        case external([HostPort])
    }

    enum Relay: Sendable {
        case none
        /// Ours, at the public address.
        case own(RelaySecret)
        case external(urls: [String], RelaySecret)
    }

    let publicAddress: PublicAddress
    let usesTLS: Bool
    let stun: STUN
    let relay: Relay

    /// A token's life: 12 h. Source: spec/wire/management.md A5, relay.
    static let tokenLifetime: Duration = .seconds(12 * 3600)
    /// How often agents that stay connected get a new one. Source: the same.
    static let renewalInterval: Duration = tokenLifetime * 3 / 4

    /// Whether something in the configuration ends and must be sent anew.
    var needsRenewal: Bool { if case .none = relay { false } else { true } }

    /// For an agent that reached us at `localPeer` (`ipv4:10.0.0.1:33073`): signal is on this very port.
    func configuration(localPeer: String, nowSeconds: Int64) -> ServiceConfiguration {
        let address = publicAddress.address(localPeer: localPeer)
        var services = ServiceConfiguration(signal: SignalServer(address: address, usesTLS: usesTLS))
        switch stun {
        case .none: break
        case .own(let port): services.stunServers = [HostPort(host: address.host, port: port)]
        case .external(let servers): services.stunServers = servers
        }
        services.relay = relayAccess(at: address, nowSeconds: nowSeconds)
        return services
    }

    /// The same without signal, which an update leaves out. Source: spec/wire/management.md A5.
    func renewal(localPeer: String, nowSeconds: Int64) -> ServiceConfiguration {
        ServiceConfiguration(
            signal: nil,
            relay: relayAccess(at: publicAddress.address(localPeer: localPeer), nowSeconds: nowSeconds)
        )
    }

    /// `rel://`, or `rels://` for TLS: also the name by which peers tell relays apart.
    func relayURL(at address: HostPort) -> String { (usesTLS ? "rels://" : "rel://") + address.description }

    private func relayAccess(at address: HostPort, nowSeconds: Int64) -> RelayAccess? {
        switch relay {
        case .none: return nil
        case .own(let secret): return access([relayURL(at: address)], secret, nowSeconds)
        case .external(let urls, let secret): return access(urls, secret, nowSeconds)
        }
    }

    private func access(_ urls: [String], _ secret: RelaySecret, _ nowSeconds: Int64) -> RelayAccess {
        let token = secret.token(expirySeconds: nowSeconds + Self.tokenLifetime.components.seconds)
        return RelayAccess(urls: urls, tokenPayload: token.payload, tokenSignature: token.signatureBase64)
    }
}
