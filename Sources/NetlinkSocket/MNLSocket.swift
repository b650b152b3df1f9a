import CNetlink
import NetlinkWire

/// One socket of libmnl; closed when the value goes away.
struct MNLSocket: ~Copyable, Sendable {
    // Safe: the value cannot be copied, and nobody else has the pointer.
    private nonisolated(unsafe) let socket: OpaquePointer
    /// Grown to the largest datagram seen.
    private var buffer: [UInt8]

    /// - Parameters:
    ///   - bus: `NETLINK_ROUTE`, `NETLINK_GENERIC` or `NETLINK_NETFILTER`.
    ///   - namespace: the path of a network namespace; `nil`: that of the calling thread.
    /// - Throws: `NetlinkError`, `EPROTONOSUPPORT` if the kernel lacks the bus, `ENOENT` without the namespace,
    ///   `EINVAL` if the path is none.
    init(bus: Int32, namespace: String?, operation: String) throws(NetlinkError) {
        var code: Int32 = 0
        guard let socket = CNetlink_open(bus, namespace, Self.receiveTimeoutSeconds, &code) else {
            throw NetlinkError(operation: operation, code: code)
        }
        self.socket = socket
        buffer = Array(repeating: 0, count: Self.initialBufferBytes)
    }

    deinit { CNetlink_close(socket) }

    func send(_ bytes: [UInt8], operation: String) throws(NetlinkError) {
        let code = CNetlink_send(socket, bytes, bytes.count)
        if code != 0 { throw NetlinkError(operation: operation, code: code) }
    }

    /// A datagram whose head stands elsewhere than its rest, which can be large.
    func send(head: [UInt8], _ rest: [UInt8], operation: String) throws(NetlinkError) {
        let code = CNetlink_sendParts(socket, head, head.count, rest, rest.count)
        if code != 0 { throw NetlinkError(operation: operation, code: code) }
    }

    /// Calls `body` with every message of the next datagram, and the bytes that it stands in; datagrams that other
    /// processes sent are skipped.
    mutating func receive(
        operation: String,
        _ body: (NetlinkMessagePlace, RawSpan) throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        let size = try receive(operation: operation)
        let bytes = buffer.span.bytes
        var cursor = NetlinkMessageCursor(size)
        while true {
            let place: NetlinkMessagePlace?
            do throws(DecodeError) {
                place = try cursor.next(in: bytes)
            } catch {
                throw NetlinkError(operation: operation, malformed: error)
            }
            guard let place else { return }
            try body(place, bytes)
        }
    }

    /// The size of the next datagram, which then stands in the buffer.
    private mutating func receive(operation: String) throws(NetlinkError) -> Int {
        while true {
            let queued = CNetlink_peek(socket, &buffer, buffer.count)
            if queued > buffer.count { buffer = Array(repeating: 0, count: queued) }
            let size = queued < 0 ? queued : CNetlink_receive(socket, &buffer, buffer.count)
            switch Int32(-size) {
            case ESRCH: continue
            case EAGAIN: throw NetlinkError(operation: operation, code: ETIMEDOUT)
            case 1...: throw NetlinkError(operation: operation, code: Int32(-size))
            default: return size
            }
        }
    }

    /// The kernel queues a reply before `send` returns, or continues a dump while we read; so this only ends a wait for
    /// a reply that was lost.
    private static let receiveTimeoutSeconds: Int32 = 10
    /// The kernel's largest ordinary dump datagram (`netlink_recvmsg`, net/netlink/af_netlink.c).
    private static let initialBufferBytes = 32 << 10
}
