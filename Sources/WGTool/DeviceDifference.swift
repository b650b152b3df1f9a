import MeshModel
package import WGKernel

/// Lists what `syncconf` does: the changes that bring a device to a whole configuration and leave the sessions of peers that
/// stay alone. Nothing is done that is so already.
///
/// What a `[Peer]` section does not name stays as it is, but for `AllowedIPs`; peers that are not named go.
package func syncPlan(current: DeviceSnapshot, configuration: DeviceChange) -> [DeviceOperation] {
    var whole = configuration
    whole.resetUnnamed()
    whole.replacesPeers = false
    let (current, rest) = withoutSettledPeers(current, whole)
    let named = Set(rest.peers.map(\.change.publicKey))
    var model = DeviceModel(current)
    for peer in current.peers where !named.contains(peer.publicKey) { model.apply(.removePeer(peer.publicKey)) }
    for operation in rest.operations { model.apply(operation) }
    return difference(from: current, to: model.snapshot)
}

/// A device and its configuration without the peers that are as they shall be, of which a large device has many; what is
/// left gives the same changes.
private func withoutSettledPeers(
    _ current: DeviceSnapshot,
    _ configuration: DeviceChange
) -> (DeviceSnapshot, DeviceChange) {
    let places = Dictionary(zip(current.peers.map(\.publicKey), 0...), uniquingKeysWith: { first, _ in first })
    var isSettled = [Bool](repeating: false, count: current.peers.count)
    var isNamed = isSettled
    var rest = configuration
    rest.peers = []
    for request in configuration.peers {
        guard let place = places[request.change.publicKey] else {
            rest.peers.append(request)
            continue
        }
        // A key that comes twice: the second section speaks about what the first one made.
        if isNamed[place] { return (current, configuration) }
        isNamed[place] = true
        isSettled[place] = !request.isRemoval && request.change.isFulfilled(by: current.peers[place])
        if !isSettled[place] { rest.peers.append(request) }
    }
    // A prefix that moves from a settled peer to another concerns both.
    let claims = Set(rest.peers.flatMap { $0.change.addedAllowedIPs })
    var device = current
    device.peers = []
    for (place, peer) in current.peers.enumerated() {
        if !isSettled[place] {
            device.peers.append(peer)
        } else if !claims.isEmpty, peer.allowedIPs.contains(where: claims.contains) {
            return (current, configuration)
        }
    }
    return (device, rest)
}

extension PeerChange {
    /// Whether a peer would be the same after the change.
    fileprivate func isFulfilled(by peer: PeerSnapshot) -> Bool {
        let hasPresharedKey =
            switch presharedKey {
            case nil: true
            case .clear: peer.presharedKey == nil
            case .set(let key): peer.presharedKey == key
            }
        let hasEndpoint = endpoint == nil || (endpoint == peer.endpoint && endpointScope == peer.endpointScope)
        let hasKeepalive =
            (persistentKeepaliveSeconds ?? peer.persistentKeepaliveSeconds) == peer.persistentKeepaliveSeconds
        // Lists that are the same hold no prefix twice, since the kernel's does not.
        return hasPresharedKey && hasEndpoint && hasKeepalive && replaceAllowedIPs && removedAllowedIPs.isEmpty
            && addedAllowedIPs == peer.allowedIPs
    }
}

/// Lists the changes that turn one device into another; empty for equals. Endpoints count, handshakes and counters do not.
///
/// Claims of allowed IPs come before removals of peers, so that one moves in a single step.
package func difference(from old: DeviceSnapshot, to new: DeviceSnapshot) -> [DeviceOperation] {
    var operations: [DeviceOperation] = []
    if old.privateKey != new.privateKey { operations.append(.setPrivateKey(new.privateKey ?? noPrivateKey)) }
    if old.listenPort != new.listenPort { operations.append(.setListenPort(new.listenPort)) }
    if old.fwmark != new.fwmark { operations.append(.setFwmark(new.fwmark)) }

    var owners: [IPPrefix: PublicKey] = [:]
    for peer in new.peers { for prefix in peer.allowedIPs { owners[prefix] = peer.publicKey } }
    let held = Dictionary(old.peers.map { ($0.publicKey, $0) }, uniquingKeysWith: { first, _ in first })
    for peer in new.peers {
        let change = peerChange(from: held[peer.publicKey], to: peer, owners: owners)
        if let change { operations.append(.setPeer(change)) }
    }
    let kept = Set(new.peers.map(\.publicKey))
    return operations + old.peers.map(\.publicKey).filter { !kept.contains($0) }.map { .removePeer($0) }
}

private func peerChange(
    from old: PeerSnapshot?,
    to new: PeerSnapshot,
    owners: [IPPrefix: PublicKey]
) -> PeerChange? {
    var change = PeerChange(publicKey: new.publicKey)
    guard let old else {
        change.presharedKey = new.presharedKey.map { .set($0) }
        change.endpoint = new.endpoint
        change.endpointScope = new.endpointScope
        if new.persistentKeepaliveSeconds != 0 { change.persistentKeepaliveSeconds = new.persistentKeepaliveSeconds }
        change.addedAllowedIPs = new.allowedIPs
        return change
    }
    if old.presharedKey != new.presharedKey { change.presharedKey = new.presharedKey.map { .set($0) } ?? .clear }
    if let endpoint = new.endpoint, endpoint != old.endpoint || new.endpointScope != old.endpointScope {
        change.endpoint = endpoint
        change.endpointScope = new.endpointScope
    }
    if old.persistentKeepaliveSeconds != new.persistentKeepaliveSeconds {
        change.persistentKeepaliveSeconds = new.persistentKeepaliveSeconds
    }
    // What another peer claims leaves this one by that claim.
    let left = old.allowedIPs.filter { owners[$0] == nil || owners[$0] == new.publicKey }
    if new.allowedIPs.starts(with: left) {
        change.addedAllowedIPs = Array(new.allowedIPs.dropFirst(left.count))
    } else {
        // Anew, so that the order is that of the configuration.
        change.replaceAllowedIPs = true
        change.addedAllowedIPs = new.allowedIPs
    }
    return change == PeerChange(publicKey: new.publicKey) ? nil : change
}

extension DeviceSnapshot {
    /// The device that a configuration makes of an empty one.
    package init(name: String, configuration: DeviceChange) {
        var model = DeviceModel(DeviceSnapshot(name: name, index: 0))
        for operation in configuration.operations { model.apply(operation) }
        self = model.snapshot
    }

    /// The lists of allowed IPs as they shall be after `change`, each replaced as a whole.
    ///
    /// For kernels before 6.16, which cannot take single ones away.
    package func withoutSingleRemovals(_ change: DeviceChange) -> DeviceChange {
        var model = DeviceModel(self)
        var change = change
        for index in change.peers.indices {
            model.apply(change.peers[index].operation)
            if change.peers[index].isRemoval || change.peers[index].change.removedAllowedIPs.isEmpty { continue }
            let key = change.peers[index].change.publicKey
            let peer = model.snapshot.peers.first { $0.publicKey == key }
            change.peers[index].change.removedAllowedIPs = []
            change.peers[index].change.addedAllowedIPs = peer?.allowedIPs ?? []
            change.peers[index].change.replaceAllowedIPs = true
        }
        return change
    }
}
