/// What an agent's echo request to a gateway carries, 8 bytes: a mark, then a word that the gateway may overwrite on its way
/// in, so that the answer (which repeats the request, RFC 792 and RFC 4443) says something about the gateway.
///
/// A gateway that knows nothing of it, such as a stock peer, sends back what it got.
public enum EchoPayload {
    /// So that nobody else's echoes are touched.
    public static let mark = Array("wgmesh".utf8)
    /// Behind the mark: as it is sent.
    public static let plain: [UInt8] = [0, 0]
    /// Behind the mark: the gateway is about to go away, and works until then.
    public static let draining: [UInt8] = [0, 1]
}
