import MeshModel
import NetlinkWire

extension DeviceOperation {
    /// Attributes of the `WG_CMD_SET_DEVICE` messages that carry `operations` in their order.
    ///
    /// Split because a nested attribute ends at 65,535 bytes: by bytes, not by peers, since a peer can hold any number of
    /// allowed IPs. One that is cut goes on in the next message, update-only and without replacing.
    ///
    /// - Parameter budgetBytes: at least `leastBudgetBytes`.
    public static func encode(
        _ operations: [DeviceOperation],
        interface: String,
        budgetBytes: Int = defaultBudgetBytes
    ) -> [[UInt8]] {
        var messages = DeviceMessages(interface: interface, budgetBytes: max(budgetBytes, leastBudgetBytes))
        for operation in operations { messages.append(operation) }
        return messages.finish()
    }

    /// Well below 65,535 and the default send buffer (212,992 bytes, of which the kernel counts overhead).
    public static let defaultBudgetBytes = 60_000
    /// Room for the device's own attributes, and for one peer with one allowed IP.
    public static let leastBudgetBytes = 512
}

/// Writes operations into messages, and starts a new message where the budget ends.
private struct DeviceMessages {
    private let interface: String
    private let budgetBytes: Int
    private var finished: [[UInt8]] = []
    private var encoder: AttributeEncoder
    /// Where `WGDEVICE_A_PEERS` of the current message starts; `nil`: it has no peers yet.
    private var peersStart: Int?
    private var isEmpty = true

    init(interface: String, budgetBytes: Int) {
        self.interface = interface
        self.budgetBytes = budgetBytes
        encoder = AttributeEncoder()
        encoder.append(WireGuardFamily.Device.name, string: interface)
    }

    mutating func append(_ operation: DeviceOperation) {
        switch operation {
        case .setPrivateKey(let key):
            beginDeviceAttribute()
            encoder.append(WireGuardFamily.Device.privateKey, bytes: key.bytes)
        case .setListenPort(let port):
            beginDeviceAttribute()
            encoder.append(WireGuardFamily.Device.listenPort, integer: port)
        case .setFwmark(let mark):
            beginDeviceAttribute()
            encoder.append(WireGuardFamily.Device.fwmark, integer: mark)
        case .removeAllPeers:
            beginDeviceAttribute()
            encoder.append(WireGuardFamily.Device.flags, integer: WireGuardFamily.DeviceFlag.replacePeers)
        case .removePeer(let key):
            append(PeerChange(publicKey: key), flags: WireGuardFamily.PeerFlag.removeMe)
        case .setPeer(let change):
            var flags: UInt32 = 0
            if change.updateOnly { flags |= WireGuardFamily.PeerFlag.updateOnly }
            if change.replaceAllowedIPs { flags |= WireGuardFamily.PeerFlag.replaceAllowedIPs }
            append(change, flags: flags)
        }
    }

    mutating func finish() -> [[UInt8]] {
        if !isEmpty { endMessage() }
        return finished
    }

    /// The kernel applies the device's attributes before the peers of the same message, whatever their order.
    private mutating func beginDeviceAttribute() {
        if peersStart != nil { endMessage() }
        isEmpty = false
    }

    private mutating func append(_ change: PeerChange, flags: UInt32) {
        var peer = encodeHead(of: change, flags: flags)
        // Removals first: an allowed IP in both lists ends up present.
        let items =
            change.removedAllowedIPs.map { encodeAllowedIP($0, isRemoval: true) }
            + change.addedAllowedIPs.map { encodeAllowedIP($0, isRemoval: false) }
        var next = 0
        while true {
            let least = peer.count + (next < items.count ? AttributeEncoder.headerBytes + items[next].count : 0)
            beginPeer(leastBytes: least)
            let start = encoder.open(0)
            encoder.append(encoded: peer)
            if next < items.count {
                let list = encoder.open(WireGuardFamily.Peer.allowedIPs)
                while next < items.count, encoder.bytes.count + items[next].count <= budgetBytes {
                    encoder.append(encoded: items[next])
                    next += 1
                }
                encoder.close(list)
            }
            encoder.close(start)
            if next == items.count { return }
            let continuation = PeerChange(publicKey: change.publicKey)
            peer = encodeHead(of: continuation, flags: WireGuardFamily.PeerFlag.updateOnly)
        }
    }

    private mutating func beginPeer(leastBytes: Int) {
        let nestHeaders = 2 * AttributeEncoder.headerBytes
        if !isEmpty, encoder.bytes.count + nestHeaders + leastBytes > budgetBytes { endMessage() }
        if peersStart == nil { peersStart = encoder.open(WireGuardFamily.Device.peers) }
        isEmpty = false
    }

    private mutating func endMessage() {
        if let peersStart { encoder.close(peersStart) }
        finished.append(encoder.bytes)
        self = DeviceMessages(interface: interface, budgetBytes: budgetBytes, finished: finished)
    }

    private init(interface: String, budgetBytes: Int, finished: [[UInt8]]) {
        self.init(interface: interface, budgetBytes: budgetBytes)
        self.finished = finished
    }
}

/// Everything of a peer but its allowed IPs.
private func encodeHead(of change: PeerChange, flags: UInt32) -> [UInt8] {
    var peer = AttributeEncoder()
    peer.append(WireGuardFamily.Peer.publicKey, bytes: change.publicKey.bytes)
    if flags != 0 { peer.append(WireGuardFamily.Peer.flags, integer: flags) }
    switch change.presharedKey {
    case nil: break
    case .set(let key): peer.append(WireGuardFamily.Peer.presharedKey, bytes: key.bytes)
    case .clear:
        // 32 zero bytes mean none.
        peer.append(WireGuardFamily.Peer.presharedKey, bytes: Array(repeating: 0, count: WireGuardFamily.keyBytes))
    }
    if let seconds = change.persistentKeepaliveSeconds {
        peer.append(WireGuardFamily.Peer.keepalive, integer: seconds)
    }
    if let endpoint = change.endpoint {
        peer.append(WireGuardFamily.Peer.endpoint, bytes: endpoint.sockaddr(scope: change.endpointScope))
    }
    return peer.bytes
}

/// One element of `WGPEER_A_ALLOWEDIPS`.
private func encodeAllowedIP(_ prefix: IPPrefix, isRemoval: Bool) -> [UInt8] {
    var element = AttributeEncoder()
    element.nest(0) { item in
        let family = prefix.isV4 ? WireGuardFamily.familyV4 : WireGuardFamily.familyV6
        item.append(WireGuardFamily.AllowedIP.family, integer: family)
        item.append(WireGuardFamily.AllowedIP.address, bytes: prefix.address.bytes)
        item.append(WireGuardFamily.AllowedIP.length, integer: UInt8(prefix.length))
        if isRemoval { item.append(WireGuardFamily.AllowedIP.flags, integer: WireGuardFamily.AllowedIP.removeMe) }
    }
    return element.bytes
}
