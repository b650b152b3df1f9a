package import MeshModel
package import WGKernel

/// What a configuration file, or the arguments of `set`, ask of a device. What is `nil` or empty stays as it is.
package struct DeviceChange: Hashable, Sendable {
    /// 32 zero bytes: take the key away.
    package var privateKey: PrivateKey?
    /// 0: the kernel chooses.
    package var listenPort: UInt16?
    /// 0: off.
    package var fwmark: UInt32?
    /// Whether `peers` are all that shall be left.
    package var replacesPeers: Bool
    /// In the order of the text; the kernel lists new peers in it. A key may come twice.
    package var peers: [PeerRequest]

    package init(
        privateKey: PrivateKey? = nil,
        listenPort: UInt16? = nil,
        fwmark: UInt32? = nil,
        replacesPeers: Bool = false,
        peers: [PeerRequest] = []
    ) {
        self.privateKey = privateKey
        self.listenPort = listenPort
        self.fwmark = fwmark
        self.replacesPeers = replacesPeers
        self.peers = peers
    }

    /// A whole configuration: what the text does not name is reset, as `setconf` and `syncconf` do.
    package mutating func resetUnnamed() {
        privateKey = privateKey ?? noPrivateKey
        listenPort = listenPort ?? 0
        fwmark = fwmark ?? 0
        replacesPeers = true
    }

    /// The change, without looking at the device.
    package var operations: DeviceChangeOperations { DeviceChangeOperations(self) }

    /// Whether it names single allowed IPs to remove, which kernels before 6.16 cannot.
    package var removesSingleAllowedIPs: Bool { peers.contains { !$0.change.removedAllowedIPs.isEmpty } }
}

/// The operations of a change, each made when it is asked for: a second list of a large device would be megabytes.
package struct DeviceChangeOperations: Sequence, IteratorProtocol {
    /// Last first.
    private var settings: [DeviceOperation] = []
    private var peers: ArraySlice<PeerRequest>

    fileprivate init(_ change: DeviceChange) {
        peers = change.peers[...]
        if change.replacesPeers { settings.append(.removeAllPeers) }
        if let fwmark = change.fwmark { settings.append(.setFwmark(fwmark)) }
        if let listenPort = change.listenPort { settings.append(.setListenPort(listenPort)) }
        if let privateKey = change.privateKey { settings.append(.setPrivateKey(privateKey)) }
    }

    package mutating func next() -> DeviceOperation? {
        if let setting = settings.popLast() { return setting }
        return peers.popFirst()?.operation
    }
}

/// One peer of a `DeviceChange`.
package struct PeerRequest: Hashable, Sendable {
    package var change: PeerChange
    /// Then the rest of `change` means nothing.
    package var isRemoval: Bool

    package init(change: PeerChange, isRemoval: Bool = false) {
        self.change = change
        self.isRemoval = isRemoval
    }

    package var operation: DeviceOperation { isRemoval ? .removePeer(change.publicKey) : .setPeer(change) }
}

/// What the kernel takes as "no key".
package let noPrivateKey: PrivateKey = {
    guard let key = PrivateKey(bytes: Array(repeating: 0, count: ConfigValue.keyBytes)) else {
        preconditionFailure("zero bytes of a key's length are no key")
    }
    return key
}()
