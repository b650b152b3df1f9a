import CNetlink

/// One request, independent of sequence numbers and of the numbers the kernel gives to families.
public struct NetlinkRequest: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// A routing message such as `RTM_NEWLINK`.
        case routing(type: UInt16)
        /// A command of a generic netlink family; the transport resolves its name and writes `struct genlmsghdr`.
        case generic(family: String, command: UInt8, version: UInt8)
        /// A message of a netfilter subsystem: its number in the upper byte, such as `NFNL_SUBSYS_NFTABLES`.
        case netfilter(type: UInt16)
    }

    /// For errors and logs, such as `set wgm0`. No secrets.
    public var operation: String
    public var target: Target
    public var flags: NetlinkFlags
    /// Without the netlink header, and without the generic one.
    public var payload: [UInt8]
    /// What the attributes are called, for errors that point at one.
    public var names: AttributeNames

    public init(
        operation: String,
        target: Target,
        flags: NetlinkFlags = [],
        payload: [UInt8],
        names: AttributeNames = .none
    ) {
        self.operation = operation
        self.target = target
        self.flags = flags
        self.payload = payload
        self.names = names
    }
}

/// The seam to the kernel: `NetlinkSocket` in the product, `FakeKernel` in tests.
public protocol NetlinkTransport: Sendable {
    /// Performs one request and waits for its outcome.
    ///
    /// - Returns: the objects of the reply, without acknowledgements and end marks; generic ones begin with
    ///   `struct genlmsghdr`, netfilter ones with `struct nfgenmsg`. Empty for a change.
    /// - Throws: `NetlinkError` with the kernel's errno.
    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage]

    /// Performs a dump and gathers its objects as they arrive: the bytes of a large device are megabytes, and need not be
    /// kept.
    ///
    /// - Parameters:
    ///   - initial: what to begin with; again if the kernel says that the list changed meanwhile.
    ///   - add: takes one object, as `execute` returns them.
    /// - Throws: as `execute`; `EBADMSG` for what `add` throws.
    func gather<Value: Sendable>(
        _ request: NetlinkRequest,
        into initial: Value,
        _ add: @Sendable (inout Value, RawSpan) throws(DecodeError) -> Void
    ) async throws(NetlinkError) -> Value

    /// Performs changes in order, many of them per system call. A refused one does not keep the next from being
    /// performed.
    ///
    /// - Parameter batch: changes, no dumps.
    /// - Returns: what the kernel refused, by index in `batch`; empty: nothing.
    /// - Throws: `NetlinkError` if an outcome could not be had; then any part of the batch may have been performed.
    func execute(batch: [NetlinkRequest]) async throws(NetlinkError) -> [Int: NetlinkError]

    /// Performs all changes of a transaction, or none.
    ///
    /// - Throws: `NetlinkError` of the first change that the kernel refused, or of the transaction: `ERESTART` if the
    ///   generation is another one, `EOPNOTSUPP` if there is no such subsystem.
    func commit(_ transaction: NetlinkTransaction) async throws(NetlinkError)
}

extension NetlinkTransport {
    /// Keeps all of the reply until its end.
    public func gather<Value: Sendable>(
        _ request: NetlinkRequest,
        into initial: Value,
        _ add: @Sendable (inout Value, RawSpan) throws(DecodeError) -> Void
    ) async throws(NetlinkError) -> Value {
        var value = initial
        for message in try await execute(request) {
            do throws(DecodeError) {
                try add(&value, message.payload.span.bytes)
            } catch {
                throw NetlinkError(operation: request.operation, malformed: error)
            }
        }
        return value
    }

    /// One system call per change.
    public func execute(batch: [NetlinkRequest]) async throws(NetlinkError) -> [Int: NetlinkError] {
        var refused: [Int: NetlinkError] = [:]
        for (index, request) in batch.enumerated() {
            do throws(NetlinkError) { _ = try await execute(request) } catch { refused[index] = error }
        }
        return refused
    }

    /// For transports without netfilter: refuses.
    public func commit(_ transaction: NetlinkTransaction) async throws(NetlinkError) {
        throw NetlinkError(operation: transaction.operation, code: EOPNOTSUPP, detail: "no netfilter here")
    }
}

extension NetlinkRequest {
    /// Where `payload` stands in the message as sent, in bytes from its header.
    var payloadOffset: Int {
        if case .generic = target {
            NetlinkMessage.headerBytes + GenericNetlinkHeader.sizeBytes
        } else {
            NetlinkMessage.headerBytes
        }
    }

    /// Where the first attribute stands in the message as sent, in bytes from its header.
    ///
    /// Source: the structures before the attributes, linux/rtnetlink.h and its neighbours.
    var attributesOffset: Int {
        switch target {
        case .generic: payloadOffset
        case .netfilter: NetlinkMessage.headerBytes + 4  // struct nfgenmsg
        case .routing(let type):
            // Each object has four types in a row: new, delete, get, set.
            switch Int(type) & ~3 {
            case RTM_NEWLINK: NetlinkMessage.headerBytes + 16  // struct ifinfomsg
            case RTM_NEWADDR, RTM_NEWNEXTHOP: NetlinkMessage.headerBytes + 8  // struct ifaddrmsg, struct nhmsg
            default: NetlinkMessage.headerBytes + 12  // struct rtmsg, struct ndmsg, struct fib_rule_hdr
            }
        }
    }
}
