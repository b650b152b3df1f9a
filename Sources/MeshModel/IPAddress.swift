/// An IP address: 4 or 16 bytes in network byte order. A v4-mapped v6 address stays v6; see `unmapped`.
public struct IPAddress: Hashable, Sendable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    // Numbers in place, most significant byte first, instead of an array: a host has many thousands of prefixes. v4 is the
    // lower half of `low`.
    @usableFromInline let high: UInt64
    @usableFromInline let low: UInt64
    public let isV4: Bool

    init(high: UInt64, low: UInt64, isV4: Bool) {
        self.high = high
        self.low = low
        self.isV4 = isV4
    }

    init(v4: UInt32) { self.init(high: 0, low: UInt64(v4), isV4: true) }

    /// - Returns: `nil` unless `bytes` holds exactly 4 or 16 elements.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        let count = bytes.count
        guard count == 4 || count == 16 else { return nil }
        isV4 = count == 4
        var rest = bytes.makeIterator()
        if count == 4 {
            high = 0
            low = UInt64(bigEndianFrom: &rest) >> 32
        } else {
            high = UInt64(bigEndianFrom: &rest)
            low = UInt64(bigEndianFrom: &rest)
        }
    }

    /// - Returns: `nil` unless `bytes` has exactly 4 or 16.
    public init?(bytes: RawSpan) {
        switch bytes.byteCount {
        case 4: self.init(v4: UInt32(bigEndian: bytes.unsafeLoadUnaligned(as: UInt32.self)))
        case 16: self.init(high: bytes.bigEndian(at: 0), low: bytes.bigEndian(at: 8), isV4: false)
        default: return nil
        }
    }

    /// Dotted quad without leading zeros (RFC 6943, section 3.1.1, strict form), or IPv6 text (RFC 4291, section 2.2).
    ///
    /// - Returns: `nil` for anything else, zone identifiers (`%eth0`) included.
    public init?(_ text: String) {
        guard let address = parseAddress(text.utf8Span.span) else { return nil }
        self = address
    }

    /// As `init(_: String)`, of the text's bytes.
    public init?(text: ArraySlice<UInt8>) {
        self.init(text: text.span)
    }

    /// As `init(_: String)`, of the text's bytes.
    public init?(text: Span<UInt8>) {
        guard let address = parseAddress(text) else { return nil }
        self = address
    }

    /// 4 or 16 bytes.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    /// The address as a number of 128 bits; of IPv4, its 32 bits are the lowest ones.
    public var words: (high: UInt64, low: UInt64) { (high, isV4 ? low & 0xffff_ffff : low) }

    /// Appends `bytes`, without an array of their own.
    public func append(to bytes: inout [UInt8]) {
        if isV4 {
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: low))
        } else {
            bytes.append(bigEndian: high)
            bytes.append(bigEndian: low)
        }
    }

    public var bitWidth: Int { isV4 ? 32 : 128 }

    /// The v4 address inside `::ffff:a.b.c.d`, else the address itself.
    public var unmapped: IPAddress {
        guard isMapped else { return self }
        return IPAddress(v4: UInt32(truncatingIfNeeded: low))
    }

    /// The v4 address at the end of 96 zero bits (RFC 4291, section 2.5.5.1), if it is not below 0.1.0.0: such as `::1` are
    /// no such address.
    public var compatibleV4: IPAddress? {
        guard !isV4, high == 0, low >> 32 == 0, low >> 16 != 0 else { return nil }
        return IPAddress(v4: UInt32(truncatingIfNeeded: low))
    }

    public var isUnspecified: Bool { high == 0 && low == 0 }
    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool { isV4 ? low >> 24 == 127 : high == 0 && low == 1 }
    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool { isV4 ? low >> 28 == 0xe : high >> 56 == 0xff }
    /// 169.254.0.0/16 or fe80::/10.
    public var isLinkLocal: Bool { isV4 ? low >> 16 == 0xa9fe : high >> 54 == 0xfe80 >> 6 }

    /// ::ffff:0:0/96.
    var isMapped: Bool { !isV4 && high == 0 && low >> 32 == 0xffff }

    /// The address with all but its first `length` bits cleared.
    func keeping(length: Int) -> IPAddress {
        if isV4 { return IPAddress(high: 0, low: low & (UInt64.max << UInt64(32 - length)), isV4: true) }
        // Smart shifts: by 64 or more they give zero.
        let mask = (high: UInt64.max << (64 - min(length, 64)), low: UInt64.max << (128 - max(length, 64)))
        return IPAddress(high: high & mask.high, low: low & mask.low, isV4: false)
    }

    /// v4 before v6, then by bytes.
    public static func < (a: Self, b: Self) -> Bool {
        a.isV4 == b.isV4 ? (a.high, a.low) < (b.high, b.low) : a.isV4
    }
}

extension [UInt8] {
    /// 4 bytes, the most significant first.
    fileprivate mutating func append(bigEndian word: UInt32) {
        Swift.withUnsafeBytes(of: word.bigEndian) { append(contentsOf: $0) }
    }
}
