public import NetlinkWire

/// Keeps every request and answers from a list; for tests of the bytes themselves.
public actor RecordingNetlink: NetlinkTransport {
    public private(set) var requests: [NetlinkRequest] = []
    private var replies: [Result<[NetlinkMessage], NetlinkError>]

    /// - Parameter replies: one for each request in order; a request beyond them gets an empty reply.
    public init(replies: [Result<[NetlinkMessage], NetlinkError>] = []) { self.replies = replies }

    public func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        requests.append(request)
        return replies.isEmpty ? [] : try replies.removeFirst().get()
    }
}
