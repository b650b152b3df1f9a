/// An IP address: 4 or 16 bytes in network byte order. A v4-mapped v6 address stays v6; see `unmapped`.
public struct IPAddress: Hashable, Sendable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    /// 4 or 16 bytes.
    public let bytes: [UInt8]

    /// - Returns: `nil` unless `bytes` holds exactly 4 or 16 elements.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Dotted quad without leading zeros (RFC 6943, section 3.1.1, strict form), or IPv6 text (RFC 4291, section 2.2).
    ///
    /// - Returns: `nil` for anything else, zone identifiers (`%eth0`) included.
    public init?(_ text: String) {
        guard let bytes = text.utf8.contains(UInt8(ascii: ":")) ? parseV6(text[...]) : parseV4(text[...]) else {
            return nil
        }
        self.bytes = bytes
    }

    public var isV4: Bool { bytes.count == 4 }
    public var bitWidth: Int { bytes.count * 8 }

    /// The v4 address inside `::ffff:a.b.c.d`, else the address itself.
    public var unmapped: IPAddress {
        guard !isV4, bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff else { return self }
        return IPAddress(bytes: bytes.suffix(4)) ?? self
    }

    public var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }
    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool { isV4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1 }
    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool { isV4 ? bytes[0] & 0xf0 == 0xe0 : bytes[0] == 0xff }
    /// 169.254.0.0/16 or fe80::/10.
    public var isLinkLocal: Bool {
        isV4 ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80
    }

    /// Dotted quad, or the canonical IPv6 text of RFC 5952.
    public var description: String {
        isV4 ? bytes.map { String($0) }.joined(separator: ".") : formatV6(bytes)
    }

    /// v4 before v6, then by bytes.
    public static func < (a: Self, b: Self) -> Bool {
        a.bytes.count == b.bytes.count ? a.bytes.lexicographicallyPrecedes(b.bytes) : a.bytes.count < b.bytes.count
    }
}

private func parseV4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
        guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            part.utf8.count == 1 || part.utf8.first != 0x30, let byte = UInt8(part)
        else { return nil }
        bytes.append(byte)
    }
    return bytes
}

private func parseV6(_ text: Substring) -> [UInt8]? {
    guard text.utf8.count <= 45 else { return nil }  // INET6_ADDRSTRLEN - 1
    guard let gap = text.firstRange(of: "::") else {
        guard let bytes = parseGroups(text), bytes.count == 16 else { return nil }
        return bytes
    }
    let head = text[..<gap.lowerBound]
    let tail = text[gap.upperBound...]
    guard let front = head.isEmpty ? [] : parseGroups(head, mayEndInV4: false),
        let back = tail.isEmpty ? [] : parseGroups(tail),
        front.count + back.count <= 14
    else { return nil }
    return front + Array(repeating: 0, count: 16 - front.count - back.count) + back
}

/// Groups of 1 to 4 hexadecimal digits; the last may be a dotted quad.
private func parseGroups(_ text: Substring, mayEndInV4: Bool = true) -> [UInt8]? {
    let groups = text.split(separator: ":", omittingEmptySubsequences: false)
    var bytes: [UInt8] = []
    for (index, group) in groups.enumerated() {
        if group.utf8.contains(UInt8(ascii: ".")) {
            guard mayEndInV4, index == groups.count - 1, let quad = parseV4(group) else { return nil }
            bytes += quad
            continue
        }
        guard (1...4).contains(group.utf8.count), group.utf8.allSatisfy(isHexDigit),
            let value = UInt16(group, radix: 16)
        else { return nil }
        bytes += [UInt8(value >> 8), UInt8(value & 0xff)]
    }
    return bytes.count <= 16 ? bytes : nil
}

private func isHexDigit(_ character: UInt8) -> Bool {
    (0x30...0x39).contains(character) || (0x41...0x46).contains(character) || (0x61...0x66).contains(character)
}

private func formatV6(_ bytes: [UInt8]) -> String {
    let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
    if isMapped { return "::ffff:" + bytes.suffix(4).map { String($0) }.joined(separator: ".") }
    let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    // The longest run of two or more zero groups becomes "::", the first of equals (RFC 5952, section 4.2).
    var best = 0..<0
    var start = 0
    while start < 8 {
        var end = start
        while end < 8, groups[end] == 0 { end += 1 }
        if end - start >= 2, end - start > best.count { best = start..<end }
        start = max(end, start + 1)
    }
    func text(_ slice: ArraySlice<UInt16>) -> String { slice.map { String($0, radix: 16) }.joined(separator: ":") }
    if best.isEmpty { return text(groups[...]) }
    return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
}
