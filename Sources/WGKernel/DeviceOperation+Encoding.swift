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
        _ operations: some Sequence<DeviceOperation>,
        interface: String,
        budgetBytes: Int = defaultBudgetBytes
    ) -> [[UInt8]] {
        var messages = DeviceMessages(interface: interface, budgetBytes: max(budgetBytes, leastBudgetBytes))
        for operation in operations { messages.append(operation) }
        messages.endMessage()
        return messages.takeFinished()
    }

    /// Well below 65,535 and the default send buffer (212,992 bytes, of which the kernel counts overhead).
    public static let defaultBudgetBytes = 60_000
    /// Room for the device's own attributes, and for one peer with one allowed IP.
    public static let leastBudgetBytes = 512
}

/// Writes operations into messages, and starts a new message where the budget ends.
struct DeviceMessages {
    private let interface: String
    private let budgetBytes: Int
    private var finished: [[UInt8]] = []
    private var encoder: AttributeEncoder
    /// Where `WGDEVICE_A_PEERS` of the current message starts; `nil`: it has no peers yet.
    private var peersStart: Int?
    private var isEmpty = true

    /// - Parameter budgetBytes: at least `DeviceOperation.leastBudgetBytes`.
    init(interface: String, budgetBytes: Int) {
        self.init(interface: interface, budgetBytes: budgetBytes, finished: [])
    }

    mutating func append(_ operation: DeviceOperation) {
        switch operation {
        case .setPrivateKey(let key):
            beginDeviceAttribute()
            encoder.append(WireGuardFamily.Device.privateKey, count: WireGuardFamily.keyBytes) { key.append(to: &$0) }
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

    var hasFinished: Bool { !finished.isEmpty }

    /// The messages that are full, which are then forgotten.
    mutating func takeFinished() -> [[UInt8]] {
        defer { finished = [] }
        return finished
    }

    /// Overwrites the message that is not finished; it is of no more use then.
    mutating func wipe() { encoder.wipe() }

    /// The current message takes no more.
    mutating func endMessage() {
        if isEmpty { return }
        if let peersStart { encoder.close(peersStart) }
        finished.append(encoder.bytes)
        self = DeviceMessages(interface: interface, budgetBytes: budgetBytes, finished: finished)
    }

    /// The kernel applies the device's attributes before the peers of the same message, whatever their order.
    private mutating func beginDeviceAttribute() {
        if peersStart != nil { endMessage() }
        isEmpty = false
    }

    private mutating func append(_ change: PeerChange, flags: UInt32) {
        var head = PeerHead(change: change, flags: flags)
        // Removals first: an allowed IP in both lists ends up present.
        let removals = change.removedAllowedIPs.count
        let count = removals + change.addedAllowedIPs.count
        var next = 0
        func item(_ index: Int) -> AllowedIPItem {
            index < removals
                ? AllowedIPItem(prefix: change.removedAllowedIPs[index], isRemoval: true)
                : AllowedIPItem(prefix: change.addedAllowedIPs[index - removals], isRemoval: false)
        }
        while true {
            let least = head.sizeBytes + (next < count ? AttributeEncoder.headerBytes + item(next).sizeBytes : 0)
            beginPeer(leastBytes: least)
            let start = encoder.open(0)
            head.append(to: &encoder)
            if next < count {
                let list = encoder.open(WireGuardFamily.Peer.allowedIPs)
                while next < count, encoder.bytes.count + item(next).sizeBytes <= budgetBytes {
                    item(next).append(to: &encoder)
                    next += 1
                }
                encoder.close(list)
            }
            encoder.close(start)
            if next == count { return }
            let continuation = PeerChange(publicKey: change.publicKey)
            head = PeerHead(change: continuation, flags: WireGuardFamily.PeerFlag.updateOnly)
        }
    }

    private mutating func beginPeer(leastBytes: Int) {
        let nestHeaders = 2 * AttributeEncoder.headerBytes
        if !isEmpty, encoder.bytes.count + nestHeaders + leastBytes > budgetBytes { endMessage() }
        if peersStart == nil { peersStart = encoder.open(WireGuardFamily.Device.peers) }
        isEmpty = false
    }

    private init(interface: String, budgetBytes: Int, finished: [[UInt8]]) {
        self.interface = interface
        self.budgetBytes = budgetBytes
        self.finished = finished
        // All the room at once: growing would leave keys behind in memory that nobody overwrites.
        encoder = AttributeEncoder(expectedBytes: budgetBytes)
        encoder.append(WireGuardFamily.Device.name, string: interface)
    }
}

/// Everything of a peer but its allowed IPs.
private struct PeerHead {
    let change: PeerChange
    let flags: UInt32

    var sizeBytes: Int {
        var size = keyAttributeBytes
        if flags != 0 { size += 8 }
        if change.presharedKey != nil { size += keyAttributeBytes }
        if change.persistentKeepaliveSeconds != nil { size += 8 }
        if let endpoint = change.endpoint { size += AttributeEncoder.headerBytes + (endpoint.address.isV4 ? 16 : 28) }
        return size
    }

    func append(to encoder: inout AttributeEncoder) {
        let end = encoder.count + sizeBytes
        encoder.append(WireGuardFamily.Peer.publicKey, count: WireGuardFamily.keyBytes) {
            change.publicKey.append(to: &$0)
        }
        if flags != 0 { encoder.append(WireGuardFamily.Peer.flags, integer: flags) }
        if let presharedKey = change.presharedKey {
            encoder.append(WireGuardFamily.Peer.presharedKey, count: WireGuardFamily.keyBytes) { bytes in
                switch presharedKey {
                case .set(let key): key.append(to: &bytes)
                // 32 zero bytes mean none.
                case .clear: bytes.append(contentsOf: repeatElement(0, count: WireGuardFamily.keyBytes))
                }
            }
        }
        if let seconds = change.persistentKeepaliveSeconds {
            encoder.append(WireGuardFamily.Peer.keepalive, integer: seconds)
        }
        if let endpoint = change.endpoint {
            encoder.append(WireGuardFamily.Peer.endpoint, bytes: endpoint.sockaddr(scope: change.endpointScope))
        }
        precondition(encoder.count == end, "a peer of \(encoder.count - end) bytes more than announced")
    }

    private var keyAttributeBytes: Int { AttributeEncoder.headerBytes + WireGuardFamily.keyBytes }
}

/// One element of `WGPEER_A_ALLOWEDIPS`.
private struct AllowedIPItem {
    var prefix: IPPrefix
    var isRemoval: Bool

    /// Its own header, then family, address, length and flags, each with header and padding.
    var sizeBytes: Int { 4 + 8 + 4 + addressBytes + 8 + (isRemoval ? 8 : 0) }

    func append(to encoder: inout AttributeEncoder) {
        let start = encoder.open(0)
        let family = prefix.isV4 ? WireGuardFamily.familyV4 : WireGuardFamily.familyV6
        encoder.append(WireGuardFamily.AllowedIP.family, integer: family)
        encoder.append(WireGuardFamily.AllowedIP.address, count: addressBytes) { prefix.address.append(to: &$0) }
        encoder.append(WireGuardFamily.AllowedIP.length, integer: UInt8(prefix.length))
        if isRemoval { encoder.append(WireGuardFamily.AllowedIP.flags, integer: WireGuardFamily.AllowedIP.removeMe) }
        encoder.close(start)
    }

    private var addressBytes: Int { prefix.address.bitWidth / 8 }
}
