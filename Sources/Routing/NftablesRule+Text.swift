import CNetlink

/// The statements of the rule as nft(8) reads them, with the comment: `iifname "wgm0" th dport 22 accept`.
///
/// What has no text of its own stands between angle brackets, which nft(8) does not read.
extension NftablesRule: CustomStringConvertible {
    public var description: String {
        var printer = RulePrinter(family: chain.table.family)
        for expression in expressions { printer.read(expression) }
        let comment = comment.map { ["comment " + nftablesQuoted($0)] } ?? []
        return (printer.words + comment).joined(separator: " ")
    }
}

/// Follows what the registers hold from one expression to the next.
private struct RulePrinter {
    private(set) var words: [String] = []
    private var registers: [Int: Term] = [:]
    /// The packet's family, once the rule has matched it; partial addresses and ICMP types need it.
    private var isV4: Bool?
    /// The number of the transport protocol, likewise.
    private var l4Protocol: UInt8?
    /// The last statement was `word >= value`, which `word <= value` makes a range.
    private var lowerBound: (word: Int, text: String)?

    init(family: NftablesFamily) {
        isV4 = family == .ip ? true : family == .ip6 ? false : nil
    }

    /// What a register holds.
    private struct Term {
        var text: String
        var type: NftablesType?
        var lengthBytes: Int
        /// The bits that are left of it; `nil`: all.
        var mask: [UInt8]?
        /// A constant, not something of the packet.
        var value: [UInt8]?
        /// Only this many bits of an address were read.
        var prefixBits: Int?
        /// It was looked at already, so that it is no part of a key that is put together later.
        var isUsed = false
    }

    mutating func read(_ expression: NftablesExpression) {
        if let field = NftablesField.read(by: expression) {
            load(field.name, field.type, lengthBytes: field.type.lengthBytes, into: register(of: expression))
            return
        }
        switch expression {
        case .payload(let payload, let register): load(payload, into: register)
        case .meta(let key, let register): load("meta <key \(key)>", nil, lengthBytes: 4, into: register)
        case .ct(let key, let direction, let register):
            let side = direction.map { $0 == 0 ? "original " : "reply " } ?? ""
            load("ct \(side)<key \(key)>", nil, lengthBytes: 4, into: register)
        case .route(let key, let register):
            let name = key == NFT_RT_TCPMSS.rawValue ? "rt mtu" : "rt <key \(key)>"
            load(name, .inetService, lengthBytes: 2, into: register)
        case .fib(let result, let flags, let register):
            let (name, type) = fibText(result)
            load("fib \(fibFlagText(flags)) \(name)", type, lengthBytes: type.lengthBytes, into: register)
        case .tcpOption(let type, let offset, let length, let register):
            load(optionText(type, offset, length), .inetService, lengthBytes: Int(length), into: register)
        case .immediate(let value, let register):
            guard case .word(let word) = register else { return }
            registers[word] = Term(text: hexadecimal(value), lengthBytes: value.count, value: value)
        case .bitwise(let source, let destination, let mask, let xor):
            guard case .word(let from) = source, case .word(let into) = destination else { return }
            var term = take(from)
            // A second mask, or bits that are turned over, have no text in a match.
            let isPlain = term.mask == nil && term.value == nil && xor.allSatisfy { $0 == 0 }
            term.isUsed = false
            if isPlain { term.mask = mask } else { term.text = "(\(term.text) & <mask> ^ <bits>)" }
            registers[into] = term
        case .byteorder(let source, let destination, _, _, _):
            guard case .word(let from) = source, case .word(let into) = destination else { return }
            registers[into] = take(from)
        default: readStatement(expression)
        }
    }

    private mutating func readStatement(_ expression: NftablesExpression) {
        switch expression {
        case .compare(let register, let comparison, let value): compare(register, comparison, value)
        case .range(let register, let isNegated, let first, let last):
            let term = take(register)
            let range = "\(text(first, as: term))-\(text(last, as: term))"
            words.append("\(term.text) \(isNegated ? "!= " : "")\(range)")
        case .verdict(let verdict): words.append(verdict.description)
        case .lookup(let set, let key, let destination, let isNegated):
            let joined = takeJoined(key)
            switch destination {
            case nil: words.append("\(joined) \(isNegated ? "!= " : "")@\(set)")
            case .verdict: words.append("\(joined) vmap @\(set)")
            case .word(let word): registers[word] = Term(text: "\(joined) map @\(set)", lengthBytes: 4)
            }
        case .counter(let packets, let bytes): words.append("counter packets \(packets) bytes \(bytes)")
        case .object(let type, let name):
            words.append(
                type == NftablesCounter.objectType ? "counter name \"\(name)\"" : "<object \(type)> \"\(name)\""
            )
        case .objectMap(let set, let key): words.append("counter name \(takeJoined(key)) map @\(set)")
        case .limit(let limit): words.append(limit.description)
        case .log(let log): words.append(log.description)
        case .metaSet(let key, let register):
            let name = key == NFT_META_MARK.rawValue ? "meta mark" : "meta <key \(key)>"
            words.append("\(name) set \(constant(take(register), as: .mark))")
        case .ctSet(let key, let register):
            let name = key == NFT_CT_MARK.rawValue ? "ct mark" : "ct <key \(key)>"
            words.append("\(name) set \(constant(take(register), as: .mark))")
        case .payloadSet(let write, let register):
            words.append("\(payloadText(write.field)) set \(constant(take(register), as: nil))")
        case .tcpOptionSet(let type, let offset, let length, let register):
            let value = constant(take(register), as: .inetService)
            words.append("\(optionText(type, offset, length)) set \(value)")
        case .nat(let nat): words.append(natText(nat))
        case .masquerade(let flags): words.append("masquerade" + natFlagText(flags))
        case .redirect(let port, let flags):
            let target = port.map { " to :" + constant(take($0), as: .inetService) } ?? ""
            words.append("redirect" + target + natFlagText(flags))
        case .reject(let reject): words.append(reject.description)
        case .notrack: words.append("notrack")
        case .queue(let queue): words.append(queue.description)
        case .setUpdate(let update):
            let timeout = update.timeoutMilliseconds.map { " timeout \(nftablesDuration($0))" } ?? ""
            let key = takeJoined(update.key) + timeout
            let value = update.value.map { " : " + take($0).text } ?? ""
            words.append("\(update.operation) @\(update.set) { \(key)\(value) }")
        default: words.append("<\(expression.kernelName)>")
        }
    }

    private mutating func compare(
        _ register: NftablesRegister,
        _ comparison: NftablesComparison,
        _ value: [UInt8]
    ) {
        guard case .word(let word) = register else { return }
        let term = take(register)
        if comparison == .equal, term.mask == nil { note(term, value) }
        if comparison == .lessOrEqual, let lower = lowerBound, lower.word == word {
            words[words.count - 1] = "\(lower.text)-\(text(value, as: term))"
            lowerBound = nil
            return
        }
        words.append(match(term, comparison, value))
        lowerBound = comparison == .greaterOrEqual ? (word, "\(term.text) \(text(value, as: term))") : nil
    }

    /// Remembers what a match says of the packet.
    private mutating func note(_ term: Term, _ value: [UInt8]) {
        switch term.type {
        case .nfproto: isV4 = value == [UInt8(CNETLINK_AF_INET)]
        case .inetProtocol: l4Protocol = value.first
        default: break
        }
    }

    /// A part of an address, or an ICMP type, means something only in a packet of known family or protocol.
    private mutating func load(_ payload: NftablesPayload, into register: NftablesRegister) {
        let length = Int(payload.lengthBytes)
        let start = NftablesPayload(payload.base, offsetBytes: payload.offsetBytes, lengthBytes: isV4 == true ? 4 : 16)
        let addresses: [NftablesField] =
            isV4.map { $0 ? [.ipSource, .ipDestination] : [.ip6Source, .ip6Destination] } ?? []
        if let field = addresses.first(where: { $0.load() == .payload(start, into: .word(0)) }),
            length < start.lengthBytes
        {
            load(field.name, field.type, lengthBytes: length, into: register)
            if case .word(let word) = register { registers[word]?.prefixBits = length * 8 }
        } else if NftablesField.icmpType.load() == .payload(payload, into: .word(0)), l4Protocol == 1 {
            load("icmp type", .icmpType, lengthBytes: 1, into: register)
        } else if NftablesField.icmpType.load() == .payload(payload, into: .word(0)), l4Protocol == 58 {
            load("icmpv6 type", .icmpv6Type, lengthBytes: 1, into: register)
        } else {
            load(payloadText(payload), nil, lengthBytes: length, into: register)
        }
    }

    private mutating func load(
        _ text: String,
        _ type: NftablesType?,
        lengthBytes: Int,
        into register: NftablesRegister
    ) {
        guard case .word(let word) = register else { return }
        // There are no more than 16 words, whatever a received length says.
        for covered in word..<min(16, word + max(1, paddedToWord(lengthBytes) / 4)) { registers[covered] = nil }
        registers[word] = Term(text: text, type: type, lengthBytes: lengthBytes)
    }

    private func register(of load: NftablesExpression) -> NftablesRegister {
        switch load {
        case .payload(_, let register), .meta(_, let register), .ct(_, _, let register): register
        default: .verdict
        }
    }

    private mutating func take(_ register: NftablesRegister) -> Term {
        guard case .word(let word) = register else { return Term(text: "<verdict>", lengthBytes: 4) }
        return take(word)
    }

    private mutating func take(_ word: Int) -> Term {
        registers[word]?.isUsed = true
        return registers[word] ?? Term(text: "<register \(word)>", lengthBytes: 4)
    }

    /// Everything loaded from `register` on without a gap: the parts of a key.
    private mutating func takeJoined(_ register: NftablesRegister) -> String {
        guard case .word(var word) = register else { return "<verdict>" }
        var texts: [String] = []
        while let term = registers[word], texts.isEmpty || !term.isUsed {
            registers[word]?.isUsed = true
            texts.append(term.mask.map { "\(term.text) & \(text($0, as: term))" } ?? term.text)
            word += max(1, paddedToWord(term.lengthBytes) / 4)
        }
        return texts.isEmpty ? "<register \(word)>" : texts.joined(separator: " . ")
    }

    private func match(_ term: Term, _ comparison: NftablesComparison, _ value: [UInt8]) -> String {
        let sign =
            switch comparison {
            case .equal: ""
            case .notEqual: "!= "
            case .less: "< "
            case .lessOrEqual: "<= "
            case .greater: "> "
            case .greaterOrEqual: ">= "
            }
        if let bits = term.prefixBits, let type = term.type, value.count <= type.lengthBytes {
            let zeros = [UInt8](repeating: 0, count: type.lengthBytes - value.count)
            return "\(term.text) \(sign)\(type.text(value + zeros))/\(bits)"
        }
        guard let mask = term.mask else { return "\(term.text) \(sign)\(text(value, as: term))" }
        if let length = prefixLength(mask), term.type == .ipv4Address || term.type == .ipv6Address {
            return "\(term.text) \(sign)\(text(value, as: term))/\(length)"
        }
        // nft(8) writes "any of these bits" as a plain match with their names.
        if comparison == .notEqual, value.allSatisfy({ $0 == 0 }), term.type == .ctState || term.type == .ctStatus {
            return "\(term.text) \(text(mask, as: term))"
        }
        let shown = comparison == .equal ? "== " : sign
        return "\(term.text) & \(text(mask, as: term)) \(shown)\(text(value, as: term))"
    }

    private func text(_ value: [UInt8], as term: Term) -> String { term.type?.text(value) ?? hexadecimal(value) }

    private func constant(_ term: Term, as type: NftablesType?) -> String {
        guard let value = term.value else { return term.text }
        return type?.text(value) ?? hexadecimal(value)
    }

    private mutating func natText(_ nat: NftablesNAT) -> String {
        let name = nat.kind == .source ? "snat" : "dnat"
        let family = nat.isV4 ? "ip" : "ip6"
        let type: NftablesType = nat.isV4 ? .ipv4Address : .ipv6Address
        var target = ""
        if let address = nat.address {
            // A map of addresses and ports fills the words behind the address too.
            var text = constant(take(address), as: type)
            if let last = nat.lastAddress { text += "-" + constant(take(last), as: type) }
            target = nat.isV4 || nat.port == nil ? text : "[\(text)]"
        }
        if let port = nat.port, case .word(let word) = port, registers[word]?.isUsed == false {
            target += ":" + constant(take(port), as: .inetService)
            if let last = nat.lastPort { target += "-" + constant(take(last), as: .inetService) }
        }
        return "\(name) \(family) to \(target)" + natFlagText(nat.flags)
    }
}

private func payloadText(_ payload: NftablesPayload) -> String {
    let base =
        switch payload.base {
        case .link: "@ll"
        case .network: "@nh"
        case .transport: "@th"
        case .inner: "@ih"
        }
    return "\(base),\(UInt64(payload.offsetBytes) * 8),\(UInt64(payload.lengthBytes) * 8)"
}

private func optionText(_ type: UInt8, _ offsetBytes: UInt32, _ lengthBytes: UInt32) -> String {
    if type == 2, offsetBytes == 2, lengthBytes == 2 { return "tcp option maxseg size" }
    return "tcp option @\(type),\(UInt64(offsetBytes) * 8),\(UInt64(lengthBytes) * 8)"
}

private func fibText(_ result: NftablesFIBResult) -> (String, NftablesType) {
    switch result {
    case .outputIndex: ("oif", .interfaceIndex)
    case .outputName: ("oifname", .interfaceName)
    case .addressType: ("type", .fibAddressType)
    }
}

private func fibFlagText(_ flags: UInt32) -> String {
    let names: [(UInt32, String)] = [
        (NftablesFIBFlags.sourceAddress, "saddr"), (NftablesFIBFlags.destinationAddress, "daddr"),
        (NftablesFIBFlags.mark, "mark"), (NftablesFIBFlags.inputLink, "iif"), (NftablesFIBFlags.outputLink, "oif"),
    ]
    return names.filter { flags & $0.0 != 0 }.map(\.1).joined(separator: " . ")
}

/// `NF_NAT_RANGE_PROTO_RANDOM`, `_PERSISTENT` and `_PROTO_RANDOM_FULLY`, linux/netfilter/nf_nat.h.
private func natFlagText(_ flags: UInt32) -> String {
    let names: [(UInt32, String)] = [(1 << 2, "random"), (1 << 4, "fully-random"), (1 << 3, "persistent")]
    let words = names.filter { flags & $0.0 != 0 }.map(\.1)
    return words.isEmpty ? "" : " " + words.joined(separator: ",")
}

/// - Returns: `nil` if the ones are not all in front.
private func prefixLength(_ mask: [UInt8]) -> Int? {
    let length = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    let expected = mask.indices.map { UInt8(truncatingIfNeeded: 0xff00 >> min(max(length - $0 * 8, 0), 8)) }
    return mask == expected ? length : nil
}

/// `1h2m3s4ms`, as nft(8) reads it.
func nftablesDuration(_ milliseconds: UInt64) -> String {
    var rest = milliseconds
    var text = ""
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")]
        as [(UInt64, String)]
    where rest >= unit {
        text += "\(rest / unit)\(name)"
        rest %= unit
    }
    return text.isEmpty ? "0s" : text
}

extension NftablesLimit: CustomStringConvertible {
    public var description: String {
        let over = isOver ? "over " : ""
        guard countsBytes else { return "limit rate \(over)\(rate)/\(unit) burst \(burst) packets" }
        return "limit rate \(over)\(rate) bytes/\(unit)" + (burst == 0 ? "" : " burst \(burst) bytes")
    }

    private var unit: String {
        switch perSeconds {
        case 1: "second"
        case 60: "minute"
        case 3600: "hour"
        case 86_400: "day"
        case 604_800: "week"
        default: "<\(perSeconds) seconds>"
        }
    }
}

extension NftablesLog: CustomStringConvertible {
    public var description: String {
        let start = "log" + (prefix.map { " prefix " + nftablesQuoted($0) } ?? "")
        switch target {
        case .kernel(let level):
            let names = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"]
            return level == 4 ? start : start + " level \(Int(level) < names.count ? names[Int(level)] : "<\(level)>")"
        case .group(let group, let snapLength, let threshold):
            let length = snapLength.map { " snaplen \($0)" } ?? ""
            return start + " group \(group)" + length + (threshold.map { " queue-threshold \($0)" } ?? "")
        }
    }
}

extension NftablesReject: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tcpReset: "reject with tcp reset"
        case .icmp(let code): "reject with icmp \(code)"
        case .icmpx(let code):
            switch code {
            case 0: "reject with icmpx no-route"
            case 1: "reject with icmpx port-unreachable"
            case 2: "reject with icmpx host-unreachable"
            case 3: "reject with icmpx admin-prohibited"
            default: "reject with icmpx \(code)"
            }
        }
    }
}

extension NftablesQueue: CustomStringConvertible {
    public var description: String {
        let words = [(1, "bypass"), (2, "fanout")].filter { flags & $0.0 != 0 }.map(\.1)
        let last = Int(first) + max(Int(count), 1) - 1
        let numbers = last == Int(first) ? "\(first)" : "\(first)-\(last)"
        return "queue" + (words.isEmpty ? "" : " flags \(words.joined(separator: ","))") + " to \(numbers)"
    }
}
