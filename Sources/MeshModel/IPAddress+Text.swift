extension IPAddress {
    /// Dotted quad, or the canonical IPv6 text of RFC 5952.
    public var description: String {
        var text: [UInt8] = []
        append(textTo: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends `description`, without a string of its own.
    public func append(textTo text: inout [UInt8]) {
        text.append(addingCapacity: Self.textLimitBytes) { append(textTo: &$0) }
    }

    /// As to an array; there must be room for `textLimitBytes`.
    public func append(textTo text: inout OutputSpan<UInt8>) {
        if isV4 { return appendQuad(UInt32(truncatingIfNeeded: low), to: &text) }
        if isMapped {
            text.append(colon)
            text.append(colon)
            appendHexadecimal(0xffff, to: &text)
            text.append(colon)
            return appendQuad(UInt32(truncatingIfNeeded: low), to: &text)
        }
        // The longest run of two or more zero groups becomes "::", the first of equals (RFC 5952, section 4.2).
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(end) == 0 { end += 1 }
            if end - start >= 2, end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        var index = 0
        while index < 8 {
            if index == best.lowerBound, !best.isEmpty {
                text.append(colon)
                text.append(colon)
                index = best.upperBound
                continue
            }
            if index > 0, index != best.upperBound || best.isEmpty { text.append(colon) }
            appendHexadecimal(group(index), to: &text)
            index += 1
        }
    }

    /// `INET6_ADDRSTRLEN` without its NUL.
    public static var textLimitBytes: Int { 45 }

    /// One of the eight groups of an IPv6 address.
    private func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - index % 4 * 16))
    }
}

/// The text of an address; see `IPAddress.init(_:)`.
func parseAddress(_ text: Span<UInt8>) -> IPAddress? {
    parseV4(text, from: 0).map { IPAddress(v4: $0) } ?? parseV6(text)
}

/// A dotted quad from `start` to the end.
private func parseV4(_ text: Span<UInt8>, from start: Int) -> UInt32? {
    var address: UInt32 = 0
    var index = start
    for part in 0..<4 {
        if part > 0 {
            guard index < text.count, text[index] == dot else { return nil }
            index += 1
        }
        let first = index
        var value: UInt32 = 0
        while index < text.count, index - first < 3, let digit = decimalDigit(text[index]) {
            value = value * 10 + digit
            index += 1
        }
        guard index > first, value <= 255, index - first == 1 || text[first] != zero else { return nil }
        address = address << 8 | value
    }
    return index == text.count ? address : nil
}

/// Groups of 1 to 4 hexadecimal digits, at most one `::`, and a dotted quad in place of the last two groups.
private func parseV6(_ text: Span<UInt8>) -> IPAddress? {
    guard text.count <= 45 else { return nil }  // INET6_ADDRSTRLEN - 1
    var groups = InlineArray<8, UInt16>(repeating: 0)
    var count = 0
    /// How many groups stand before `::`.
    var gap: Int?
    var index = 0
    if text.count >= 2, text[0] == colon, text[1] == colon {
        gap = 0
        index = 2
    }
    while index < text.count {
        guard count < 8 else { return nil }
        let start = index
        var value: UInt32 = 0
        while index < text.count, index - start < 4, let digit = hexadecimalDigit(text[index]) {
            value = value << 4 | digit
            index += 1
        }
        if index < text.count, text[index] == dot {
            guard count <= 6, let quad = parseV4(text, from: start) else { return nil }
            groups[count] = UInt16(truncatingIfNeeded: quad >> 16)
            groups[count + 1] = UInt16(truncatingIfNeeded: quad)
            count += 2
            index = text.count
            break
        }
        guard index > start else { return nil }
        groups[count] = UInt16(truncatingIfNeeded: value)
        count += 1
        if index == text.count { break }
        guard text[index] == colon, index + 1 < text.count else { return nil }
        index += 1
        if text[index] == colon {
            guard gap == nil else { return nil }
            gap = count
            index += 1
        }
    }
    // "::" stands for at least one group.
    guard gap == nil ? count == 8 : count < 8 else { return nil }
    var words: (high: UInt64, low: UInt64) = (0, 0)
    for position in 0..<8 {
        let back = count - (8 - position)
        let group: UInt16 =
            if position < gap ?? 8 { groups[position] } else if back >= gap ?? 8 { groups[back] } else { 0 }
        if position < 4 {
            words.high = words.high << 16 | UInt64(group)
        } else {
            words.low = words.low << 16 | UInt64(group)
        }
    }
    return IPAddress(high: words.high, low: words.low, isV4: false)
}

private func appendQuad(_ address: UInt32, to text: inout OutputSpan<UInt8>) {
    for index: UInt32 in 0..<4 {
        if index > 0 { text.append(dot) }
        appendDecimal(UInt8(truncatingIfNeeded: address >> (24 - 8 * index)), to: &text)
    }
}

private func appendDecimal(_ byte: UInt8, to text: inout OutputSpan<UInt8>) {
    if byte >= 100 { text.append(zero + byte / 100) }
    if byte >= 10 { text.append(zero + byte / 10 % 10) }
    text.append(zero + byte % 10)
}

/// Lower case, without leading zeros.
private func appendHexadecimal(_ group: UInt16, to text: inout OutputSpan<UInt8>) {
    var shift = group == 0 ? 0 : (15 - group.leadingZeroBitCount) & ~3
    while shift >= 0 {
        let digit = UInt8(truncatingIfNeeded: group >> UInt16(shift)) & 15
        text.append(digit < 10 ? zero + digit : UInt8(ascii: "a") + digit - 10)
        shift -= 4
    }
}

private func decimalDigit(_ character: UInt8) -> UInt32? {
    (zero...zero + 9).contains(character) ? UInt32(character - zero) : nil
}

private func hexadecimalDigit(_ character: UInt8) -> UInt32? {
    switch character {
    case zero...zero + 9: UInt32(character - zero)
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(character - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(character - UInt8(ascii: "A") + 10)
    default: nil
    }
}

private let colon = UInt8(ascii: ":")
private let dot = UInt8(ascii: ".")
private let zero = UInt8(ascii: "0")
