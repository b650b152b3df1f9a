/// Sizes of the relay protocol. Source: spec/wire/relay.md 3.
public enum RelayLimits {
    /// Of a message, its header included.
    public static let longestMessageBytes = 8820
    /// Of the first message, `auth`: what a server reads of somebody it does not know.
    public static let longestAuthBytes = 212
    /// Of the message `authResponse`.
    public static let longestAuthResponseBytes = 8192
    /// Version and type.
    public static let headerBytes = 2
    /// Of `transport`: version, type and the peer's id, then comes the payload.
    public static let transportHeaderBytes = headerBytes + RelayPeerID.lengthBytes
    /// Of a `transport` message.
    public static let longestPayloadBytes = longestMessageBytes - transportHeaderBytes
    /// Peers in one message that lists them; more need more messages.
    public static let peersPerMessage = (longestMessageBytes - headerBytes) / RelayPeerID.lengthBytes
}
