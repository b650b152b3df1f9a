public import MeshModel

/// What the kernel should hold: one value, compared with what it does hold.
public struct DesiredState: Hashable, Sendable {
    public var host: HostConfiguration
    public var device: DeviceConfiguration

    public init(host: HostConfiguration, device: DeviceConfiguration) {
        self.host = host
        self.device = device
    }
}

extension AgentCore {
    /// The projection of map, sessions and the user's wish; `nil` while there is nothing we should hold.
    ///
    /// Before the first map nothing is desired, and nothing is taken away either: `reconcile` is not asked for.
    var desiredState: DesiredState? {
        guard isEnabled, let map, let own else { return nil }
        return DesiredState(host: host(own, routeChoice), device: device(map))
    }

    private func host(_ own: SelfConfiguration, _ choice: RouteChoice) -> HostConfiguration {
        let addresses = [own.address, own.addressV6].compactMap { $0 }
        let overlays = addresses.map { routeConfiguration(to: $0.network, metric: 0) }
        // Default routes need policy routing to be safe.
        let networks = choice.carriers.keys.filter { $0.length > 0 }
        let routed = networks.map { routeConfiguration(to: $0, metric: Self.routedMetric) }
        return HostConfiguration(
            link: LinkConfiguration(
                name: configuration.interfaceName,
                alias: configuration.linkAlias,
                mtuBytes: own.mtuBytes.map { UInt32(clamping: $0) } ?? configuration.mtuBytes
            ),
            addresses: Set(addresses),
            routes: Set(overlays + routed)
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
                allowedIPs: allowed,
                persistentKeepaliveSeconds: configuration.persistentKeepaliveSeconds
            )
        }
        return DeviceConfiguration(
            privateKey: configuration.privateKey,
            listenPort: configuration.listenPort,
            fwmark: configuration.fwmark,
            peers: peers
        )
    }

    private func routeConfiguration(to destination: IPPrefix, metric: UInt32) -> RouteConfiguration {
        RouteConfiguration(
            destination: destination,
            table: configuration.routeTable,
            metric: metric,
            routeProtocol: configuration.routeProtocol
        )
    }

    /// Below any route the host has of its own to the same prefix, so that a map never cuts a host off its own LAN.
    private static let routedMetric: UInt32 = 4096
}
