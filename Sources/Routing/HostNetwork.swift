import CNetlink
import MeshModel
public import NetlinkWire

/// Reads and changes links, addresses and routes of the host.
public struct HostNetwork<Transport: NetlinkTransport>: Sendable {
    let transport: Transport

    public init(transport: Transport) { self.transport = transport }

    /// The host's links and addresses, and the routes through `linkName`.
    ///
    /// - Throws: `NetlinkError`. Reading needs no privilege.
    public func snapshot(linkName: String) async throws(NetlinkError) -> HostSnapshot {
        var host = try await interfaces(linkName: linkName)
        guard let index = host.link?.index else { return host }
        for isV4 in [true, false] {
            let routes = try await dump(
                "list routes",
                type: RTM_GETROUTE,
                reply: RTM_NEWROUTE,
                payload: RouteMessage.dump(isV4: isV4, linkIndex: index),
                RouteMessage.decode
            )
            host.routes += routes.filter { $0.linkIndex == index }
        }
        return host
    }

    /// As `snapshot`, without routes.
    public func interfaces(linkName: String) async throws(NetlinkError) -> HostSnapshot {
        var host = HostSnapshot(linkName: linkName)
        host.links = try await links()
        host.addresses = try await dump(
            "list addresses",
            type: RTM_GETADDR,
            reply: RTM_NEWADDR,
            payload: AddressMessage.dump(),
            AddressMessage.decode
        )
        return host
    }

    /// Every link of the network namespace.
    public func links() async throws(NetlinkError) -> [LinkSnapshot] {
        try await dump(
            "list links",
            type: RTM_GETLINK,
            reply: RTM_NEWLINK,
            payload: LinkMessage.dump(),
            LinkMessage.decode
        )
    }

    /// Names of the links of kind wireguard, in the kernel's order.
    public func wireGuardLinkNames() async throws(NetlinkError) -> [String] {
        try await links().filter { $0.kind == LinkMessage.wireGuardKind }.map(\.name)
    }

    /// Applies `operations` in order, routes many per system call. What is to be removed and is already gone is no failure.
    ///
    /// - Throws: `NetlinkError` of the first operation that failed: `EPERM` without `CAP_NET_ADMIN`, `EOPNOTSUPP` if the
    ///   kernel has no WireGuard, `EEXIST` for a route that somebody else holds, `EADDRINUSE` from `setUp` if WireGuard's
    ///   port is taken. Some operations may have been applied by then, routes after a refused one too: read the host
    ///   again.
    public func apply(_ operations: [HostOperation]) async throws(NetlinkError) {
        var indices: [String: UInt32] = [:]
        var rest = operations[...]
        while let operation = rest.first {
            let routes = rest.prefix(while: \.isRoute)
            rest = rest.dropFirst(max(1, routes.count))
            guard routes.isEmpty else {
                try await apply(routes: routes, indices: &indices)
                continue
            }
            do throws(NetlinkError) {
                try await apply(operation, indices: &indices)
            } catch {
                guard operation.isRemoval, error.isAbsent else { throw error }
            }
        }
    }

    private func apply(
        routes: ArraySlice<HostOperation>,
        indices: inout [String: UInt32]
    ) async throws(NetlinkError) {
        var requests: [(operation: HostOperation, request: NetlinkRequest)] = []
        for operation in routes {
            do throws(NetlinkError) {
                if indices[operation.link] == nil { indices[operation.link] = try await index(of: operation) }
            } catch {
                guard operation.isRemoval, error.isAbsent else { throw error }
                continue
            }
            guard let index = indices[operation.link] else { continue }
            switch operation {
            case .addRoute(_, let route):
                let payload = RouteMessage.encode(route, linkIndex: index)
                requests.append((operation, request(operation, RTM_NEWROUTE, [.create, .exclusive], payload)))
            case .removeRoute(_, let route):
                let payload = RouteMessage.encode(route, linkIndex: index)
                requests.append((operation, request(operation, RTM_DELROUTE, [], payload)))
            default: preconditionFailure("\(operation) is no route")
            }
        }
        let refused = try await transport.execute(batch: requests.map(\.request))
        for (index, error) in refused.sorted(by: { $0.key < $1.key }) {
            guard requests[index].operation.isRemoval, error.isAbsent else { throw error }
        }
    }

    private func apply(_ operation: HostOperation, indices: inout [String: UInt32]) async throws(NetlinkError) {
        if case .createLink(let link) = operation {
            guard isValidLinkName(link.name) else {
                throw NetlinkError(operation: operation.description, code: EINVAL)
            }
            let payload = LinkMessage.creation(name: link.name, mtuBytes: link.mtuBytes)
            try await change(operation, type: RTM_NEWLINK, flags: [.create, .exclusive], payload: payload)
            return
        }
        if indices[operation.link] == nil { indices[operation.link] = try await index(of: operation) }
        guard let index = indices[operation.link] else { return }
        switch operation {
        case .createLink: break
        case .setAlias(_, let alias):
            guard alias.utf8.count < Self.aliasLimitBytes else {
                throw NetlinkError(operation: operation.description, code: EINVAL)
            }
            try await change(operation, type: RTM_SETLINK, payload: LinkMessage.alias(alias, index: index))
        case .setMTU(_, let bytes):
            try await change(operation, type: RTM_SETLINK, payload: LinkMessage.mtu(bytes, index: index))
        case .setUp:
            try await change(operation, type: RTM_SETLINK, payload: LinkMessage.up(index: index))
        case .removeLink:
            try await change(operation, type: RTM_DELLINK, payload: LinkMessage.removal(index: index))
            indices[operation.link] = nil
        case .addAddress(_, let prefix):
            let payload = AddressMessage.addition(prefix, index: index)
            try await change(operation, type: RTM_NEWADDR, flags: [.create, .exclusive], payload: payload)
        case .removeAddress(_, let prefix):
            try await change(operation, type: RTM_DELADDR, payload: AddressMessage.removal(prefix, index: index))
        case .addRoute, .removeRoute: preconditionFailure("\(operation) goes in a batch")
        }
    }

    private func index(of operation: HostOperation) async throws(NetlinkError) -> UInt32 {
        guard let link = try await links().first(where: { $0.name == operation.link }) else {
            throw NetlinkError(operation: operation.description, code: ENODEV)
        }
        return link.index
    }

    private func change(
        _ operation: HostOperation,
        type: Int,
        flags: NetlinkFlags = [],
        payload: [UInt8]
    ) async throws(NetlinkError) {
        _ = try await transport.execute(request(operation, type, flags, payload))
    }

    private func request(
        _ operation: HostOperation,
        _ type: Int,
        _ flags: NetlinkFlags,
        _ payload: [UInt8]
    ) -> NetlinkRequest {
        NetlinkRequest(
            operation: operation.description,
            target: .routing(type: UInt16(type)),
            flags: flags,
            payload: payload
        )
    }

    func dump<Object>(
        _ operation: String,
        type: Int,
        reply: Int,
        payload: [UInt8],
        _ decode: (ArraySlice<UInt8>) throws(DecodeError) -> Object?
    ) async throws(NetlinkError) -> [Object] {
        let target = NetlinkRequest.Target.routing(type: UInt16(type))
        let request = NetlinkRequest(operation: operation, target: target, flags: .dump, payload: payload)
        return try await objects(request, reply: UInt16(reply), decode)
    }

    /// Performs a dump and decodes the messages of type `reply`.
    func objects<Object>(
        _ request: NetlinkRequest,
        reply: UInt16,
        _ decode: (ArraySlice<UInt8>) throws(DecodeError) -> Object?
    ) async throws(NetlinkError) -> [Object] {
        var objects: [Object] = []
        for message in try await transport.execute(request) where message.type == reply {
            do throws(DecodeError) {
                if let object = try decode(message.payload[...]) { objects.append(object) }
            } catch {
                throw NetlinkError(operation: request.operation, malformed: error)
            }
        }
        return objects
    }

    /// `IFALIASZ` with its NUL.
    private static var aliasLimitBytes: Int { 256 }
}

extension HostOperation {
    fileprivate var isRoute: Bool {
        switch self {
        case .addRoute, .removeRoute: true
        case .createLink, .setAlias, .setMTU, .addAddress, .removeAddress, .setUp, .removeLink: false
        }
    }

    fileprivate var isRemoval: Bool {
        switch self {
        case .removeAddress, .removeRoute, .removeLink: true
        case .createLink, .setAlias, .setMTU, .addAddress, .setUp, .addRoute: false
        }
    }
}
