import MeshModel
package import WGKernel

/// A device as the kernel would hold it after changes that are not made.
///
/// An allowed IP belongs to the peer that claimed it last, and stands at the end of that peer's list.
package struct DeviceModel {
    private var device: DeviceSnapshot
    /// Peers without their allowed IPs.
    private var peers: [PublicKey: PeerSnapshot] = [:]
    /// Of the peers, by when they came.
    private var peerOrder: [PublicKey: Int] = [:]
    private var claims: [IPPrefix: (owner: PublicKey, order: Int)] = [:]
    private var held: [PublicKey: Set<IPPrefix>] = [:]
    private var clock = 0

    package init(_ device: DeviceSnapshot) {
        self.device = device
        self.device.peers = []
        for peer in device.peers {
            var bare = peer
            bare.allowedIPs = []
            peers[peer.publicKey] = bare
            peerOrder[peer.publicKey] = tick()
            for prefix in peer.allowedIPs { claim(prefix, for: peer.publicKey) }
        }
    }

    package mutating func apply(_ operation: DeviceOperation) {
        switch operation {
        case .setPrivateKey(let key): device.privateKey = asHeld(key)
        case .setListenPort(let port): device.listenPort = port
        case .setFwmark(let mark): device.fwmark = mark
        case .removeAllPeers: for key in Array(peers.keys) { remove(key) }
        case .removePeer(let key): remove(key)
        case .setPeer(let change): apply(change)
        }
    }

    /// Peers in the order in which they came.
    package var snapshot: DeviceSnapshot {
        var device = device
        let keys = peerOrder.sorted { $0.value < $1.value }.map(\.key)
        device.peers = keys.compactMap { key in
            var peer = peers[key]
            let prefixes = held[key] ?? []
            peer?.allowedIPs = prefixes.sorted { (claims[$0]?.order ?? 0) < (claims[$1]?.order ?? 0) }
            return peer
        }
        return device
    }

    private mutating func apply(_ change: PeerChange) {
        let key = change.publicKey
        if change.updateOnly && peers[key] == nil { return }
        var peer = peers[key] ?? PeerSnapshot(publicKey: key)
        if peers[key] == nil { peerOrder[key] = tick() }
        switch change.presharedKey {
        case nil: break
        case .clear: peer.presharedKey = nil
        case .set(let secret): peer.presharedKey = secret
        }
        if let endpoint = change.endpoint {
            peer.endpoint = endpoint
            peer.endpointScope = change.endpointScope
        }
        if let seconds = change.persistentKeepaliveSeconds { peer.persistentKeepaliveSeconds = seconds }
        peers[key] = peer
        if change.replaceAllowedIPs { releaseAll(of: key) }
        for prefix in change.removedAllowedIPs where claims[prefix]?.owner == key { release(prefix) }
        for prefix in change.addedAllowedIPs { claim(prefix, for: key) }
    }

    private mutating func remove(_ key: PublicKey) {
        releaseAll(of: key)
        peers[key] = nil
        peerOrder[key] = nil
    }

    private mutating func claim(_ prefix: IPPrefix, for key: PublicKey) {
        release(prefix)
        claims[prefix] = (key, tick())
        held[key, default: []].insert(prefix)
    }

    private mutating func release(_ prefix: IPPrefix) {
        guard let owner = claims.removeValue(forKey: prefix)?.owner else { return }
        held[owner]?.remove(prefix)
    }

    private mutating func releaseAll(of key: PublicKey) {
        for prefix in held.removeValue(forKey: key) ?? [] { claims[prefix] = nil }
    }

    private mutating func tick() -> Int {
        clock += 1
        return clock
    }
}

/// The kernel clamps what it is given, and reports the result.
private func asHeld(_ key: PrivateKey) -> PrivateKey? {
    key.isZero ? nil : key.clamped
}
