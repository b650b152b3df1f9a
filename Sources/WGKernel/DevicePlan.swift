public import MeshModel

/// Lists the changes that turn `current` into `desired`, additions before removals.
///
/// Pure: equal inputs give equal output, and an interface that holds what is desired needs nothing. An allowed IP moves to
/// the peer that claims it in one step, since the kernel takes it from the former owner; so claims come before everything
/// that removes.
///
/// - Parameters:
///   - endpointLedger: the endpoints that *we* set last. An endpoint is emitted only if the decision differs from it: the
///     kernel roams endpoints on every authenticated packet, so its own value says nothing about our decision. A peer that
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
    if current.privateKey.map(clamped) != clamped(desired.privateKey) {
        operations.append(.setPrivateKey(desired.privateKey))
    }
    if desired.listenPort != 0, current.listenPort != desired.listenPort {
        operations.append(.setListenPort(desired.listenPort))
    }
    if current.fwmark != desired.fwmark { operations.append(.setFwmark(desired.fwmark)) }

    let owners = AllowedIPOwners(desired: desired)
    let held = Dictionary(current.peers.map { ($0.publicKey, $0) }, uniquingKeysWith: { first, _ in first })
    var claims: [DeviceOperation] = []
    var losses: [DeviceOperation] = []
    for key in desired.peers.keys.sorted() {
        guard let peer = desired.peers[key] else { continue }
        let wanted = owners.allowedIPs(of: key)
        guard let present = held[key] else {
            claims.append(.setPeer(creation(of: peer, allowedIPs: wanted)))
            continue
        }
        var change = PeerChange(publicKey: key, updateOnly: true)
        change.presharedKey = presharedKeyChange(from: present.presharedKey, to: peer.presharedKey)
        if let endpoint = peer.endpoint {
            if endpoint != endpointLedger[key] { change.endpoint = endpoint }
        } else if present.endpoint == nil {
            change.endpoint = peer.endpointHint
        }
        if present.persistentKeepaliveSeconds != peer.persistentKeepaliveSeconds {
            change.persistentKeepaliveSeconds = peer.persistentKeepaliveSeconds
        }
        let heldIPs = Set(present.allowedIPs)
        change.addedAllowedIPs = wanted.filter { !heldIPs.contains($0) }
        // What another peer claims leaves this one by that claim.
        let lost = heldIPs.filter { owners.owner(of: $0) == nil }.sorted()
        if change != PeerChange(publicKey: key, updateOnly: true) { claims.append(.setPeer(change)) }
        if lost.isEmpty { continue }
        var loss = PeerChange(publicKey: key, updateOnly: true)
        loss.replaceAllowedIPs = !removesAllowedIPs
        if removesAllowedIPs { loss.removedAllowedIPs = lost } else { loss.addedAllowedIPs = wanted }
        losses.append(.setPeer(loss))
    }
    let gone = held.keys.filter { desired.peers[$0] == nil }.sorted()
    return operations + claims + losses + gone.map { .removePeer($0) }
}

/// The key as the kernel reports it: it sets the fixed bits of a Curve25519 scalar (RFC 7748, section 5) when it takes one.
private func clamped(_ key: PrivateKey) -> [UInt8] {
    var bytes = key.bytes
    bytes[0] &= 0b1111_1000
    bytes[31] = bytes[31] & 0b0111_1111 | 0b0100_0000
    return bytes
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

/// Who shall hold each allowed IP. The kernel gives a prefix to one peer only; if two claim it, the first key wins, so that
/// the plan does not move it back and forth for ever.
private struct AllowedIPOwners {
    private var owners: [IPPrefix: PublicKey] = [:]
    private var lists: [PublicKey: [IPPrefix]] = [:]

    init(desired: DeviceConfiguration) {
        for key in desired.peers.keys.sorted() {
            guard let peer = desired.peers[key] else { continue }
            for prefix in Set(peer.allowedIPs.map(\.network)).sorted() where owners[prefix] == nil {
                owners[prefix] = key
                lists[key, default: []].append(prefix)
            }
        }
    }

    func owner(of prefix: IPPrefix) -> PublicKey? { owners[prefix] }

    /// Sorted.
    func allowedIPs(of key: PublicKey) -> [IPPrefix] { lists[key] ?? [] }
}
