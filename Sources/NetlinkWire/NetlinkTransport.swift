/// One request, independent of sequence numbers and of the numbers the kernel gives to families.
public struct NetlinkRequest: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// A routing message such as `RTM_NEWLINK`.
        case routing(type: UInt16)
        /// A command of a generic netlink family; the transport resolves its name and writes `struct genlmsghdr`.
        case generic(family: String, command: UInt8, version: UInt8)
    }

    /// For errors and logs, such as `set wgm0`. No secrets.
    public var operation: String
    public var target: Target
    public var flags: NetlinkFlags
    /// Without the netlink header, and without the generic one.
    public var payload: [UInt8]

    public init(operation: String, target: Target, flags: NetlinkFlags = [], payload: [UInt8]) {
        self.operation = operation
        self.target = target
        self.flags = flags
        self.payload = payload
    }
}

/// The seam to the kernel: `NetlinkSocket` in the product, `FakeKernel` in tests.
public protocol NetlinkTransport: Sendable {
    /// Performs one request and waits for its outcome.
    ///
    /// - Returns: the objects of the reply, without acknowledgements and end marks; generic ones begin with
    ///   `struct genlmsghdr`. Empty for a change.
    /// - Throws: `NetlinkError` with the kernel's errno.
    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage]
}
