package import MeshModel

/// The network map of one peer; `nil` if the directory does not hold it.
///
/// Pure: equal directories give equal maps. For the maps of many peers keep a `NetworkMapCompiler`.
package func compile(_ directory: Directory, for peer: PeerID) -> NetworkMap? {
    NetworkMapCompiler(directory).map(for: peer)
}

/// Turns a directory into network maps; resolves policies and routes once for all peers.
///
/// Source: spec/wire/management.md A10.
package struct NetworkMapCompiler: Sendable {
    private let directory: Directory
    private let resolution: PolicyResolution
    private let distribution: RouteDistribution
    private let resources: ResourceDistribution
    private let forwarderPort: UInt16

    package init(_ directory: Directory) {
        self.directory = directory
        resolution = PolicyResolution(directory)
        distribution = RouteDistribution(directory, policies: resolution)
        resources = ResourceDistribution(directory, policies: resolution)
        forwarderPort = directory.forwarderPort
    }

    /// - Returns: `nil` if the directory does not hold the peer.
    package func map(for id: PeerID) -> NetworkMap? {
        guard let target = directory.peers[id] else { return nil }
        let own = directory.selfConfiguration(of: target)
        guard target.isValidated else {
            let noNames = DNSConfiguration(isEnabled: false, forwarderPort: forwarderPort)
            return NetworkMap(serial: directory.serial, own: own, peers: [], dns: noNames)
        }
        let access = access(of: id, target)
        let expired = access.peers.filter { directory.peers[$0]?.isLoginExpired == true }
        let connected = access.peers.subtracting(expired).sorted()
        // Who is there for the sake of a resource alone has no name and opens no other route.
        let peers = access.peers.union(resources.peers(of: id)).sorted().compactMap { directory.peers[$0] }
        return NetworkMap(
            serial: directory.serial,
            own: own,
            peers: peers.filter { !$0.isLoginExpired }.map { directory.remotePeer($0, seenBy: target) },
            offlinePeers: expired.sorted().compactMap { directory.peers[$0] }
                .map { directory.remotePeer($0, seenBy: target) },
            routes: routes(to: id, target, from: connected),
            firewallRules: access.rules,
            routeFirewallRules: routeRules(of: id, target),
            dns: names(for: id, target, visible: access.peers)
        )
    }

    /// Whom the peer may talk to and under which rules. Source: A10.1.
    private func access(of id: PeerID, _ target: Peer) -> (peers: Set<PeerID>, rules: [FirewallRule]) {
        var peers: Set<PeerID> = []
        var rules: [FirewallRule] = []
        var seen: Set<FirewallRule> = []
        for resolved in resolution.rules {
            let isSource = resolved.sources.contains(id)
            let isDestination = resolved.destinations.contains(id)
            func add(_ remotes: [PeerID], _ direction: FirewallRule.Direction) {
                for remote in remotes where remote != id {
                    guard let peer = directory.peers[remote] else { continue }
                    peers.insert(remote)
                    for rule in firewallRules(resolved.rule, direction, between: target, and: peer)
                    where seen.insert(rule).inserted {
                        rules.append(rule)
                    }
                }
            }
            if resolved.rule.isBidirectional {
                if isSource { add(resolved.sortedDestinations, .inbound) }
                if isDestination { add(resolved.sortedSources, .outbound) }
            }
            if isSource { add(resolved.sortedDestinations, .outbound) }
            if isDestination { add(resolved.sortedSources, .inbound) }
        }
        return (peers, rules)
    }

    private func names(for id: PeerID, _ target: Peer, visible: Set<PeerID>) -> DNSConfiguration {
        let names = directory.names(for: id, target)
        guard names.isManaged else { return DNSConfiguration(isEnabled: false, forwarderPort: forwarderPort) }
        let others = visible.union(distribution.advertisers(to: id)).subtracting([id]).sorted()
        let peers = [target] + others.compactMap { directory.peers[$0] }
        return DNSConfiguration(
            isEnabled: true,
            zones: [directory.peerZone(of: peers, seenBy: target)] + names.zones,
            nameServerGroups: names.nameServerGroups,
            forwarderPort: forwarderPort
        )
    }

    private func routes(to id: PeerID, _ target: Peer, from connected: [PeerID]) -> [NetworkRoute] {
        (resources.offers(to: id) + distribution.offers(to: id, from: connected))
            .flatMap { $0.networkRoutes(directory, for: target) }
    }

    private func routeRules(of id: PeerID, _ target: Peer) -> [RouteFirewallRule] {
        var seen: Set<RouteFirewallRule> = []
        let rules =
            resources.served(by: id).flatMap { $0.firewallRules(for: id, target, directory) }
            + distribution.carried(by: id).flatMap { $0.firewallRules(for: id, target, directory) }
        return rules.filter { seen.insert($0).inserted }
    }
}

/// One rule for each port and address family, as `target` is told about `remote`.
private func firewallRules(
    _ rule: PolicyRule,
    _ direction: FirewallRule.Direction,
    between target: Peer,
    and remote: Peer
) -> [FirewallRule] {
    var addresses = [remote.address]
    if target.usesIPv6, let addressV6 = remote.addressV6 { addresses.append(addressV6) }
    return ports(of: rule, for: target).flatMap { ports in
        addresses.map { address in
            FirewallRule(
                peer: IPPrefix(host: address),
                direction: direction,
                action: rule.action,
                transport: rule.transport,
                ports: ports,
                policyID: rule.id
            )
        }
    }
}

/// The ports of a rule in the form that the peer's agent understands; empty if it understands none of them.
private func ports(of rule: PolicyRule, for target: Peer) -> [FirewallRule.Ports] {
    guard rule.transport == .tcp || rule.transport == .udp else { return [.any] }
    let version = AgentVersion(target.meta.agentVersion)
    if rule.ports.isEmpty {
        if rule.portRanges.isEmpty { return [.any] }
        if version >= .portRanges { return rule.portRanges.map { .range($0) } }
        return rule.portRanges.filter { $0.count == 1 }.map { .one($0.lowerBound) }
    }
    var ports = rule.ports
    // Who opens SSH means the agent's own SSH server too, where the peer runs one.
    let runsNativeSSH = version >= .nativeSSH && target.isSSHEnabled && target.meta.allowsSSHServer
    if runsNativeSSH, rule.transport == .tcp, ports.contains(sshPort), !ports.contains(nativeSSHPort) {
        ports.append(nativeSSHPort)
    }
    return ports.map { .one($0) }
}

private let sshPort: UInt16 = 22
/// Port of the agents' built-in SSH server. Source: A10.1.
private let nativeSSHPort: UInt16 = 22022

extension Directory {
    fileprivate func selfConfiguration(of peer: Peer) -> SelfConfiguration {
        SelfConfiguration(
            address: prefix(of: peer.address, in: network.v4),
            addressV6: peer.usesIPv6 ? peer.addressV6.map { prefix(of: $0, in: network.v6) } : nil,
            fqdn: fqdn(peer.label),
            isLazyConnectionEnabled: settings.isLazyConnectionEnabled,
            isRoutingPeerResolutionEnabled: settings.isRoutingPeerResolutionEnabled
        )
    }

    /// The address with the network's length, or alone where a changed network has left it in the other family.
    private func prefix(of address: IPAddress, in network: IPPrefix) -> IPPrefix {
        IPPrefix(address: address, length: network.length) ?? IPPrefix(host: address)
    }

    /// Source: A10.3. Routed networks are not among the allowed IPs.
    fileprivate func remotePeer(_ peer: Peer, seenBy target: Peer) -> RemotePeer {
        var allowedIPs = [IPPrefix(host: peer.address)]
        if target.usesIPv6, let addressV6 = peer.addressV6 { allowedIPs.append(IPPrefix(host: addressV6)) }
        return RemotePeer(
            publicKey: peer.publicKey,
            allowedIPs: allowedIPs,
            fqdn: fqdn(peer.label),
            agentVersion: peer.meta.agentVersion,
            sshPublicKey: peer.sshPublicKey
        )
    }

    private func fqdn(_ label: String) -> String { "\(label).\(domain)" }

    /// Names of the visible peers and of who advertises routes. Source: A10.7.
    fileprivate func peerZone(of visible: [Peer], seenBy target: Peer) -> DNSZone {
        var records: [DNSRecord] = []
        for peer in visible {
            for label in [peer.label] + peer.extraLabels {
                var addresses = [peer.address]
                // Only names of peers that take IPv6 lead there, although rules and allowed IPs name every address.
                if target.usesIPv6, peer.usesIPv6, let addressV6 = peer.addressV6 { addresses.append(addressV6) }
                records += addresses.map {
                    DNSRecord(name: fqdn(label), data: .address($0), ttlSeconds: peerRecordTTLSeconds)
                }
            }
        }
        return DNSZone(domain: domain + ".", records: records)
    }

    /// The newer port only once every agent of the account listens there.
    var forwarderPort: UInt16 {
        let isNewEverywhere = peers.values.allSatisfy { AgentVersion($0.meta.agentVersion) >= .forwarderPort }
        return isNewEverywhere ? DNSConfiguration.currentForwarderPort : DNSConfiguration.legacyForwarderPort
    }
}

/// Source: A10.7.
private let peerRecordTTLSeconds: UInt32 = 300
