import CNetlink
import NetlinkWire

/// One socket of libmnl; closed when the value goes away.
struct MNLSocket: ~Copyable, Sendable {
    // Safe: the value cannot be copied, and nobody else has the pointer.
    private nonisolated(unsafe) let socket: OpaquePointer
    /// The datagram that is being read.
    private var buffer: [UInt8] = []
    /// Whether datagrams may hold keys, as those of WireGuard's family do: then they are overwritten once read.
    private let holdsSecrets: Bool

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
        holdsSecrets = bus == NETLINK_GENERIC
    }

    deinit { CNetlink_close(socket) }

    /// Sends one datagram, which stands in several pieces, so that large ones need not be copied.
    ///
    /// - Parameter parts: at most `partsLimit`.
    func send(_ parts: [[UInt8]], operation: String) throws(NetlinkError) {
        let code = withUnsafeTemporaryAllocation(of: iovec.self, capacity: parts.count) { places in
            withPlaces(of: parts[...], in: places) { CNetlink_sendParts(socket, places.baseAddress, parts.count) }
        }
        if code != 0 { throw NetlinkError(operation: operation, code: code) }
    }

    /// Far below `IOV_MAX` (1,024), and so few that the nested calls fit any stack.
    static let partsLimit = 64

    /// Calls `body` with every message of the next datagram, and the bytes that it stands in; datagrams that other
    /// processes sent are skipped.
    mutating func receive(
        operation: String,
        _ body: (NetlinkMessagePlace, RawSpan) throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        let size = try receive(operation: operation)
        defer { if holdsSecrets { buffer.withUnsafeMutableBytes { CNetlink_wipe($0.baseAddress, $0.count) } } }
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
            let queued = CNetlink_peek(socket)
            var size = queued
            if queued >= 0 {
                buffer = []
                // Only what the kernel writes is touched: most replies are some bytes.
                buffer = Array(unsafeUninitializedCapacity: max(queued, Self.bufferBytes)) { space, count in
                    size = CNetlink_receive(socket, space.baseAddress, space.count)
                    count = max(size, 0)
                }
            }
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
    private static let bufferBytes = 32 << 10
}

/// Writes to the end of `places` where each of `parts` stands, which is true while `body` runs.
private func withPlaces(
    of parts: ArraySlice<[UInt8]>,
    in places: UnsafeMutableBufferPointer<iovec>,
    _ body: () -> Int32
) -> Int32 {
    guard let first = parts.first else { return body() }
    return first.withUnsafeBytes { bytes in
        // The kernel only reads, though `struct iovec` has room for both.
        let place = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        places.initializeElement(at: places.count - parts.count, to: place)
        return withPlaces(of: parts.dropFirst(), in: places, body)
    }
}
