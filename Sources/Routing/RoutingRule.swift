import CNetlink
public import MeshModel

/// One rule of policy routing: which packets look where.
public struct RoutingRule: Hashable, Sendable {
    /// Source: `FR_ACT_*`, linux/fib_rules.h.
    public enum Action: Hashable, Sendable {
        /// 254: main.
        case lookUp(table: UInt32)
        /// On with the first rule of this priority or behind it.
        case goto(priority: UInt32)
        case nop
        case blackhole
        case unreachable
        case prohibit

        var number: UInt8 {
            switch self {
            case .lookUp: UInt8(FR_ACT_TO_TBL)
            case .goto: UInt8(FR_ACT_GOTO)
            case .nop: UInt8(FR_ACT_NOP)
            case .blackhole: UInt8(FR_ACT_BLACKHOLE)
            case .unreachable: UInt8(FR_ACT_UNREACHABLE)
            case .prohibit: UInt8(FR_ACT_PROHIBIT)
            }
        }
    }

    public var isV4: Bool
    /// Lower is asked first.
    public var priority: UInt32
    public var action: Action
    /// Whether it is for packets that do *not* match.
    public var isInverted: Bool
    /// Host bits zero; `nil`: any.
    public var source: IPPrefix?
    /// Host bits zero; `nil`: any.
    public var destination: IPPrefix?
    /// `nil`: any.
    public var fwmark: UInt32?
    /// Which bits of the mark count; 0xffffffff: all.
    public var fwmarkMask: UInt32
    /// `nil`: any. `lo`: packets of this host.
    public var inputLink: String?
    /// `nil`: any.
    public var outputLink: String?
    /// User ids of the sending process on this host; `nil`: any.
    public var userIDs: ClosedRange<UInt32>?
    /// Look in the table of the VRF that the packet belongs to; the action's table is 0 then.
    public var isL3Master: Bool
    /// A route with this prefix length or a shorter one does not count: 0 hides default routes; `nil`: all count.
    public var suppressPrefixLength: UInt32?
    /// Who made it: `RTPROT_*`; 0: not said.
    public var ruleProtocol: UInt8

    public init(
        isV4: Bool,
        priority: UInt32,
        _ action: Action,
        isInverted: Bool = false,
        source: IPPrefix? = nil,
        destination: IPPrefix? = nil,
        fwmark: UInt32? = nil,
        fwmarkMask: UInt32 = .max,
        inputLink: String? = nil,
        outputLink: String? = nil,
        userIDs: ClosedRange<UInt32>? = nil,
        isL3Master: Bool = false,
        suppressPrefixLength: UInt32? = nil,
        ruleProtocol: UInt8 = ownRouteProtocol
    ) {
        self.isV4 = isV4
        self.priority = priority
        self.action = action
        self.isInverted = isInverted
        self.source = source
        self.destination = destination
        self.fwmark = fwmark
        self.fwmarkMask = fwmarkMask
        self.inputLink = inputLink
        self.outputLink = outputLink
        self.userIDs = userIDs
        self.isL3Master = isL3Master
        self.suppressPrefixLength = suppressPrefixLength
        self.ruleProtocol = ruleProtocol
    }
}

/// As ip-rule(8) reads it, without the family.
extension RoutingRule: CustomStringConvertible {
    public var description: String {
        var words = ["priority \(priority)"]
        if isInverted { words.append("not") }
        words.append("from " + (source.map { "\($0)" } ?? "all"))
        if let destination { words.append("to \(destination)") }
        if let fwmark {
            let mask = fwmarkMask == .max ? "" : "/0x" + String(fwmarkMask, radix: 16)
            words.append("fwmark 0x" + String(fwmark, radix: 16) + mask)
        }
        if let inputLink { words.append("iif \(inputLink)") }
        if let outputLink { words.append("oif \(outputLink)") }
        if let userIDs { words.append("uidrange \(userIDs.lowerBound)-\(userIDs.upperBound)") }
        if isL3Master { words.append("l3mdev") }
        if ruleProtocol != 0 { words.append("protocol \(ruleProtocol)") }
        switch action {
        case .lookUp(let table): if !isL3Master { words.append("lookup \(table)") }
        case .goto(let priority): words.append("goto \(priority)")
        case .nop: words.append("nop")
        case .blackhole: words.append("blackhole")
        case .unreachable: words.append("unreachable")
        case .prohibit: words.append("prohibit")
        }
        if let suppressPrefixLength { words.append("suppress_prefixlength \(suppressPrefixLength)") }
        return words.joined(separator: " ")
    }
}
