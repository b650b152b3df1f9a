import CNetlink
public import NetlinkWire

/// Routes of all tables, rules, nexthop objects and neighbours. Reading needs no privilege.
extension HostNetwork {
    /// Routes of both families.
    ///
    /// - Parameters:
    ///   - table: 254: main; `nil`: of every table.
    ///   - kind: only routes of this kind; `nil`: all.
    public func routes(table: UInt32? = nil, kind: Route.Kind? = nil) async throws(NetlinkError) -> [Route] {
        var routes: [Route] = []
        for isV4 in [true, false] {
            let operation = table.map { "list routes of table \($0)" } ?? "list routes"
            do throws(NetlinkError) {
                routes += try await dump(
                    operation,
                    type: RTM_GETROUTE,
                    reply: RTM_NEWROUTE,
                    payload: RouteMessage.dump(isV4: isV4, table: table, kind: kind),
                    RouteMessage.decodeRoute
                )
            } catch {
                // IPv4 says so of a table that does not exist.
                guard table != nil, error.code == ENOENT else { throw error }
            }
        }
        // Kernels before 4.20 do not filter.
        return routes.filter { ($0.table == table || table == nil) && ($0.kind == kind || kind == nil) }
    }

    /// What there is of policy routing.
    ///
    /// - Parameter table: ours, which may not exist.
    public func policySnapshot(table: UInt32) async throws(NetlinkError) -> PolicySnapshot {
        PolicySnapshot(rules: try await rules(), guards: try await routes(table: table, kind: .unreachable))
    }

    /// Rules of both families, in the order they are asked.
    public func rules() async throws(NetlinkError) -> [RoutingRule] {
        var rules: [RoutingRule] = []
        for isV4 in [true, false] {
            rules += try await dump(
                "list rules",
                type: RTM_GETRULE,
                reply: RTM_NEWRULE,
                payload: RuleMessage.dump(isV4: isV4),
                RuleMessage.decode
            )
        }
        return rules
    }

    /// - Throws: `NetlinkError`, `EOPNOTSUPP` before kernel 5.3.
    public func nexthops() async throws(NetlinkError) -> [Nexthop] {
        try await dump(
            "list nexthops",
            type: RTM_GETNEXTHOP,
            reply: RTM_NEWNEXTHOP,
            payload: NexthopMessage.dump(),
            NexthopMessage.decode
        )
    }

    public func neighbours() async throws(NetlinkError) -> [Neighbour] {
        try await dump(
            "list neighbours",
            type: RTM_GETNEIGH,
            reply: RTM_NEWNEIGH,
            payload: NeighbourMessage.dump(),
            NeighbourMessage.decode
        )
    }

    /// Where the kernel sends a packet of this host.
    ///
    /// - Throws: `NetlinkError` if it cannot be asked; a packet that goes nowhere is an answer.
    public func lookUp(_ lookup: RouteLookup) async throws(NetlinkError) -> RouteAnswer {
        let request = NetlinkRequest(
            operation: "look up \(lookup)",
            target: .routing(type: UInt16(RTM_GETROUTE)),
            payload: RouteLookupMessage.request(lookup)
        )
        do throws(NetlinkError) {
            let routes = try await objects(request, reply: UInt16(RTM_NEWROUTE), RouteMessage.decodeRoute)
            guard let route = routes.first else { return .refused(code: ENETUNREACH) }
            return .route(route)
        } catch {
            // With words beside it, EINVAL is about the question and not a blackhole's answer.
            guard [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.code), error.detail == nil else {
                throw error
            }
            return .refused(code: error.code)
        }
    }

    /// Applies `operations` in order, many per system call. What is to be removed and is already gone is no failure;
    /// another failure does not keep the rest from being applied.
    ///
    /// - Throws: `NetlinkError` of the first operation that failed: `EPERM` without `CAP_NET_ADMIN`, `EEXIST` for what
    ///   somebody else holds. Read the host again.
    public func apply(_ operations: [RoutingOperation]) async throws(NetlinkError) {
        let refused = try await transport.execute(batch: operations.map(\.request))
        for (index, error) in refused.sorted(by: { $0.key < $1.key }) {
            // ENOENT: a rule, nexthop or neighbour that is not there.
            if operations[index].isRemoval, error.isAbsent || error.code == ENOENT { continue }
            var named = error
            named.operation = operations[index].description
            throw named
        }
    }
}
