import CNetlink
public import NetlinkWire

/// Links: made, renamed, moved to other namespaces, removed.
extension HostNetwork {
    /// One link.
    ///
    /// - Returns: `nil`: none is called so.
    public func link(named name: String) async throws(NetlinkError) -> LinkSnapshot? {
        guard isValidLinkName(name) else { return nil }
        let request = NetlinkRequest(
            operation: "read link \(name)",
            target: .routing(type: UInt16(RTM_GETLINK)),
            payload: LinkMessage.query(name: name)
        )
        do throws(NetlinkError) {
            return try await objects(request, reply: UInt16(RTM_NEWLINK), LinkMessage.decode).first { $0.name == name }
        } catch {
            guard error.isNoSuchDevice else { throw error }
            return nil
        }
    }

    /// Applies `operations` in order. What is to be removed and is already gone is no failure.
    ///
    /// - Throws: `NetlinkError` of the first operation that failed; those after it are not applied. `EPERM` without
    ///   `CAP_NET_ADMIN` (in the other namespace too, for a move), `ENODEV` without the link, `EEXIST` for a name or index
    ///   that is taken, `EBUSY` to rename a link that is up before kernel 6.2, `EINVAL` for what no link can be called
    ///   and for a descriptor that is no network namespace, `ESRCH` without the process, `EOPNOTSUPP` for a kind that the
    ///   kernel does not have.
    public func apply(links operations: [LinkOperation]) async throws(NetlinkError) {
        for operation in operations {
            guard operation.hasValidNames else { throw NetlinkError(operation: operation.description, code: EINVAL) }
            var index: UInt32 = 0
            if let name = operation.existingLink {
                guard let link = try await link(named: name) else {
                    if case .remove = operation { continue }
                    throw NetlinkError(operation: operation.description, code: ENODEV)
                }
                index = link.index
            }
            do throws(NetlinkError) {
                _ = try await transport.execute(operation.request(index: index))
            } catch {
                guard case .remove = operation, error.isNoSuchDevice else { throw error }
            }
        }
    }
}
