public import MeshModel
import Routing

/// What the kernel should hold: one value, compared with what it does hold.
public struct DesiredState: Hashable, Sendable {
    public var host: HostConfiguration
    public var device: DeviceConfiguration

    public init(host: HostConfiguration, device: DeviceConfiguration) {
        self.host = host
        self.device = device
    }

    /// As it is, but for endpoints that are offered to a kernel which knows none.
    public var withoutHints: DesiredState {
        var copy = self
        copy.device.peers = device.peers.mapValues { peer in
            var peer = peer
            peer.endpointHint = nil
            return peer
        }
        return copy
    }
}

extension AgentCore {
    /// The projection of map, sessions and the user's wish; `nil` while there is nothing we should hold.
    ///
    /// Before the first map nothing is desired, and nothing is taken away either: `reconcile` is not asked for.
    var desiredState: DesiredState? {
        guard isEnabled, let map, let own else { return nil }
        return DesiredState(host: host(own, map, routeChoice), device: device(map))
    }

    /// The overlay stands in the main table: it needs no rules, and direct peers are reached whatever becomes of them.
    /// Everything the map routes to us stands in our own, behind what the host itself knows.
    private func host(_ own: SelfConfiguration, _ map: NetworkMap, _ choice: RouteChoice) -> HostConfiguration {
        let addresses = [own.address, own.addressV6].compactMap { $0 }
        let overlays = addresses.map { routeConfiguration(to: $0.network, table: Self.mainTable) }
        let prefixes = choice.carriers.keys
        let routed = prefixes.map { routeConfiguration(to: $0, table: configuration.marks.table) }
        return HostConfiguration(
            link: LinkConfiguration(
                name: configuration.interfaceName,
                alias: configuration.marks.alias,
                mtuBytes: own.mtuBytes.map { UInt32(clamping: $0) } ?? configuration.mtuBytes
            ),
            addresses: Set(addresses),
            routes: Set(overlays + routed),
            policy: prefixes.isEmpty ? nil : policy(hasExitNode: prefixes.contains { $0.length == 0 }),
            gateway: gateway(map)
        )
    }

    private func policy(hasExitNode: Bool) -> PolicyRouting {
        let marks = configuration.marks
        return PolicyRouting(
            table: marks.table,
            priority: marks.rulePriority,
            fwmark: marks.fwmark,
            hasExitNode: hasExitNode
        )
    }

    /// What we are the routing peer of; domain routes are served by name.
    private func gateway(_ map: NetworkMap) -> GatewayConfiguration? {
        var served: [IPPrefix: Bool] = [:]
        for route in map.routes where route.routingPeer == configuration.publicKey {
            guard let prefix = route.prefix?.network else { continue }
            // Of two routes to one prefix, the one without translation is the one that somebody asked for.
            served[prefix] = (served[prefix] ?? true) && route.masquerade
        }
        if served.isEmpty { return nil }
        return GatewayConfiguration(
            served: Set(served.map { GatewayConfiguration.Served(prefix: $0.key, masquerade: $0.value) }),
            isInternetOnly: !configuration.exitReachesPrivateNetworks,
            blockedNetworks: configuration.blocksLocalNetworks ? localNetworks : [],
            isDraining: isDraining
        )
    }

    private func device(_ map: NetworkMap) -> DeviceConfiguration {
        var routed: [PublicKey: Set<IPPrefix>] = [:]
        for case (let prefix, let peer?) in routeChoice.carriers { routed[peer, default: []].insert(prefix) }
        var peers: [PublicKey: PeerConfiguration] = [:]
        var owned: Set<IPPrefix> = []
        for peer in map.peers where peer.publicKey != configuration.publicKey {
            let wanted = Set(peer.allowedIPs).union(routed[peer.publicKey] ?? [])
            // Two peers that claim one prefix would take it from each other for ever; the first of the map keeps it.
            let allowed = wanted.subtracting(owned)
            owned.formUnion(allowed)
            peers[peer.publicKey] = PeerConfiguration(
                publicKey: peer.publicKey,
                endpoint: sessions[peer.publicKey]?.endpoint,
                endpointHint: lastEndpoints[peer.publicKey],
                allowedIPs: allowed,
                persistentKeepaliveSeconds: keepaliveSeconds(peer.publicKey)
            )
        }
        return DeviceConfiguration(
            privateKey: configuration.privateKey,
            listenPort: configuration.listenPort,
            fwmark: configuration.marks.fwmark,
            peers: peers
        )
    }

    /// Whether there is somewhere to send keepalives. The kernel sends the first one when they are switched on, and a
    /// handshake with it; before the endpoint is known it would fail, and hold up the next one for five seconds
    /// (WireGuard whitepaper, section 6.1, `Rekey-Timeout`).
    ///
    /// A sleeping peer gets none: they would wake it.
    private func keepaliveSeconds(_ peer: PublicKey) -> UInt16 {
        if let session = sessions[peer], session.isTrapped || session.lazy.isAsleep { return 0 }
        return isFound(peer) ? configuration.persistentKeepaliveSeconds : 0
    }

    private func isFound(_ peer: PublicKey) -> Bool {
        if sessions[peer]?.endpoint != nil || lastEndpoints[peer] != nil { return true }
        return observed[peer].map { $0.latestHandshakeSeconds > 0 } ?? false
    }

    private func routeConfiguration(to destination: IPPrefix, table: UInt32) -> RouteConfiguration {
        RouteConfiguration(
            destination: destination,
            table: table,
            metric: 0,
            routeProtocol: configuration.marks.routeProtocol
        )
    }

    /// `RT_TABLE_MAIN`.
    private static let mainTable: UInt32 = 254
}
