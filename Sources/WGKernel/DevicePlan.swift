public import MeshModel

/// Lists the changes that turn `current` into `desired`, additions before removals.
///
/// Pure: equal inputs give equal output, and an interface that holds what is desired needs nothing. An allowed IP moves to
/// the peer that claims it in one step, since the kernel takes it from the former owner; so claims come before everything
/// that removes.
///
/// - Parameters:
///   - endpointLedger: the endpoints that *we* set last. An endpoint is emitted only if the decision differs from it: the
///     kernel roams endpoints on every authenticated packet, so its own value says nothing about our decision; but it must not
///     stand on the loopback, where relays end, when the decision is a direct path. A peer that
///     the kernel does not hold always gets its endpoint. A hint is given only where the kernel has no endpoint and
///     nothing is decided.
///   - removesAllowedIPs: whether the kernel (6.16 or newer) takes single allowed IPs away. If not, a peer that loses one
///     gets its whole list anew.
public func plan(
    current: DeviceSnapshot,
    desired: DeviceConfiguration,
    endpointLedger: [PublicKey: Endpoint],
    removesAllowedIPs: Bool = false
) -> [DeviceOperation] {
    var operations: [DeviceOperation] = []
    // The kernel clamps what it is given, and reports the result.
    if current.privateKey?.clamped != desired.privateKey.clamped {
        operations.append(.setPrivateKey(desired.privateKey))
    }
    if desired.listenPort != 0, current.listenPort != desired.listenPort {
        operations.append(.setListenPort(desired.listenPort))
    }
    if current.fwmark != desired.fwmark { operations.append(.setFwmark(desired.fwmark)) }

    // Each peer is visited once, and by key: of many thousands, finding them in memory is most of the work.
    let keys = desired.peers.keys
    let order = keys.indices.map { (key: keys[$0], index: $0) }.sorted { $0.key < $1.key }
    let held = HeldPeers(of: current, among: order.map(\.key))
    operations.reserveCapacity(operations.count + held.indices.count { $0 == nil })
    // Most peers have an address of each family; counting would visit all of them once more.
    var claims = AllowedIPClaims(expectedCount: 2 * order.count)
    var pendingLosses: [(key: PublicKey, left: [IPPrefix], wanted: [IPPrefix])] = []
    for (place, (key, index)) in order.enumerated() {
        let peer = desired.peers.values[index]
        let wanted = claims.claim(peer.allowedIPs)
        guard let present = held.indices[place].map({ current.peers[$0] }) else {
            operations.append(.setPeer(creation(of: peer, allowedIPs: wanted)))
            continue
        }
        var change = PeerChange(publicKey: key, updateOnly: true)
        change.presharedKey = presharedKeyChange(from: present.presharedKey, to: peer.presharedKey)
        if let endpoint = peer.endpoint {
            let isMoved = endpoint != endpointLedger[key] || isStray(present.endpoint, from: endpoint)
            if isMoved { change.endpoint = endpoint }
        } else if present.endpoint == nil {
            change.endpoint = peer.endpointHint
        }
        if present.persistentKeepaliveSeconds != peer.persistentKeepaliveSeconds {
            change.persistentKeepaliveSeconds = peer.persistentKeepaliveSeconds
        }
        // Most lists are what they shall be.
        if present.allowedIPs != wanted {
            let heldIPs = present.allowedIPs.sorted()
            change.addedAllowedIPs = difference(wanted, heldIPs)
            let left = difference(heldIPs, wanted)
            if !left.isEmpty { pendingLosses.append((key, left, wanted)) }
        }
        if change != PeerChange(publicKey: key, updateOnly: true) { operations.append(.setPeer(change)) }
    }
    for (key, left, wanted) in pendingLosses {
        // What another peer claims leaves this one by that claim.
        let lost = left.filter { !claims.contains($0) }
        if lost.isEmpty { continue }
        var loss = PeerChange(publicKey: key, updateOnly: true)
        loss.replaceAllowedIPs = !removesAllowedIPs
        if removesAllowedIPs { loss.removedAllowedIPs = lost } else { loss.addedAllowedIPs = wanted }
        operations.append(.setPeer(loss))
    }
    return operations + held.gone.sorted().map { .removePeer($0) }
}

/// Whether the kernel followed a late packet of a relay back to this host's loopback, away from where the peer was found.
private func isStray(_ current: Endpoint?, from desired: Endpoint) -> Bool {
    guard let current, current.address.isLoopback else { return false }
    return !desired.address.isLoopback
}

/// Where the kernel's peers stand among those that are desired.
private struct HeldPeers {
    /// By place of the desired peer: which of the kernel's it is; `nil`: it is new.
    private(set) var indices: [Int?]
    /// Those that are not desired.
    private(set) var gone: [PublicKey] = []

    init(of device: DeviceSnapshot, among keys: [PublicKey]) {
        indices = Array(repeating: nil, count: keys.count)
        var places = PlaceTable<PublicKey>(expectedCount: keys.count)
        for key in keys { _ = places.insert(key) }
        for (index, peer) in device.peers.enumerated() {
            guard let place = places.place(of: peer.publicKey) else {
                gone.append(peer.publicKey)
                continue
            }
            // The kernel holds a key once.
            indices[place] = indices[place] ?? index
        }
    }
}

/// The elements of `a` that are not in `b`; both are sorted.
private func difference(_ a: [IPPrefix], _ b: [IPPrefix]) -> [IPPrefix] {
    var rest = b[...]
    return a.filter { element in
        while let first = rest.first, first < element { rest.removeFirst() }
        return rest.first != element
    }
}

private func creation(of peer: PeerConfiguration, allowedIPs: [IPPrefix]) -> PeerChange {
    PeerChange(
        publicKey: peer.publicKey,
        presharedKey: peer.presharedKey.map { .set($0) },
        endpoint: peer.endpoint ?? peer.endpointHint,
        persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds == 0 ? nil : peer.persistentKeepaliveSeconds,
        addedAllowedIPs: allowedIPs
    )
}

private func presharedKeyChange(
    from current: PresharedKey?,
    to desired: PresharedKey?
) -> PeerChange.PresharedKeyChange? {
    if current == desired { return nil }
    return desired.map { .set($0) } ?? .clear
}

/// The allowed IPs that peers shall hold. The kernel gives a prefix to one peer only; if two claim it, the first key wins,
/// so that the plan does not move it back and forth for ever.
private struct AllowedIPClaims {
    private var claimed: PlaceTable<IPPrefix>

    init(expectedCount: Int) { claimed = PlaceTable(expectedCount: expectedCount) }

    /// - Returns: the networks that nobody claimed before, sorted.
    mutating func claim(_ prefixes: Set<IPPrefix>) -> [IPPrefix] {
        var list: [IPPrefix] = []
        list.reserveCapacity(prefixes.count)
        // Those that differ only in host bits are one.
        for prefix in prefixes where claimed.insert(prefix.network) { list.append(prefix.network) }
        list.sort()
        return list
    }

    func contains(_ prefix: IPPrefix) -> Bool { claimed.place(of: prefix) != nil }
}
