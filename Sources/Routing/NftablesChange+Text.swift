/// Commands of nft(8) that do the same.
extension NftablesChange: CustomStringConvertible {
    public var description: String {
        switch self {
        case .addTable(let table): summary + table.blockText
        case .addChain(let chain): summary + chain.blockText
        case .addRule(let rule): "\(summary) \(rule)"
        case .insertRule(let rule, _), .replaceRule(let rule): "\(summary) \(rule)"
        case .addSet(let set): summary + set.blockText
        case .addElements(let set, let elements), .removeElements(let set, let elements):
            "\(summary) { \(set.text(of: elements).joined(separator: ", ")) }"
        case .addCounter(let counter): summary + counter.blockText
        case .removeTable, .removeChain, .flushChain, .removeRule, .removeSet, .flushSet, .removeCounter: summary
        }
    }

    /// The command without what it puts in: for errors, which say the rest.
    var summary: String {
        switch self {
        case .addTable(let table): "add table \(table.name)"
        case .removeTable(let name): "delete table \(name)"
        case .addChain(let chain): "add chain \(chain.name)"
        case .removeChain(let name): "delete chain \(name)"
        case .flushChain(let name): "flush chain \(name)"
        case .addRule(let rule): "add rule \(rule.chain)"
        case .insertRule(let rule, nil): "insert rule \(rule.chain)"
        case .insertRule(let rule, let position?): "insert rule \(rule.chain) position \(position)"
        case .replaceRule(let rule): "replace rule \(rule.chain) handle \(rule.handle)"
        case .removeRule(let chain, let handle): "delete rule \(chain) handle \(handle)"
        case .addSet(let set): "add \(set.kindText) \(set.name)"
        case .removeSet(let name): "delete set \(name)"
        case .flushSet(let name): "flush set \(name)"
        case .addElements(let set, _): "add element \(set.name)"
        case .removeElements(let set, _): "delete element \(set.name)"
        case .addCounter(let counter): "add counter \(counter.name)"
        case .removeCounter(let name): "delete counter \(name)"
        }
    }
}

private func block(_ lines: [String]) -> String {
    lines.isEmpty ? "" : " { " + lines.map { $0 + "; " }.joined() + "}"
}

private func commentLine(_ comment: String?) -> [String] { comment.map { ["comment " + nftablesQuoted($0)] } ?? [] }

extension NftablesTable {
    fileprivate var blockText: String {
        block((flags.contains(.dormant) ? ["flags dormant"] : []) + commentLine(comment))
    }
}

extension NftablesChain {
    fileprivate var blockText: String {
        guard let base else { return block(commentLine(comment)) }
        let devices =
            base.devices.isEmpty
            ? "" : " devices = { " + base.devices.map(nftablesQuoted).joined(separator: ", ") + " }"
        let type = "type \(base.kind) hook \(base.hook)\(devices) priority \(base.priority)"
        return block([type, "policy \(base.policy)"] + commentLine(comment))
    }
}

extension NftablesSet {
    fileprivate var kindText: String { value == nil ? "set" : "map" }

    fileprivate var blockText: String {
        let valueText =
            switch value {
            case nil: ""
            case .verdict: " : verdict"
            case .data(let type): " : \(type)"
            case .object(NftablesCounter.objectType): " : counter"
            case .object(let type): " : <object \(type)>"
            }
        var lines = ["type \(key)\(valueText)"]
        if let size { lines.append("size \(size)") }
        let names: [(Flags, String)] = [
            (.constant, "constant"), (.interval, "interval"), (.timeout, "timeout"), (.dynamic, "dynamic"),
        ]
        let words = names.filter { flags.contains($0.0) }.map(\.1)
        if !words.isEmpty { lines.append("flags " + words.joined(separator: ",")) }
        if hasCounters { lines.append("counter") }
        if let timeoutMilliseconds { lines.append("timeout " + nftablesDuration(timeoutMilliseconds)) }
        return block(lines + commentLine(comment))
    }

    /// Elements as nft(8) writes them, ranges of one part joined: `10.0.0.0/8 comment "office" : accept`.
    public func text(of elements: [NftablesElement]) -> [String] {
        guard flags.contains(.interval), key.parts.count == 1 else { return elements.map { text(of: $0) } }
        let ranges = NftablesInterval.join(elements).map { text(of: $0.element, key: text(of: $0)) }
        return ranges + elements.filter(\.isCatchAll).map { text(of: $0) }
    }

    private func text(of interval: NftablesInterval) -> String {
        if interval.first == interval.last { return key.text(interval.first) }
        if let part = key.parts.first, part == .ipv4Address || part == .ipv6Address,
            let length = prefixLength(interval.first, interval.last)
        {
            return "\(key.text(interval.first))/\(length)"
        }
        return "\(key.text(interval.first))-\(key.text(interval.last))"
    }

    private func text(of element: NftablesElement) -> String {
        if element.isCatchAll { return text(of: element, key: "*") }
        guard let lastKey = element.lastKey else { return text(of: element, key: key.text(element.key)) }
        let pairs = zip(key.pieces(element.key), key.pieces(lastKey))
        return text(of: element, key: pairs.map { $0 == $1 ? $0 : "\($0)-\($1)" }.joined(separator: " . "))
    }

    private func text(of element: NftablesElement, key: String) -> String {
        var text = key
        if let timeout = element.timeoutMilliseconds { text += " timeout " + nftablesDuration(timeout) }
        if let comment = element.comment { text += " comment " + nftablesQuoted(comment) }
        switch (element.value, value) {
        case (nil, _): return text
        case (.verdict(let verdict), _): return "\(text) : \(verdict)"
        case (.data(let data), .data(let type)): return "\(text) : \(type.text(data))"
        case (.data(let data), _): return "\(text) : \(hexadecimal(data))"
        case (.object(let name), _): return "\(text) : \"\(name)\""
        }
    }
}

/// - Returns: `nil` unless the range is that of a prefix.
private func prefixLength(_ first: [UInt8], _ last: [UInt8]) -> Int? {
    let host = zip(first, last).map { $0 ^ $1 }
    let length = host.count * 8 - host.reduce(0) { $0 + $1.nonzeroBitCount }
    let hostMask = host.indices.map { ~UInt8(truncatingIfNeeded: 0xff00 >> min(max(length - $0 * 8, 0), 8)) }
    guard host == hostMask, zip(first, hostMask).allSatisfy({ $0 & $1 == 0 }) else { return nil }
    return length
}

extension NftablesCounter {
    fileprivate var blockText: String { block(commentLine(comment) + ["packets \(packets) bytes \(bytes)"]) }
}
