public import MeshModel

/// An ICMP echo request (RFC 792, RFC 4443) to send through the tunnel, to see whether a gateway is there.
public struct EchoRequest: Hashable, Sendable {
    /// Our overlay address, of the family of `remote`.
    public var local: IPAddress
    /// The gateway's overlay address.
    public var remote: IPAddress
    public var sequence: UInt16

    public init(local: IPAddress, remote: IPAddress, sequence: UInt16) {
        self.local = local
        self.remote = remote
        self.sequence = sequence
    }
}

/// The answer to an `EchoRequest`. WireGuard has authenticated its source: no other peer may use that address.
public struct EchoReply: Hashable, Sendable {
    public var remote: IPAddress
    public var sequence: UInt16
    /// The gateway asks its clients to go elsewhere; see `EchoPayload`.
    public var isDraining: Bool

    public init(remote: IPAddress, sequence: UInt16, isDraining: Bool = false) {
        self.remote = remote
        self.sequence = sequence
        self.isDraining = isDraining
    }
}
