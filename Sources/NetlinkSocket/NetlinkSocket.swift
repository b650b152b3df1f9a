import CNetlink
public import NetlinkWire

/// The way to the kernel for programs that do several things at once: one socket each for routing messages, generic
/// netlink and netfilter.
///
/// Requests run one after the other on a queue of their own, since they block. A task that is cancelled while it waits
/// gets `ECANCELED` between two datagrams; a request that a cancelled task makes, to clean up, runs to its end.
public actor NetlinkSocket: NetlinkTransport {
    private let executor = QueueExecutor(label: "netlink")
    private var connection: NetlinkConnection

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens the sockets; they stay in the network namespace they are opened in.
    ///
    /// - Parameter namespace: the path of a network namespace, such as `/run/netns/blue`, which needs `CAP_SYS_ADMIN`;
    ///   `nil`: that of the calling thread.
    /// - Throws: `NetlinkError`, `EPROTONOSUPPORT` if the kernel lacks netlink, `EMFILE` without a free descriptor, `ENOENT`
    ///   without that namespace, `EINVAL` if the path is none.
    public init(namespace: String? = nil) throws(NetlinkError) {
        connection = try NetlinkConnection(namespace: namespace, withNetfilter: true)
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
