import CNetlink
public import MeshModel

/// One route, with everything that we read and write of it.
public struct Route: Hashable, Sendable {
    /// What becomes of packets. Source: `RTN_*`, linux/rtnetlink.h.
    public enum Kind: UInt8, Hashable, Sendable {
        case unicast = 1
        case local = 2
        case broadcast = 3
        case anycast = 4
        case multicast = 5
        /// Dropped in silence.
        case blackhole = 6
        /// Refused with ICMP.
        case unreachable = 7
        case prohibit = 8
        /// As if this table had no route: on with the next rule.
        case `throw` = 9
    }

    /// Where packets go.
    public enum Target: Hashable, Sendable {
        /// For kinds that send nowhere.
        case none
        case hop(Hop)
        /// Several, by weight.
        case multipath([Hop])
        /// A nexthop object.
        case nexthop(id: UInt32)
    }

    /// One way out.
    public struct Hop: Hashable, Sendable {
        /// `nil`: the kernel looks for the gateway.
        public var linkIndex: UInt32?
        /// Possibly of the other family (RFC 8950); `nil`: what the route matches is on the link itself.
        public var gateway: IPAddress?
        /// 1 to 256.
        public var weight: Int
        /// The gateway is on the link although no route says so (`RTNH_F_ONLINK`).
        public var isOnLink: Bool

        public init(linkIndex: UInt32?, gateway: IPAddress? = nil, weight: Int = 1, isOnLink: Bool = false) {
            self.linkIndex = linkIndex
            self.gateway = gateway
            self.weight = weight
            self.isOnLink = isOnLink
        }
    }

    public var kind: Kind
    /// Host bits zero.
    public var destination: IPPrefix
    /// Host bits zero; `nil`: any (IPv6 only).
    public var source: IPPrefix?
    /// 254: main, 255: local.
    public var table: UInt32
    /// Lower wins; 0: none given; IPv6 turns it into 1024.
    public var metric: UInt32
    /// Who made it: `RTPROT_*`; 2: kernel, 4: static.
    public var routeProtocol: UInt8
    /// `RT_SCOPE_*`: 0 global, 253 link, 254 host; IPv6 knows 0 only.
    public var scope: UInt8
    public var typeOfService: UInt8
    public var target: Target
    /// The address that packets of this host leave with; `nil`: the kernel's choice.
    public var preferredSource: IPAddress?
    /// `nil`: that of the link, or discovered.
    public var mtuBytes: UInt32?
    /// Path MTU discovery does not change it (`lock`).
    public var isMTULocked: Bool
    /// What TCP asks others to send at most; `nil`: from the MTU.
    public var advertisedMSSBytes: UInt32?

    public init(
        _ kind: Kind = .unicast,
        to destination: IPPrefix,
        source: IPPrefix? = nil,
        table: UInt32 = 254,
        metric: UInt32 = 0,
        routeProtocol: UInt8 = ownRouteProtocol,
        scope: UInt8 = 0,
        typeOfService: UInt8 = 0,
        target: Target = .none,
        preferredSource: IPAddress? = nil,
        mtuBytes: UInt32? = nil,
        isMTULocked: Bool = false,
        advertisedMSSBytes: UInt32? = nil
    ) {
        self.kind = kind
        self.destination = destination
        self.source = source
        self.table = table
        self.metric = metric
        self.routeProtocol = routeProtocol
        self.scope = scope
        self.typeOfService = typeOfService
        self.target = target
        self.preferredSource = preferredSource
        self.mtuBytes = mtuBytes
        self.isMTULocked = isMTULocked
        self.advertisedMSSBytes = advertisedMSSBytes
    }

    /// The only link it leads to; `nil`: none, several, or known only to a nexthop object.
    public var linkIndex: UInt32? {
        if case .hop(let hop) = target { hop.linkIndex } else { nil }
    }
}

/// As ip-route(8) reads it; links are called by number (`if5`), as ip(8) allows.
extension Route: CustomStringConvertible {
    public var description: String {
        var words = kind == .unicast ? [] : ["\(kind)"]
        words.append("\(destination)")
        if let source { words.append("from \(source)") }
        if typeOfService != 0 { words.append("tos 0x" + String(typeOfService, radix: 16)) }
        switch target {
        case .none: break
        case .hop(let hop): words.append(hop.text(isV4: destination.isV4))
        case .multipath: break
        case .nexthop(let id): words.append("nhid \(id)")
        }
        words.append("table \(table) proto \(routeProtocol)")
        if scope != 0 { words.append("scope \(scope)") }
        if let preferredSource { words.append("src \(preferredSource)") }
        if metric != 0 { words.append("metric \(metric)") }
        if let mtuBytes { words.append("mtu \(isMTULocked ? "lock " : "")\(mtuBytes)") }
        if let advertisedMSSBytes { words.append("advmss \(advertisedMSSBytes)") }
        if case .multipath(let hops) = target {
            words += hops.map { "nexthop \($0.text(isV4: destination.isV4)) weight \($0.weight)" }
        }
        return words.joined(separator: " ")
    }
}

extension Route.Hop {
    func text(isV4: Bool) -> String {
        var words: [String] = []
        if let gateway { words.append(gateway.isV4 == isV4 ? "via \(gateway)" : "via inet6 \(gateway)") }
        if let linkIndex { words.append("dev if\(linkIndex)") }
        if isOnLink { words.append("onlink") }
        return words.joined(separator: " ")
    }
}
