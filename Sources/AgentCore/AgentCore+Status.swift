import ICE
import MeshModel

extension AgentCore {
    /// Everything the core knows, for `wgctl status`.
    ///
    /// - Parameter nowSeconds: seconds since 1970, to tell whether a kernel session is still alive.
    public func status(nowSeconds: Int64) -> AgentStatus {
        let peers = (map?.peers ?? []).filter { $0.publicKey != configuration.publicKey }
        return AgentStatus(
            isEnabled: isEnabled,
            deregistration: deregistration,
            own: own,
            publicKey: configuration.publicKey,
            interfaceName: configuration.interfaceName,
            listenPort: listenPort,
            management: management,
            signalServer: signalServer,
            relay: relay,
            relayServer: homeRelay,
            mapSerial: map?.serial,
            mapStoredSeconds: mapStoredSeconds,
            mapRoutes: map?.routes ?? [],
            firewallRules: map?.firewallRules ?? [],
            peers: peers.map { status(of: $0, nowSeconds: nowSeconds) }.sorted {
                ($0.allowedIPs.first.map { "\($0)" } ?? "", $0.publicKey)
                    < ($1.allowedIPs.first.map { "\($0)" } ?? "", $1.publicKey)
            },
            routes: routeStatus
        )
    }

    /// Whether a handshake with some peer is expected soon.
    public var isSettingUp: Bool {
        sessions.contains { peer, session in
            switch session.path {
            case .connecting: true
            case .direct, .relayed: (observed[peer]?.latestHandshakeSeconds ?? 0) == 0
            case .idle, .sleeping, .kernelSession: false
            }
        }
    }

    /// Of networks, exit nodes and gateways alone.
    public var routeStatus: RouteStatus {
        let names = Dictionary(
            (map?.peers ?? []).map { ($0.publicKey, $0.fqdn) },
            uniquingKeysWith: { first, _ in first }
        )
        return routing.status { names[$0] ?? "\($0)" }
    }

    func status(of peer: RemotePeer, nowSeconds: Int64) -> PeerStatus {
        let session = sessions[peer.publicKey]
        let observation = observed[peer.publicKey]
        return PeerStatus(
            publicKey: peer.publicKey,
            fqdn: peer.fqdn,
            agentVersion: peer.agentVersion,
            allowedIPs: peer.allowedIPs,
            path: path(session, observation, nowSeconds: nowSeconds),
            roundTrip: session?.ice?.selectedPair?.roundTrip,
            observed: observation,
            lastError: session?.lastError
        )
    }

    private func path(_ session: PeerSession?, _ observed: PeerObservation?, nowSeconds: Int64) -> PeerStatus.Path {
        let path = session?.path ?? .idle
        switch path {
        case .direct, .relayed, .sleeping: return path
        case .idle, .connecting, .kernelSession: break
        }
        guard let observed, let endpoint = observed.endpoint, observed.latestHandshakeSeconds > 0,
            nowSeconds - observed.latestHandshakeSeconds < Self.rejectAfterTimeSeconds, !endpoint.address.isLoopback
        else { return path }
        return .kernelSession(endpoint)
    }

    /// How long the kernel keeps a session without a new handshake.
    ///
    /// Source: WireGuard whitepaper, section 6.1, `Reject-After-Time`.
    private static let rejectAfterTimeSeconds: Int64 = 180
}
