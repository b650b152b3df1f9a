/// One UDP datagram on WireGuard's port, in or out.
public struct Datagram: Hashable, Sendable {
    /// Our side: the address it arrived at, or the one to send from.
    public var local: Endpoint
    public var remote: Endpoint
    /// UDP payload.
    public var bytes: [UInt8]

    public init(local: Endpoint, remote: Endpoint, bytes: [UInt8]) {
        self.local = local
        self.remote = remote
        self.bytes = bytes
    }
}
