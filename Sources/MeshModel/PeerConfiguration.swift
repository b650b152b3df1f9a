/// What we want the kernel to hold for one WireGuard peer.
public struct PeerConfiguration: Hashable, Sendable {
    public var publicKey: PublicKey
    /// `nil`: none.
    public var presharedKey: PresharedKey?
    /// What we last decided. `nil`: leave the kernel's as it is (a new peer then has none and learns it by roaming).
    ///
    /// Not level-triggered, since the kernel roams endpoints on every authenticated packet: see docs/architecture.md.
    public var endpoint: Endpoint?
    /// Where the peer was last time, for a peer that the kernel knows no endpoint of while nothing is decided; `nil`:
    /// nowhere that is known. It never takes the place of an endpoint that the kernel has.
    public var endpointHint: Endpoint?
    /// Networks with host bits zero. No two peers of a device may hold the same one.
    public var allowedIPs: Set<IPPrefix>
    /// Seconds between keepalives; 0: off.
    public var persistentKeepaliveSeconds: UInt16

    public init(
        publicKey: PublicKey,
        presharedKey: PresharedKey? = nil,
        endpoint: Endpoint? = nil,
        endpointHint: Endpoint? = nil,
        allowedIPs: Set<IPPrefix> = [],
        persistentKeepaliveSeconds: UInt16 = 0
    ) {
        self.publicKey = publicKey
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.endpointHint = endpointHint
        self.allowedIPs = allowedIPs
        self.persistentKeepaliveSeconds = persistentKeepaliveSeconds
    }
}
