import CNetlink
import NetlinkWire

/// One socket each for routing messages, generic netlink and netfilter. Its calls block the thread they are made on.
struct NetlinkConnection: ~Copyable, Sendable {
    private var routing: MNLSocket
    private var generic: MNLSocket
    /// `nil`: not asked for, or the kernel has no netfilter, which is no failure until somebody wants it.
    private var netfilter: MNLSocket?
    private var sequence: UInt32 = 0
    /// Message types of families. They stay valid until the module is unloaded; see `exchange`.
    private var families: [String: UInt16] = [:]

    /// - Parameter withNetfilter: opening that socket can make the kernel load a module.
    /// - Throws: as `NetlinkSocket.init`.
    init(namespace: String?, withNetfilter: Bool) throws(NetlinkError) {
        // All before any is stored: Swift cannot take apart a value that is half made.
        let first = try MNLSocket(bus: NETLINK_ROUTE, namespace: namespace, operation: "open a routing netlink socket")
        let second = try MNLSocket(
            bus: NETLINK_GENERIC,
            namespace: namespace,
            operation: "open a generic netlink socket"
        )
        let third = withNetfilter ? try openNetfilter(namespace: namespace) : nil
        routing = first
        generic = second
        netfilter = third
    }

    mutating func execute(_ request: NetlinkRequest) throws(NetlinkError) -> [NetlinkMessage] {
        try gather(request, into: []) { messages, place, bytes in messages.append(NetlinkMessage(place, in: bytes)) }
    }

    /// - Parameter add: takes one object of the reply: its message, and the bytes that it stands in.
    mutating func gather<Value>(
        _ request: NetlinkRequest,
        into initial: Value,
        _ add: (inout Value, NetlinkMessagePlace, RawSpan) throws(DecodeError) -> Void
    ) throws(NetlinkError) -> Value {
        let isCleaningUp = Task.isCancelled
        for attempt in 0..<Self.dumpAttempts {
            // Only a dump that was interrupted comes here again.
            if attempt > 0, !isCleaningUp { try Self.checkCancellation(request.operation) }
            var value = initial
            let reply = try exchange(request) { place, bytes throws(DecodeError) in try add(&value, place, bytes) }
            if !reply.isInterrupted { return value }
        }
        let detail = "the list changed during each of \(Self.dumpAttempts) dumps"
        throw NetlinkError(operation: request.operation, code: EBUSY, detail: detail)
    }

    mutating func execute(batch: [NetlinkRequest]) throws(NetlinkError) -> [Int: NetlinkError] {
        let isCleaningUp = Task.isCancelled
        var refused: [Int: NetlinkError] = [:]
        var start = 0
        while start < batch.count {
            if start > 0, !isCleaningUp { try Self.checkCancellation(batch[start].operation) }
            var datagram = try fill(from: batch, at: start)
            defer { datagram.bytes.withUnsafeMutableBytes { CNetlink_wipe($0.baseAddress, $0.count) } }
            let operation = batch[start].operation
            let outcomes = try withSocket(for: batch[start]) { socket throws(NetlinkError) in
                try socket.send([datagram.bytes], operation: operation)
                return try collect(datagram.sequences, from: &socket, operation: operation)
            }
            for (sequence, error) in outcomes.refused {
                let index = start + Int(sequence - datagram.sequences.lowerBound)
                refused[index] = error.renamed(batch[index].operation).located(in: batch[index])
            }
            start += datagram.sequences.count
        }
        return refused
    }

    mutating func commit(_ transaction: NetlinkTransaction) throws(NetlinkError) {
        guard let first = transaction.changes.first else { return }
        let begin = startDatagram(messages: transaction.changes.count + 2)
        var parts: [[UInt8]] = []
        var part: [UInt8] = []
        boundary(NFNL_MSG_BATCH_BEGIN, transaction).append(to: &part)
        for (index, change) in transaction.changes.enumerated() {
            try appendHeader(of: change, acknowledged: index == transaction.changes.count - 1, to: &part)
            if change.payload.count >= Self.partBytes, parts.count < MNLSocket.partsLimit - 2 {
                parts += [part, change.payload]
                part.removeAll()
            } else {
                part += change.payload
            }
        }
        let last = sequence
        boundary(NFNL_MSG_BATCH_END, transaction).append(to: &part)
        parts.append(part)
        let operation = transaction.operation
        let outcomes = try withSocket(for: first) { socket throws(NetlinkError) in
            try socket.send(parts, operation: operation)
            return try collect(begin..<last + 1, from: &socket, operation: operation, endsWithFirst: true)
        }
        // The kernel reports every change it refused, in order; later ones are often a consequence of the first.
        guard let (sequence, error) = outcomes.refused.min(by: { $0.key < $1.key }) else { return }
        if sequence == begin { throw error.renamed(operation) }
        let change = transaction.changes[Int(sequence - begin) - 1]
        throw error.renamed(change.operation).located(in: change)
    }

    /// An interrupted dump is rare; many in a row mean that somebody changes the objects without end.
    private static let dumpAttempts = 10
    /// Refusals of that many messages fit the receive buffer of a socket (212,992 bytes by default, up to 1,280 for
    /// one).
    private static let batchMessages = 100
    /// Enough for a hundred routes or rules; larger messages go alone.
    private static let batchBytes = 32 << 10
    /// A payload that is sent from where it stands; smaller ones are cheaper to copy.
    private static let partBytes = 8 << 10
}

extension NetlinkConnection {
    private static func checkCancellation(_ operation: String) throws(NetlinkError) {
        if Task.isCancelled { throw NetlinkError(operation: operation, code: ECANCELED) }
    }

    /// Sends one request and collects its reply; `add` gets the objects.
    private mutating func exchange(
        _ request: NetlinkRequest,
        _ add: (NetlinkMessagePlace, RawSpan) throws(DecodeError) -> Void
    ) throws(NetlinkError) -> Outcomes {
        let isDump = request.flags.contains(.dump)
        _ = startDatagram(messages: 1)
        var head: [UInt8] = []
        // Without NLM_F_ACK a successful change would have no reply; a dump ends with NLMSG_DONE of its own.
        try appendHeader(of: request, acknowledged: !isDump, to: &head)
        let sequence = sequence
        let outcomes = try withSocket(for: request) { socket throws(NetlinkError) in
            try socket.send([head, request.payload], operation: request.operation)
            return try collect(sequence..<sequence + 1, from: &socket, operation: request.operation, add)
        }
        guard let error = outcomes.refused[sequence] else { return outcomes }
        // The number of an unloaded module's family means nothing, or another family, after the next load.
        if case .generic(let family, _, _) = request.target, error.code == ENOENT { families[family] = nil }
        throw error.located(in: request)
    }

    /// As many requests for the same bus as one datagram takes, at least one. Only the last is acknowledged: the kernel
    /// answers in order, and refusals always.
    private mutating func fill(
        from batch: [NetlinkRequest],
        at start: Int
    ) throws(NetlinkError) -> (bytes: [UInt8], sequences: Range<UInt32>) {
        var end = start + 1
        var size = batch[start].payload.count
        while end < batch.count, end - start < Self.batchMessages, batch[end].target.bus == batch[start].target.bus,
            size + batch[end].payload.count <= Self.batchBytes
        {
            size += batch[end].payload.count
            end += 1
        }
        let first = startDatagram(messages: end - start)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + (end - start) * 32)
        for index in start..<end {
            try appendHeader(of: batch[index], acknowledged: index == end - 1, to: &bytes)
            bytes += batch[index].payload
        }
        return (bytes, first..<sequence + 1)
    }

    /// Appends what stands before the payload of a request, and gives it the next sequence number.
    private mutating func appendHeader(
        of request: NetlinkRequest,
        acknowledged: Bool,
        to datagram: inout [UInt8]
    ) throws(NetlinkError) {
        let type: UInt16
        var genericHeader: [UInt8] = []
        switch request.target {
        case .routing(let routingType): type = routingType
        case .netfilter(let netfilterType): type = netfilterType
        case .generic(let family, let command, let version):
            type = try messageType(of: family, for: request.operation)
            genericHeader = GenericNetlinkHeader(command: command, version: version).encode()
        }
        let flags = UInt16(NLM_F_REQUEST) | request.flags.rawValue | (acknowledged ? UInt16(NLM_F_ACK) : 0)
        NetlinkMessage.appendHeader(
            type,
            flags,
            sequence: nextSequence(),
            payloadBytes: genericHeader.count + request.payload.count,
            to: &datagram
        )
        datagram += genericHeader
    }

    /// `NFNL_MSG_BATCH_BEGIN` or `NFNL_MSG_BATCH_END`: `struct nfgenmsg`, whose number is the subsystem.
    private mutating func boundary(_ type: Int32, _ transaction: NetlinkTransaction) -> NetlinkMessage {
        var payload = AttributeEncoder(header: [UInt8(CNETLINK_AF_UNSPEC), 0, 0, transaction.subsystem])
        if let generation = transaction.generation, type == NFNL_MSG_BATCH_BEGIN {
            payload.append(Int(NFNL_BATCH_GENID.rawValue), integer: generation.bigEndian)
        }
        let flags = UInt16(NLM_F_REQUEST)
        return NetlinkMessage(type: UInt16(type), flags: flags, sequence: nextSequence(), payload: payload.bytes)
    }

    /// The first number of a datagram; those of one datagram must follow each other without a wrap.
    private mutating func startDatagram(messages count: Int) -> UInt32 {
        if Int(sequence) + count >= Int(UInt32.max) { sequence = 0 }
        return sequence + 1
    }

    private mutating func nextSequence() -> UInt32 {
        sequence += 1
        return sequence
    }

    private mutating func messageType(of family: String, for operation: String) throws(NetlinkError) -> UInt16 {
        if let known = families[family] { return known }
        let result = CNetlink_resolveFamily(family)
        guard result > 0, let type = UInt16(exactly: result) else {
            let missing = result == -ENOENT ? "no generic netlink family \(family)" : nil
            throw NetlinkError(operation: operation, code: result < 0 ? -result : EPROTO, detail: missing)
        }
        families[family] = type
        return type
    }

    private mutating func withSocket<Value>(
        for request: NetlinkRequest,
        _ body: (inout MNLSocket) throws(NetlinkError) -> Value
    ) throws(NetlinkError) -> Value {
        switch request.target.bus {
        case NETLINK_ROUTE: return try body(&routing)
        case NETLINK_GENERIC: return try body(&generic)
        default:
            guard var socket = netfilter.take() else {
                throw NetlinkError(operation: request.operation, code: EPROTONOSUPPORT, detail: "no netfilter")
            }
            // A value that cannot be copied has to be put back on both ways out.
            let result = Result { () throws(NetlinkError) -> Value in try body(&socket) }
            netfilter = consume socket
            return try result.get()
        }
    }
}

/// - Returns: `nil` if the kernel has no netfilter.
private func openNetfilter(namespace: String?) throws(NetlinkError) -> MNLSocket? {
    do throws(NetlinkError) {
        let operation = "open a netfilter netlink socket"
        return try MNLSocket(bus: NETLINK_NETFILTER, namespace: namespace, operation: operation)
    } catch {
        guard error.code == EPROTONOSUPPORT else { throw error }
        return nil
    }
}

/// What the kernel answered to the requests of one datagram.
private struct Outcomes {
    var refused: [UInt32: NetlinkError] = [:]
    var isInterrupted = false
}

/// Reads until the last request of `sequences` is answered.
///
/// - Parameters:
///   - endsWithFirst: a refusal of the first one is the last answer: that of a transaction's begin.
///   - add: gets what is neither an outcome nor an end mark.
private func collect(
    _ sequences: Range<UInt32>,
    from socket: inout MNLSocket,
    operation: String,
    endsWithFirst: Bool = false,
    _ add: (NetlinkMessagePlace, RawSpan) throws(DecodeError) -> Void = { _, _ in }
) throws(NetlinkError) -> Outcomes {
    var outcomes = Outcomes()
    var isComplete = false
    while !isComplete {
        try socket.receive(operation: operation) { place, bytes throws(NetlinkError) in
            // Other numbers belong to a request that ended with an error or a timeout.
            guard !isComplete, sequences.contains(place.sequence) else { return }
            outcomes.isInterrupted = outcomes.isInterrupted || place.isDumpInterrupted
            do throws(DecodeError) {
                guard place.isDone || place.isError else { return try add(place, bytes) }
                outcomes.refused[place.sequence] = try NetlinkMessage(place, in: bytes).failure(of: operation)
            } catch {
                throw NetlinkError(operation: operation, malformed: error)
            }
            isComplete =
                place.sequence == sequences.upperBound - 1
                || (endsWithFirst && place.sequence == sequences.lowerBound)
        }
    }
    return outcomes
}

extension NetlinkRequest.Target {
    fileprivate var bus: Int32 {
        switch self {
        case .routing: NETLINK_ROUTE
        case .generic: NETLINK_GENERIC
        case .netfilter: NETLINK_NETFILTER
        }
    }
}

extension NetlinkError {
    fileprivate func renamed(_ operation: String) -> NetlinkError {
        var error = self
        error.operation = operation
        return error
    }
}
