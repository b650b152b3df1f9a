import FoundationEssentials
package import MeshModel
import SwiftProtobuf

extension Management_SyncResponse {
    /// A control update: the relay and its new token, and no map. Source: spec/wire/management.md A5.2.
    package init(renewing services: ServiceConfiguration) {
        self.init()
        netbirdConfig = Management_NetbirdConfig(services)
    }

    /// The first message of a stream, or a later change of the map.
    ///
    /// - Parameters:
    ///   - services: complete for the first message; `nil` for later ones, which leaves the receiver's as they are.
    ///   - receiver: what it said about itself last; decides between older and newer forms.
    package init(map: NetworkMap, services: ServiceConfiguration?, receiver: PeerMeta) {
        self.init()
        if let services { netbirdConfig = Management_NetbirdConfig(services) }
        let usesSourcePrefixes = receiver.capabilities.contains(.sourcePrefixes)
        networkMap = Management_NetworkMap(map, usesSourcePrefixes: usesSourcePrefixes)
        // The older of two places; receivers of either age find it.
        if let own = map.own { peerConfig = Management_PeerConfig(own) }
        if AgentVersion(receiver.agentVersion) < .networkMapPeers { remotePeers = networkMap.remotePeers }
        remotePeersIsEmpty = map.peers.isEmpty
        sessionExpiresAt = Google_Protobuf_Timestamp()  // explicit zero: this login never expires
    }

    /// What a peer gets when it was deleted; the stream then ends.
    ///
    /// Without peerConfig, so that it does not look like a change of address. Source: spec/wire/management.md A5.2.
    package static func deletionNotice(serial: UInt64) -> Management_SyncResponse {
        var response = Management_SyncResponse()
        response.remotePeersIsEmpty = true
        response.networkMap.serial = serial
        response.networkMap.remotePeersIsEmpty = true
        response.networkMap.firewallRulesIsEmpty = true
        response.networkMap.routesFirewallRulesIsEmpty = true
        response.networkMap.dnsconfig.forwarderPort = Int64(DNSConfiguration.legacyForwarderPort)
        return response
    }
}

extension Management_NetworkMap {
    init(_ map: NetworkMap, usesSourcePrefixes: Bool) {
        self.init()
        serial = map.serial
        if let own = map.own { peerConfig = Management_PeerConfig(own) }
        remotePeers = map.peers.map { Management_RemotePeerConfig($0) }
        offlinePeers = map.offlinePeers.map { Management_RemotePeerConfig($0) }
        routes = map.routes.map { Management_Route($0) }
        firewallRules = map.firewallRules.map {
            Management_FirewallRule($0, usesSourcePrefixes: usesSourcePrefixes)
        }
        routesFirewallRules = map.routeFirewallRules.map { Management_RouteFirewallRule($0) }
        if let dns = map.dns { dnsconfig = Management_DNSConfig(dns) }
        // Without these flags a receiver takes an empty list for an old server and lets everything in (A5.3).
        remotePeersIsEmpty = remotePeers.isEmpty
        firewallRulesIsEmpty = firewallRules.isEmpty
        routesFirewallRulesIsEmpty = routesFirewallRules.isEmpty
        // Receivers replace their SSH authorization with it; empty lists let nobody in (A10.8).
        sshAuth.userIdclaim = "sub"
    }
}

extension Management_PeerConfig {
    init(_ own: SelfConfiguration) {
        self.init()
        address = own.address.description
        fqdn = own.fqdn
        mtu = Int32(clamping: own.mtuBytes ?? 0)
        if let prefix = own.addressV6 { addressV6 = prefix.compact }
        lazyConnectionEnabled = own.isLazyConnectionEnabled
        routingPeerDnsResolutionEnabled = own.isRoutingPeerResolutionEnabled
        // Both are sent even where they say "off": presence does not mean enabled (A9).
        sshConfig = Management_SSHConfig()
        autoUpdate.version = "disabled"
    }
}

extension Management_RemotePeerConfig {
    init(_ peer: RemotePeer) {
        self.init()
        wgPubKey = peer.publicKey.base64
        allowedIps = peer.allowedIPs.map(\.description)
        sshConfig.sshPubKey = Data(peer.sshPublicKey.utf8)
        fqdn = peer.fqdn
        agentVersion = peer.agentVersion
    }
}

extension Management_Route {
    /// Numbers of `NetworkType`.
    private static let (v4, v6, domain): (Int64, Int64, Int64) = (1, 2, 3)

    init(_ route: NetworkRoute) {
        self.init()
        id = route.id
        network = route.prefix?.description ?? domainPlaceholder
        networkType = route.prefix.map { $0.isV4 ? Self.v4 : Self.v6 } ?? Self.domain
        peer = route.routingPeer.base64
        metric = Int64(route.metric)
        masquerade = route.masquerade
        netID = route.networkID
        domains = route.domains
        keepRoute = route.keepRoute
        skipAutoApply = route.skipAutoApply
    }
}

/// Fills the network of a domain route, as stock servers do; receivers ignore it.
let domainPlaceholder = "192.0.2.0/32"
