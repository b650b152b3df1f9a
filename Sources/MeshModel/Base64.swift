/// Standard base64 (RFC 4648, section 4) with padding, strict in both directions.
///
/// Written here because MeshModel imports nothing and keys must print in every target.
public enum Base64 {
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        append(Array(bytes), to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends `encode(bytes)`, without a string of its own.
    public static func append(_ bytes: [UInt8], to text: inout [UInt8]) {
        text.append(addingCapacity: (bytes.count + 2) / 3 * 4) { append(bytes.span.bytes, to: &$0) }
    }

    /// As to an array; there must be room for it.
    static func append(_ bytes: RawSpan, to text: inout OutputSpan<UInt8>) {
        for start in stride(from: 0, to: bytes.byteCount, by: 6) {
            var word: UInt64 = 0
            let count = min(6, bytes.byteCount - start)
            for index in start..<start + count {
                word = word << 8 | UInt64(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            }
            let letters = characters(word << UInt64(48 - 8 * count))
            // 6 bits for each character; the rest of a group of four is padding.
            let used = (8 * count + 5) / 6
            for index in 0..<used { text.append(UInt8(truncatingIfNeeded: letters >> UInt64(56 - 8 * index))) }
            for _ in used..<(used + 3) & ~3 { text.append(padding) }
        }
    }

    /// The eight characters of 48 bits, the first in the uppermost byte; all eight at once, since a large device has
    /// hundreds of thousands.
    private static func characters(_ bits: UInt64) -> UInt64 {
        var word = (bits & 0xffff_ff00_0000) << 8 | bits & 0xff_ffff
        word = (word & 0x00ff_f000_00ff_f000) << 4 | word & 0x0000_0fff_0000_0fff
        word = (word & 0x0fc0_0fc0_0fc0_0fc0) << 2 | word & 0x003f_003f_003f_003f
        /// 1 in each byte of `word` that is at least `limit`.
        func ones(_ limit: UInt64) -> UInt64 { (word + (128 - limit) * everyByte) >> 7 & everyByte }
        // A to Z, then a to z, 0 to 9, + and /: each begins so much above or below its forerunner's end.
        let raised = word + 65 * everyByte + 6 * ones(26) + 3 * ones(63)
        return raised - 75 * ones(52) - 15 * ones(62)
    }

    private static let everyByte: UInt64 = 0x0101_0101_0101_0101

    /// - Returns: `nil` for a length that is no multiple of 4, a foreign character, misplaced padding, or trailing bits
    ///   that are not zero (so that one value has one text).
    public static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

    /// As of a string.
    public static func decode(_ characters: [UInt8]) -> [UInt8]? {
        guard characters.count.isMultiple(of: 4) else { return nil }
        var isValid = true
        let values = values
        let bytes = [UInt8](capacity: characters.count / 4 * 3) { bytes in
            for start in stride(from: 0, to: characters.count, by: 4) {
                let isLast = start + 4 == characters.count
                var pads = 0
                if isLast && characters[start + 3] == padding { pads = characters[start + 2] == padding ? 2 : 1 }
                var group: UInt32 = 0
                for offset in 0..<(4 - pads) {
                    let value = values[Int(characters[start + offset])]
                    if value == foreign { isValid = false }
                    group = group << 6 | UInt32(value & 63)
                }
                group <<= UInt32(6 * pads)
                if group & (1 << UInt32(8 * pads) - 1) != 0 { isValid = false }
                for index in 0..<(3 - pads) { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index))) }
            }
        }
        return isValid ? bytes : nil
    }

    /// The 32 bytes of 44 characters, the first in the uppermost byte of the first word; without an array, since large
    /// configurations have many thousands of keys.
    ///
    /// - Returns: `nil` as of a string, and for another length.
    static func decodeKey(_ text: Span<UInt8>) -> InlineArray<4, UInt64>? {
        guard text.count == 44, text[43] == padding else { return nil }
        var words = InlineArray<4, UInt64>(repeating: 0)
        let values = values
        var gathered: UInt8 = 0
        for index in 0..<43 {
            let value = values[Int(text[index])]
            gathered |= value
            // 6 bits at `place`; those of a character that belongs to two words go to both.
            let place = 6 * index
            let word = place >> 6
            let left = 58 - place & 63
            words[word] |= left >= 0 ? UInt64(value) << UInt64(left) : UInt64(value) >> UInt64(-left)
            if left < 0, word < 3 { words[word + 1] = UInt64(value) << UInt64(64 + left) }
            // The last character ends 2 bits behind the last word.
            if index == 42, value & 3 != 0 { return nil }
        }
        return gathered < 64 ? words : nil
    }

    private static let padding = UInt8(ascii: "=")

    /// By character.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: foreign, count: 256)
        for value: UInt8 in 0..<64 { values[Int(characters(UInt64(value) << 42) >> 56)] = value }
        return values
    }()

    /// The value of what is no character of base64.
    private static let foreign: UInt8 = 0xff
}
