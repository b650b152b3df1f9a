package import MeshModel

/// What one message of the Sync stream says, after validation.
package struct SyncUpdate: Hashable, Sendable {
    /// `nil`: a control update, which leaves the map as it is.
    package var map: NetworkMap?
    /// `nil`: unchanged.
    package var services: ServiceConfiguration?
    /// What was left out because it could not be read, for the log: a bad peer, route or rule never costs the others.
    package var skipped: [WireError]

    /// - Throws: `WireError` if the own address cannot be read, or the map comes in the form we never announce.
    ///   Source: spec/wire/management.md A5.2.
    package init(wire: Management_SyncResponse) throws(WireError) {
        guard wire.version == 0 else {
            throw WireError("Version", "map format \(wire.version), expected 0 as announced in syncMessageVersion")
        }
        var skipped: [WireError] = []
        services = wire.hasNetbirdConfig ? ServiceConfiguration(wire: wire.netbirdConfig, skipped: &skipped) : nil
        map = nil
        if wire.hasNetworkMap {
            // The deletion notice carries no peerConfig in either place: it must not look like a change of address.
            let peerConfig = wire.networkMap.hasPeerConfig ? wire.networkMap.peerConfig : wire.peerConfig
            let isOwnKnown = wire.networkMap.hasPeerConfig || wire.hasPeerConfig
            let own = isOwnKnown ? try SelfConfiguration(wire: peerConfig, skipped: &skipped) : nil
            map = NetworkMap(wire: wire.networkMap, own: own, skipped: &skipped)
        }
        self.skipped = skipped
    }
}

extension NetworkMap {
    fileprivate init(wire: Management_NetworkMap, own: SelfConfiguration?, skipped: inout [WireError]) {
        self.init(serial: wire.serial, own: own, peers: [])
        var keys: Set<PublicKey> = []
        peers = readable(wire.remotePeers, at: "remotePeers", skipped: &skipped) { item throws(WireError) in
            try RemotePeer(wire: item, unique: &keys)
        }
        offlinePeers = readable(wire.offlinePeers, at: "offlinePeers", skipped: &skipped) { item throws(WireError) in
            try RemotePeer(wire: item, unique: &keys)
        }
        routes = readable(wire.routes, at: "Routes", skipped: &skipped) { item throws(WireError) in
            try NetworkRoute(wire: item)
        }
        firewallRules = readable(wire.firewallRules, at: "FirewallRules", skipped: &skipped) { item throws(WireError) in
            try FirewallRule(wire: item)
        }
        routeFirewallRules = readable(
            wire.routesFirewallRules,
            at: "routesFirewallRules",
            skipped: &skipped
        ) { item throws(WireError) in
            try RouteFirewallRule(wire: item)
        }
        // Stock agents take this for a server from before 2023 and let everything in; a missing flag opens nothing here.
        if wire.firewallRules.isEmpty, !wire.firewallRulesIsEmpty {
            skipped.append(WireError("NetworkMap.firewallRulesIsEmpty", "false with no rules; taken as no access"))
        }
        dns = wire.hasDnsconfig ? DNSConfiguration(wire: wire.dnsconfig, skipped: &skipped) : nil
    }
}

/// Converts each element; those that fail are reported under `path[index]` and left out.
func readable<Wire, Model>(
    _ list: [Wire],
    at path: String,
    skipped: inout [WireError],
    convert: (Wire) throws(WireError) -> Model
) -> [Model] {
    var result: [Model] = []
    for (index, item) in list.enumerated() {
        do {
            result.append(try convert(item))
        } catch {
            skipped.append(error.within("NetworkMap.\(path)[\(index)]"))
        }
    }
    return result
}

extension SelfConfiguration {
    /// 576: the least an IPv4 host must take. The kernel checks the rest.
    private static let plausibleMTU = 576...65535

    init(wire: Management_PeerConfig, skipped: inout [WireError]) throws(WireError) {
        guard let address = IPPrefix(wire.address), address.isV4 else {
            throw WireError("peerConfig.address", "\(quoted(wire.address)) is no IPv4 address with a prefix length")
        }
        var addressV6: IPPrefix?
        if !wire.addressV6.isEmpty {
            guard let prefix = IPPrefix(compact: wire.addressV6), !prefix.isV4 else {
                throw WireError("peerConfig.address_v6", "\(wire.addressV6.count) bytes that are no IPv6 prefix")
            }
            addressV6 = prefix
        }
        let fqdn = displayable(wire.fqdn)
        if fqdn == nil { skipped.append(WireError("peerConfig.fqdn", "\(quoted(wire.fqdn)) is no name")) }
        var mtuBytes: Int?
        if wire.mtu != 0 {
            if Self.plausibleMTU.contains(Int(wire.mtu)) {
                mtuBytes = Int(wire.mtu)
            } else {
                skipped.append(WireError("peerConfig.mtu", "\(wire.mtu) is out of range"))
            }
        }
        self.init(
            address: address,
            addressV6: addressV6,
            fqdn: fqdn ?? "",
            mtuBytes: mtuBytes,
            isLazyConnectionEnabled: wire.lazyConnectionEnabled,
            isRoutingPeerResolutionEnabled: wire.routingPeerDnsResolutionEnabled
        )
    }
}

extension RemotePeer {
    fileprivate init(wire: Management_RemotePeerConfig, unique keys: inout Set<PublicKey>) throws(WireError) {
        guard let key = PublicKey(base64: wire.wgPubKey) else {
            throw WireError("wgPubKey", "\(quoted(wire.wgPubKey)) is no key")
        }
        var allowedIPs: [IPPrefix] = []
        for (index, text) in wire.allowedIps.enumerated() {
            guard let prefix = IPPrefix(text) else {
                throw WireError("allowedIps[\(index)]", "\(quoted(text)) is no prefix")
            }
            allowedIPs.append(prefix.network)
        }
        guard let fqdn = displayable(wire.fqdn) else { throw WireError("fqdn", "\(quoted(wire.fqdn)) is no name") }
        guard keys.insert(key).inserted else { throw WireError("wgPubKey", "\(key) is listed twice") }
        self.init(
            publicKey: key,
            allowedIPs: allowedIPs,
            fqdn: fqdn,
            agentVersion: displayable(wire.agentVersion) ?? "",
            sshPublicKey: String(decoding: wire.sshConfig.sshPubKey, as: UTF8.self)
        )
    }
}

extension NetworkRoute {
    fileprivate init(wire: Management_Route) throws(WireError) {
        guard let routingPeer = PublicKey(base64: wire.peer) else {
            throw WireError("Peer", "\(quoted(wire.peer)) is no key")
        }
        var prefix: IPPrefix?
        if wire.domains.isEmpty {  // else Network is a placeholder, possibly no prefix at all
            guard let network = IPPrefix(wire.network)?.network else {
                throw WireError("Network", "\(quoted(wire.network)) is no prefix")
            }
            prefix = network
        }
        for (index, domain) in wire.domains.enumerated() where displayable(domain) == nil || domain.isEmpty {
            throw WireError("Domains[\(index)]", "\(quoted(domain)) is no name")
        }
        guard let metric = Int(exactly: wire.metric), metric >= 0 else {
            throw WireError("Metric", "\(wire.metric) is negative")
        }
        self.init(
            id: wire.id,
            networkID: wire.netID,
            prefix: prefix,
            domains: wire.domains,
            routingPeer: routingPeer,
            metric: metric,
            masquerade: wire.masquerade,
            keepRoute: wire.keepRoute,
            skipAutoApply: wire.skipAutoApply
        )
    }
}

/// The text if it fits a DNS name's 255 bytes and holds no control characters (it reaches root's terminal), else `nil`.
func displayable(_ text: String) -> String? {
    let isClean = text.utf8.count <= 255 && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    return isClean ? text : nil
}
