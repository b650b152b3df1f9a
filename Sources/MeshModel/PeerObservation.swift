/// What the kernel said about one peer the last time it was read.
public struct PeerObservation: Hashable, Sendable {
    /// Where the kernel sends to now; it roams on every authenticated packet. `nil`: nowhere yet.
    public var endpoint: Endpoint?
    /// Seconds since 1970 of the last completed handshake; 0: never.
    public var latestHandshakeSeconds: Int64
    public var receivedBytes: UInt64
    public var sentBytes: UInt64

    public init(endpoint: Endpoint?, latestHandshakeSeconds: Int64, receivedBytes: UInt64, sentBytes: UInt64) {
        self.endpoint = endpoint
        self.latestHandshakeSeconds = latestHandshakeSeconds
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
    }
}
