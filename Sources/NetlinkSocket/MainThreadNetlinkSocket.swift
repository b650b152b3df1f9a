public import NetlinkWire

/// The way to the kernel for programs that do one thing after the other: the main thread does it, and waits.
///
/// It starts no thread, which is most of what a short program would do. Otherwise as `NetlinkSocket`.
@MainActor
public final class MainThreadNetlinkSocket: NetlinkTransport {
    private var connection: NetlinkConnection

    /// Opens the sockets.
    ///
    /// - Parameter withNetfilter: whether transactions will be asked for; opening that socket can make the kernel load a
    ///   module.
    /// - Throws: `NetlinkError`, `EPROTONOSUPPORT` if the kernel lacks netlink, `EMFILE` without a free descriptor.
    public nonisolated init(withNetfilter: Bool = false) throws(NetlinkError) {
        connection = try NetlinkConnection(namespace: nil, withNetfilter: withNetfilter)
    }

    public func execute(_ request: NetlinkRequest) throws(NetlinkError) -> [NetlinkMessage] {
        try connection.execute(request)
    }

    public func gather<Value: Sendable>(
        _ request: NetlinkRequest,
        into initial: Value,
        _ add: @Sendable (inout Value, RawSpan) throws(DecodeError) -> Void
    ) throws(NetlinkError) -> Value {
        try connection.gather(request, into: initial) { value, place, bytes throws(DecodeError) in
            try add(&value, bytes.extracting(place.payload))
        }
    }

    public func execute(batch: [NetlinkRequest]) throws(NetlinkError) -> [Int: NetlinkError] {
        try connection.execute(batch: batch)
    }

    public func commit(_ transaction: NetlinkTransaction) throws(NetlinkError) { try connection.commit(transaction) }
}
