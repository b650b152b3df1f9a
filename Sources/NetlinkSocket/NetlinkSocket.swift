import CNetlink
public import NetlinkWire

/// The only way to the kernel: one socket for routing messages and one for generic netlink.
///
/// Requests run one after the other on a queue of their own, since they block.
public actor NetlinkSocket: NetlinkTransport {
    private let executor = QueueExecutor(label: "netlink")
    private var routing: MNLSocket
    private var generic: MNLSocket
    private var sequence: UInt32 = 0
    /// Message types of families. They stay valid until the module is unloaded; see `forget`.
    private var families: [String: UInt16] = [:]

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens both sockets in the network namespace of the calling thread; they stay in it.
    ///
    /// - Throws: `NetlinkError`, `EPROTONOSUPPORT` if the kernel lacks netlink, `EMFILE` without a free descriptor.
    public init() throws(NetlinkError) {
        routing = try MNLSocket(bus: NETLINK_ROUTE, operation: "open a routing netlink socket")
        generic = try MNLSocket(bus: NETLINK_GENERIC, operation: "open a generic netlink socket")
    }

    public func execute(_ request: NetlinkRequest) throws(NetlinkError) -> [NetlinkMessage] {
        switch request.target {
        case .routing(let type):
            return try Self.exchange(request, type: type, payload: request.payload, on: &routing, sequence: &sequence)
        case .generic(let family, let command, let version):
            let type = try messageType(of: family, for: request.operation)
            let payload = GenericNetlinkHeader(command: command, version: version).encode() + request.payload
            do throws(NetlinkError) {
                return try Self.exchange(request, type: type, payload: payload, on: &generic, sequence: &sequence)
            } catch {
                // The number of an unloaded module's family means nothing, or another family, after the next load.
                if error.code == ENOENT { families[family] = nil }
                throw error
            }
        }
    }

    private func messageType(of family: String, for operation: String) throws(NetlinkError) -> UInt16 {
        if let known = families[family] { return known }
        let result = CNetlink_resolveFamily(family)
        guard result > 0, let type = UInt16(exactly: result) else {
            let missing = result == -ENOENT ? "no generic netlink family \(family)" : nil
            throw NetlinkError(operation: operation, code: result < 0 ? -result : EPROTO, detail: missing)
        }
        families[family] = type
        return type
    }

    /// Sends one request and collects its reply; a dump that changes meanwhile is taken again.
    private static func exchange(
        _ request: NetlinkRequest,
        type: UInt16,
        payload: [UInt8],
        on socket: inout MNLSocket,
        sequence: inout UInt32
    ) throws(NetlinkError) -> [NetlinkMessage] {
        let isDump = request.flags.contains(.dump)
        // Without NLM_F_ACK a successful change would have no reply; a dump ends with NLMSG_DONE of its own.
        let flags = UInt16(NLM_F_REQUEST) | request.flags.rawValue | (isDump ? 0 : UInt16(NLM_F_ACK))
        for _ in 0..<dumpAttempts {
            sequence &+= 1
            let message = NetlinkMessage(type: type, flags: flags, sequence: sequence, payload: payload)
            try socket.send(message.encode(), operation: request.operation)
            let reply = try collect(sequence: sequence, operation: request.operation, from: &socket)
            if !reply.isInterrupted { return reply.objects }
        }
        let detail = "the list changed during each of \(dumpAttempts) dumps"
        throw NetlinkError(operation: request.operation, code: EBUSY, detail: detail)
    }

    private static func collect(
        sequence: UInt32,
        operation: String,
        from socket: inout MNLSocket
    ) throws(NetlinkError) -> (objects: [NetlinkMessage], isInterrupted: Bool) {
        var objects: [NetlinkMessage] = []
        var isInterrupted = false
        while true {
            // Older numbers belong to a request that ended with an error or a timeout.
            for message in try socket.receive(operation: operation) where message.sequence == sequence {
                isInterrupted = isInterrupted || message.isDumpInterrupted
                guard message.isDone || message.isError else {
                    objects.append(message)
                    continue
                }
                let failure: NetlinkError?
                do throws(DecodeError) {
                    failure = try message.failure(of: operation)
                } catch {
                    throw NetlinkError(operation: operation, malformed: error)
                }
                if let failure { throw failure }
                return (objects, isInterrupted)
            }
        }
    }

    /// An interrupted dump is rare; many in a row mean that somebody changes the objects without end.
    private static let dumpAttempts = 10
}
