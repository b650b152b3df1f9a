public import MeshModel

/// What the kernel holds for one WireGuard interface.
public struct DeviceSnapshot: Hashable, Sendable {
    public var name: String
    public var index: UInt32
    /// `nil`: not set, or hidden from a reader without `CAP_NET_ADMIN`.
    public var privateKey: PrivateKey?
    /// `nil`: no private key is set.
    public var publicKey: PublicKey?
    /// 0: none while the link is down.
    public var listenPort: UInt16
    /// 0: none.
    public var fwmark: UInt32
    /// In the kernel's order, which is the order of creation.
    public var peers: [PeerSnapshot]

    public init(
        name: String,
        index: UInt32,
        privateKey: PrivateKey? = nil,
        publicKey: PublicKey? = nil,
        listenPort: UInt16 = 0,
        fwmark: UInt32 = 0,
        peers: [PeerSnapshot] = []
    ) {
        self.name = name
        self.index = index
        self.privateKey = privateKey
        self.publicKey = publicKey
        self.listenPort = listenPort
        self.fwmark = fwmark
        self.peers = peers
    }
}

/// What the kernel holds for one peer.
public struct PeerSnapshot: Hashable, Sendable {
    public var publicKey: PublicKey
    /// `nil`: none (the kernel reports 32 zero bytes).
    public var presharedKey: PresharedKey?
    /// Where the kernel sends to now; it roams. `nil`: nowhere yet.
    public var endpoint: Endpoint?
    /// Link index that a link-local endpoint belongs to; 0: none.
    public var endpointScope: UInt32
    /// In the kernel's order.
    public var allowedIPs: [IPPrefix]
    /// 0: off.
    public var persistentKeepaliveSeconds: UInt16
    /// Time since 1970; both 0: never.
    public var latestHandshakeSeconds: Int64
    public var latestHandshakeNanoseconds: Int64
    public var receivedBytes: UInt64
    public var sentBytes: UInt64
    /// 1 for every WireGuard there is; 0: not reported.
    public var protocolVersion: UInt32

    public init(
        publicKey: PublicKey,
        presharedKey: PresharedKey? = nil,
        endpoint: Endpoint? = nil,
        endpointScope: UInt32 = 0,
        allowedIPs: [IPPrefix] = [],
        persistentKeepaliveSeconds: UInt16 = 0,
        latestHandshakeSeconds: Int64 = 0,
        latestHandshakeNanoseconds: Int64 = 0,
        receivedBytes: UInt64 = 0,
        sentBytes: UInt64 = 0,
        protocolVersion: UInt32 = 0
    ) {
        self.publicKey = publicKey
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.endpointScope = endpointScope
        self.allowedIPs = allowedIPs
        self.persistentKeepaliveSeconds = persistentKeepaliveSeconds
        self.latestHandshakeSeconds = latestHandshakeSeconds
        self.latestHandshakeNanoseconds = latestHandshakeNanoseconds
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
        self.protocolVersion = protocolVersion
    }

    /// What the decisions need of it.
    public var observation: PeerObservation {
        PeerObservation(
            endpoint: endpoint,
            latestHandshakeSeconds: latestHandshakeSeconds,
            receivedBytes: receivedBytes,
            sentBytes: sentBytes
        )
    }
}
