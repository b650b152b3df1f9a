import CNetlink
public import MeshModel
import NetlinkWire

/// One packet of this host, as routing sees it.
public struct RouteLookup: Hashable, Sendable, CustomStringConvertible {
    public var destination: IPAddress
    /// `nil`: not chosen yet.
    public var source: IPAddress?
    /// `SO_MARK` of its socket; 0: none.
    public var fwmark: UInt32

    public init(to destination: IPAddress, from source: IPAddress? = nil, fwmark: UInt32 = 0) {
        self.destination = destination
        self.source = source
        self.fwmark = fwmark
    }

    /// As ip-route(8) reads it after `get`.
    public var description: String {
        let mark = fwmark == 0 ? "" : " mark 0x" + String(fwmark, radix: 16)
        return "\(destination)" + (source.map { " from \($0)" } ?? "") + mark
    }
}

/// What the kernel says of a lookup.
public enum RouteAnswer: Hashable, Sendable {
    /// The entry of the table that matched, not a clone of it.
    case route(Route)
    /// The error that a socket would get: `ENETUNREACH` no route, `EHOSTUNREACH` unreachable, `EINVAL` blackhole,
    /// `EACCES` prohibit.
    case refused(code: Int32)
}

/// `RTM_GETROUTE` for one packet.
enum RouteLookupMessage {
    /// Asks for the matching entry (kernel 4.13) and the table that it stands in, which IPv6 tells unasked: there the
    /// other flag is refused. Source: `inet6_rtm_valid_getroute_req`, net/ipv6/route.c.
    static func request(_ lookup: RouteLookup) -> [UInt8] {
        let isV4 = lookup.destination.isV4
        let bits = UInt8(isV4 ? 32 : 128)
        var header: [UInt8] = [RouteMessage.family(isV4: isV4), bits, lookup.source == nil ? 0 : bits, 0, 0, 0, 0, 0]
        header.appendInteger(UInt32(RTM_F_FIB_MATCH) | (isV4 ? UInt32(RTM_F_LOOKUP_TABLE) : 0))
        var message = AttributeEncoder(header: header)
        message.append(Int(RTA_DST.rawValue), bytes: lookup.destination.bytes)
        if let source = lookup.source { message.append(Int(RTA_SRC.rawValue), bytes: source.bytes) }
        if lookup.fwmark != 0 { message.append(RTA_MARK.rawValue, lookup.fwmark) }
        return message.bytes
    }
}

/// How the rules led to an answer.
public struct RouteDecision: Hashable, Sendable {
    public var rule: RoutingRule
    /// `nil`: the rule itself refuses.
    public var route: Route?
}

extension RouteLookup {
    /// Walks the rules as the kernel does for a packet of this host, sent by root from no VRF.
    ///
    /// It names the rule, which the kernel's answer does not, and the entry that refuses a packet. Where the two differ
    /// the kernel is right.
    ///
    /// - Parameters:
    ///   - rules: in the order they are asked.
    ///   - routes: of every table.
    /// - Returns: `nil`: no rule leads anywhere.
    public func decide(rules: [RoutingRule], routes: [Route]) -> RouteDecision? {
        var isSkippedUntil: UInt32 = 0
        for rule in rules where rule.isV4 == destination.isV4 && rule.priority >= isSkippedUntil && matches(rule) {
            switch rule.action {
            case .nop: continue
            case .goto(let priority): isSkippedUntil = max(isSkippedUntil, priority)
            case .blackhole, .unreachable, .prohibit: return RouteDecision(rule: rule, route: nil)
            case .lookUp(let table):
                guard let route = best(in: table, of: routes), route.kind != .throw else { continue }
                if let length = rule.suppressPrefixLength, route.destination.length <= Int(length) { continue }
                return RouteDecision(rule: rule, route: route)
            }
        }
        return nil
    }

    private func matches(_ rule: RoutingRule) -> Bool {
        if rule.isL3Master || rule.outputLink != nil { return false }
        let isMatch =
            (rule.source.map { prefix in source.map(prefix.contains) ?? false } ?? true)
            && (rule.destination?.contains(destination) ?? true)
            && (rule.fwmark.map { fwmark & rule.fwmarkMask == $0 & rule.fwmarkMask } ?? true)
            && (rule.inputLink.map { $0 == "lo" } ?? true)
            && (rule.userIDs?.contains(0) ?? true)
        return isMatch != rule.isInverted
    }

    /// The longest prefix, then the lowest metric.
    private func best(in table: UInt32, of routes: [Route]) -> Route? {
        routes.lazy
            .filter { $0.table == table && $0.destination.contains(destination) && $0.source == nil }
            .max { ($0.destination.length, $1.metric) < ($1.destination.length, $0.metric) }
    }
}
