/// Packets in bulk: read and rewritten where they lie. Source: spec/wire/relay.md 3.1.
///
/// A relay asks `RelayFrame.Kind(of:)` what a message is, `peer(of:)` where it goes, writes the sender's id over the
/// destination's and passes the same bytes on. A client puts `header(to:)` before a packet of its own.
public enum RelayTransport {
    /// The destination of a message from a client, the source of one from a relay.
    ///
    /// - Parameter message: a whole `transport` message, as `RelayFrame.Kind(of:)` said.
    /// - Returns: `nil` if it is too short for an id.
    public static func peer(of message: RawSpan) -> RelayPeerID? {
        guard message.byteCount >= RelayLimits.transportHeaderBytes else { return nil }
        return RelayPeerID(unchecked: message, at: RelayLimits.headerBytes)
    }

    /// Writes `peer` over the id of a message for which `peer(of:)` had one.
    public static func setPeer(_ peer: RelayPeerID, in message: inout MutableRawSpan) {
        precondition(message.byteCount >= RelayLimits.transportHeaderBytes, "no transport message")
        peer.store(in: &message, at: RelayLimits.headerBytes)
    }

    /// Writes the 38 bytes before a payload at the start of `buffer`, which must have room for them.
    public static func writeHeader(to peer: RelayPeerID, in buffer: inout MutableRawSpan) {
        precondition(buffer.byteCount >= RelayLimits.transportHeaderBytes, "no room for a transport header")
        buffer.storeBytes(of: RelayFrame.version, toByteOffset: 0, as: UInt8.self)
        buffer.storeBytes(of: RelayFrame.Kind.transport.rawValue, toByteOffset: 1, as: UInt8.self)
        peer.store(in: &buffer, at: RelayLimits.headerBytes)
    }

    /// The 38 bytes before a payload.
    public static func header(to peer: RelayPeerID) -> [UInt8] {
        var header = [RelayFrame.version, RelayFrame.Kind.transport.rawValue]
        header.reserveCapacity(RelayLimits.transportHeaderBytes)
        peer.append(to: &header)
        return header
    }
}
