import CNetlink
import MeshModel
import NetlinkWire

/// One change to routes, rules, nexthop objects or neighbours of the host.
public enum RoutingOperation: Hashable, Sendable {
    case addRoute(Route)
    /// The route with the same destination, table, metric and type of service, or a new one.
    case replaceRoute(Route)
    case removeRoute(Route)
    case addRule(RoutingRule)
    case removeRule(RoutingRule)
    case addNexthop(Nexthop)
    case replaceNexthop(Nexthop)
    /// With every route that uses it.
    case removeNexthop(id: UInt32)
    /// Or changes it.
    case setNeighbour(Neighbour)
    case removeNeighbour(Neighbour)
}

/// Commands of ip(8) that do the same.
extension RoutingOperation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .addRoute(let route): "ip\(option(route.destination.isV4)) route add \(route)"
        case .replaceRoute(let route): "ip\(option(route.destination.isV4)) route replace \(route)"
        case .removeRoute(let route): "ip\(option(route.destination.isV4)) route del \(route)"
        case .addRule(let rule): "ip\(option(rule.isV4)) rule add \(rule)"
        case .removeRule(let rule): "ip\(option(rule.isV4)) rule del \(rule)"
        case .addNexthop(let nexthop): "ip\(option(nexthop.isV4)) nexthop add \(nexthop)"
        case .replaceNexthop(let nexthop): "ip\(option(nexthop.isV4)) nexthop replace \(nexthop)"
        case .removeNexthop(let id): "ip nexthop del id \(id)"
        case .setNeighbour(let neighbour): "ip neighbour replace \(neighbour)"
        case .removeNeighbour(let neighbour): "ip neighbour del \(neighbour.address) dev if\(neighbour.linkIndex)"
        }
    }

    private func option(_ isV4: Bool) -> String { isV4 ? "" : " -6" }

    /// What is to be removed and is not there is no failure.
    var isRemoval: Bool {
        switch self {
        case .removeRoute, .removeRule, .removeNexthop, .removeNeighbour: true
        case .addRoute, .replaceRoute, .addRule, .addNexthop, .replaceNexthop, .setNeighbour: false
        }
    }

    var request: NetlinkRequest {
        switch self {
        case .addRoute(let route): request(RTM_NEWROUTE, [.create, .exclusive], RouteMessage.encode(route))
        case .replaceRoute(let route): request(RTM_NEWROUTE, [.create, .replace], RouteMessage.encode(route))
        case .removeRoute(let route): request(RTM_DELROUTE, [], RouteMessage.encode(route))
        case .addRule(let rule): request(RTM_NEWRULE, [.create, .exclusive], RuleMessage.encode(rule))
        case .removeRule(let rule): request(RTM_DELRULE, [], RuleMessage.encode(rule))
        case .addNexthop(let nexthop): request(RTM_NEWNEXTHOP, [.create, .exclusive], NexthopMessage.encode(nexthop))
        case .replaceNexthop(let nexthop): request(RTM_NEWNEXTHOP, [.create, .replace], NexthopMessage.encode(nexthop))
        case .removeNexthop(let id): request(RTM_DELNEXTHOP, [], NexthopMessage.removal(id: id))
        case .setNeighbour(let neighbour):
            request(RTM_NEWNEIGH, [.create, .replace], NeighbourMessage.encode(neighbour))
        case .removeNeighbour(let neighbour): request(RTM_DELNEIGH, [], NeighbourMessage.encode(neighbour))
        }
    }

    private func request(_ type: Int, _ flags: NetlinkFlags, _ payload: [UInt8]) -> NetlinkRequest {
        // The text of each of 100,000 routes would cost more than sending them; `apply` gives it to what is refused.
        NetlinkRequest(
            operation: "change routing",
            target: .routing(type: UInt16(type)),
            flags: flags,
            payload: payload,
            names: names
        )
    }

    /// What the kernel's errors point at.
    private var names: AttributeNames {
        switch self {
        case .addRoute, .replaceRoute, .removeRoute: Self.routeNames
        case .addRule, .removeRule: Self.ruleNames
        case .addNexthop, .replaceNexthop, .removeNexthop: Self.nexthopNames
        case .setNeighbour, .removeNeighbour: Self.neighbourNames
        }
    }

    private static let routeNames = AttributeNames.table([
        Int(RTA_DST.rawValue): .init("RTA_DST"), Int(RTA_SRC.rawValue): .init("RTA_SRC"),
        Int(RTA_OIF.rawValue): .init("RTA_OIF"), Int(RTA_GATEWAY.rawValue): .init("RTA_GATEWAY"),
        Int(RTA_VIA.rawValue): .init("RTA_VIA"), Int(RTA_MULTIPATH.rawValue): .init("RTA_MULTIPATH"),
        Int(RTA_NH_ID.rawValue): .init("RTA_NH_ID"), Int(RTA_TABLE.rawValue): .init("RTA_TABLE"),
        Int(RTA_PRIORITY.rawValue): .init("RTA_PRIORITY"), Int(RTA_PREFSRC.rawValue): .init("RTA_PREFSRC"),
        Int(RTA_METRICS.rawValue): .init(
            "RTA_METRICS",
            .table([
                RouteMessage.metricLock: .init("RTAX_LOCK"), RouteMessage.metricMTU: .init("RTAX_MTU"),
                RouteMessage.metricAdvertisedMSS: .init("RTAX_ADVMSS"),
            ])
        ),
    ])
    private static let ruleNames = AttributeNames.table([
        FRA_PRIORITY: .init("FRA_PRIORITY"), FRA_TABLE: .init("FRA_TABLE"), FRA_PROTOCOL: .init("FRA_PROTOCOL"),
        FRA_DST: .init("FRA_DST"), FRA_SRC: .init("FRA_SRC"), FRA_GOTO: .init("FRA_GOTO"),
        FRA_FWMARK: .init("FRA_FWMARK"), FRA_FWMASK: .init("FRA_FWMASK"), FRA_IIFNAME: .init("FRA_IIFNAME"),
        FRA_OIFNAME: .init("FRA_OIFNAME"), FRA_UID_RANGE: .init("FRA_UID_RANGE"), FRA_L3MDEV: .init("FRA_L3MDEV"),
        FRA_SUPPRESS_PREFIXLEN: .init("FRA_SUPPRESS_PREFIXLEN"),
    ])
    private static let nexthopNames = AttributeNames.table([
        Int(NHA_ID): .init("NHA_ID"), Int(NHA_OIF): .init("NHA_OIF"), Int(NHA_GATEWAY): .init("NHA_GATEWAY"),
        Int(NHA_BLACKHOLE): .init("NHA_BLACKHOLE"), Int(NHA_GROUP): .init("NHA_GROUP"),
    ])
    private static let neighbourNames = AttributeNames.table([
        Int(NDA_DST): .init("NDA_DST"), Int(NDA_LLADDR): .init("NDA_LLADDR"),
    ])
}

/// Lists the changes that turn the rules that are ours into `desired`, additions before removals.
///
/// Pure: equal inputs give equal output, and what is there already needs nothing. Rules of others are left alone.
///
/// - Parameter ruleProtocol: the owner mark (`FRA_PROTOCOL`); every desired rule must have it.
public func plan(
    current: [RoutingRule],
    desired: Set<RoutingRule>,
    ruleProtocol: UInt8 = ownRouteProtocol
) -> [RoutingOperation] {
    precondition(desired.allSatisfy { $0.ruleProtocol == ruleProtocol }, "a desired rule lacks the owner mark")
    let ours = Set(current.filter { $0.ruleProtocol == ruleProtocol })
    let added = desired.subtracting(ours).sorted(by: inOrder).map { RoutingOperation.addRule($0) }
    return added + ours.subtracting(desired).sorted(by: inOrder).map { .removeRule($0) }
}

private func inOrder(_ a: RoutingRule, _ b: RoutingRule) -> Bool {
    if a.isV4 != b.isV4 { return a.isV4 }
    return a.priority == b.priority ? a.description < b.description : a.priority < b.priority
}
