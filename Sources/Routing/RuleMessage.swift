import CNetlink
import MeshModel
import NetlinkWire

/// `struct fib_rule_hdr` and its attributes.
enum RuleMessage {
    static func dump(isV4: Bool) -> [UInt8] {
        [RouteMessage.family(isV4: isV4)] + [UInt8](repeating: 0, count: headerBytes - 1)
    }

    static func encode(_ rule: RoutingRule) -> [UInt8] {
        var table: UInt32 = 0
        if case .lookUp(let number) = rule.action { table = number }
        let noTypeOfService: UInt8 = 0
        var header: [UInt8] = [
            RouteMessage.family(isV4: rule.isV4), UInt8(rule.destination?.length ?? 0), UInt8(rule.source?.length ?? 0),
            noTypeOfService, RouteMessage.tableByte(table), 0, 0, rule.action.number,
        ]
        header.appendInteger(UInt32(rule.isInverted ? FIB_RULE_INVERT : 0))
        var message = AttributeEncoder(header: header)
        message.append(FRA_PRIORITY, integer: rule.priority)
        message.append(FRA_TABLE, integer: table)
        message.append(FRA_PROTOCOL, integer: rule.ruleProtocol)
        if let prefix = rule.destination, prefix.length > 0 {
            message.append(FRA_DST, bytes: prefix.network.address.bytes)
        }
        if let prefix = rule.source, prefix.length > 0 { message.append(FRA_SRC, bytes: prefix.network.address.bytes) }
        if case .goto(let priority) = rule.action { message.append(FRA_GOTO, integer: priority) }
        if let mark = rule.fwmark {
            message.append(FRA_FWMARK, integer: mark)
            message.append(FRA_FWMASK, integer: rule.fwmarkMask)
        }
        if let link = rule.inputLink { message.append(FRA_IIFNAME, string: link) }
        if let link = rule.outputLink { message.append(FRA_OIFNAME, string: link) }
        if let users = rule.userIDs {
            var range: [UInt8] = []  // struct fib_rule_uid_range
            range.appendInteger(users.lowerBound)
            range.appendInteger(users.upperBound)
            message.append(FRA_UID_RANGE, bytes: range)
        }
        if rule.isL3Master { message.append(FRA_L3MDEV, integer: UInt8(1)) }
        if let length = rule.suppressPrefixLength { message.append(FRA_SUPPRESS_PREFIXLEN, integer: length) }
        return message.bytes
    }

    /// - Returns: `nil` for other families and actions.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> RoutingRule? {
        guard payload.count >= headerBytes, let flags = payload.integer(at: 8, as: UInt32.self) else {
            throw DecodeError("fib_rule_hdr: \(payload.count) bytes, expected at least \(headerBytes)")
        }
        let header = Array(payload.prefix(headerBytes))
        let isV4 = header[0] == RouteMessage.family(isV4: true)
        guard isV4 || header[0] == RouteMessage.family(isV4: false) else { return nil }
        var rule = RoutingRule(isV4: isV4, priority: 0, .nop, ruleProtocol: 0)
        var fields = RuleFields(table: UInt32(header[4]))
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            try fields.read(attribute, into: &rule)
        }
        guard let action = fields.action(number: header[7]) else { return nil }
        rule.action = action
        rule.isInverted = flags & UInt32(FIB_RULE_INVERT) != 0
        if header[1] > 0 {
            rule.destination = try RouteMessage.prefix(fields.destination, length: header[1], isV4: isV4, "FRA_DST")
        }
        if header[2] > 0 {
            rule.source = try RouteMessage.prefix(fields.source, length: header[2], isV4: isV4, "FRA_SRC")
        }
        // The kernel reports a mask of 0 with no mark for a rule without one.
        if rule.fwmark == nil, fields.mask != nil, fields.mask != 0 { rule.fwmark = 0 }
        if rule.fwmark != nil { rule.fwmarkMask = fields.mask ?? .max }
        return rule
    }

    private static let headerBytes = 12
}

/// The attributes of a rule that mean something only together with others.
private struct RuleFields {
    var table: UInt32
    var destination: IPAddress?
    var source: IPAddress?
    var goto: UInt32?
    var mask: UInt32?

    mutating func read(_ attribute: Attribute, into rule: inout RoutingRule) throws(DecodeError) {
        switch attribute.type {
        case FRA_PRIORITY: rule.priority = try attribute.integer("FRA_PRIORITY")
        case FRA_TABLE: table = try attribute.integer("FRA_TABLE")
        case FRA_PROTOCOL: rule.ruleProtocol = try attribute.integer("FRA_PROTOCOL")
        case FRA_DST: destination = try attribute.address("FRA_DST")
        case FRA_SRC: source = try attribute.address("FRA_SRC")
        case FRA_GOTO: goto = try attribute.integer("FRA_GOTO")
        case FRA_FWMARK: rule.fwmark = try attribute.integer("FRA_FWMARK")
        case FRA_FWMASK: mask = try attribute.integer("FRA_FWMASK")
        case FRA_IIFNAME: rule.inputLink = try attribute.string("FRA_IIFNAME")
        case FRA_OIFNAME: rule.outputLink = try attribute.string("FRA_OIFNAME")
        case FRA_L3MDEV: rule.isL3Master = try attribute.integer("FRA_L3MDEV") as UInt8 != 0
        case FRA_SUPPRESS_PREFIXLEN:
            let length: UInt32 = try attribute.integer("FRA_SUPPRESS_PREFIXLEN")
            rule.suppressPrefixLength = length == .max ? nil : length
        case FRA_UID_RANGE:
            let range = try attribute.bytes("FRA_UID_RANGE", count: 8)
            guard let first = range.integer(at: 0, as: UInt32.self), let last = range.integer(at: 4, as: UInt32.self),
                first <= last
            else { throw DecodeError("a range that ends before it begins", path: ["FRA_UID_RANGE"]) }
            // A rule for all users is one without a range.
            rule.userIDs = first == 0 && last == .max ? nil : first...last
        default: break
        }
    }

    func action(number: UInt8) -> RoutingRule.Action? {
        switch Int32(number) {
        case Int32(FR_ACT_TO_TBL): .lookUp(table: table)
        case Int32(FR_ACT_GOTO): goto.map { .goto(priority: $0) }
        case Int32(FR_ACT_NOP): .nop
        case Int32(FR_ACT_BLACKHOLE): .blackhole
        case Int32(FR_ACT_UNREACHABLE): .unreachable
        case Int32(FR_ACT_PROHIBIT): .prohibit
        default: nil
        }
    }
}
