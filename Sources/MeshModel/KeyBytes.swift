/// The 32 bytes of a key, in place: a device has many thousands of keys, and an array for each would be as many
/// allocations, compared and hashed byte by byte.
@usableFromInline
struct KeyBytes: Hashable, Sendable, Comparable {
    // As big-endian numbers, so that the order of numbers is the order of bytes.
    @usableFromInline let first: UInt64
    @usableFromInline let second: UInt64
    @usableFromInline let third: UInt64
    @usableFromInline let fourth: UInt64

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    @inlinable
    init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == keyLengthBytes else { return nil }
        var rest = bytes.makeIterator()
        first = UInt64(bigEndianFrom: &rest)
        second = UInt64(bigEndianFrom: &rest)
        third = UInt64(bigEndianFrom: &rest)
        fourth = UInt64(bigEndianFrom: &rest)
    }

    /// - Returns: `nil` unless `bytes` has exactly 32.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount == keyLengthBytes else { return nil }
        first = bytes.bigEndian(at: 0)
        second = bytes.bigEndian(at: 8)
        third = bytes.bigEndian(at: 16)
        fourth = bytes.bigEndian(at: 24)
    }

    /// - Returns: `nil` unless `text` is the canonical base64 of 32 bytes.
    init?(base64 text: Span<UInt8>) {
        guard let words = Base64.decodeKey(text) else { return nil }
        first = words[0]
        second = words[1]
        third = words[2]
        fourth = words[3]
    }

    var array: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(keyLengthBytes)
        append(to: &bytes)
        return bytes
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: first)
        bytes.append(bigEndian: second)
        bytes.append(bigEndian: third)
        bytes.append(bigEndian: fourth)
    }

    /// Appends the 44 characters of base64.
    func append(base64To text: inout OutputSpan<UInt8>) {
        let words: InlineArray = [first.bigEndian, second.bigEndian, third.bigEndian, fourth.bigEndian]
        Base64.append(words.span.bytes, to: &text)
    }

    @usableFromInline
    static func < (a: Self, b: Self) -> Bool {
        (a.first, a.second, a.third, a.fourth) < (b.first, b.second, b.third, b.fourth)
    }
}

extension UInt64 {
    /// The next 8 bytes; those beyond the end are zero.
    @inlinable
    init(bigEndianFrom bytes: inout some IteratorProtocol<UInt8>) {
        self = 0
        for _ in 0..<8 { self = self << 8 | UInt64(bytes.next() ?? 0) }
    }
}

extension RawSpan {
    /// 8 bytes, the most significant first.
    func bigEndian(at offset: Int) -> UInt64 {
        UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

extension [UInt8] {
    /// 8 bytes, the most significant first.
    mutating func append(bigEndian word: UInt64) {
        Swift.withUnsafeBytes(of: word.bigEndian) { append(contentsOf: $0) }
    }
}

/// `WG_KEY_LEN` of linux/wireguard.h.
@usableFromInline let keyLengthBytes = 32
