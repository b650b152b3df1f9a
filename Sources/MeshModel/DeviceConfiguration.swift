/// What we want of one kernel WireGuard interface.
public struct DeviceConfiguration: Hashable, Sendable {
    public var privateKey: PrivateKey
    /// UDP port; 0 lets the kernel choose.
    public var listenPort: UInt16
    /// Mark on every packet the interface sends; 0: none.
    public var fwmark: UInt32
    public var peers: [PublicKey: PeerConfiguration]

    public init(
        privateKey: PrivateKey,
        listenPort: UInt16,
        fwmark: UInt32 = 0,
        peers: [PublicKey: PeerConfiguration] = [:]
    ) {
        self.privateKey = privateKey
        self.listenPort = listenPort
        self.fwmark = fwmark
        self.peers = peers
    }
}
