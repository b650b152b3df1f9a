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
        text.reserveCapacity(text.count + (bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var filled = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            filled += 1
            if filled == 3 {
                append(group, characters: 4, to: &text)
                group = 0
                filled = 0
            }
        }
        if filled == 1 {
            append(group << 16, characters: 2, to: &text)
            text.append(padding)
            text.append(padding)
        } else if filled == 2 {
            append(group << 8, characters: 3, to: &text)
            text.append(padding)
        }
    }

    /// - Returns: `nil` for a length that is no multiple of 4, a foreign character, misplaced padding, or trailing bits
    ///   that are not zero (so that one value has one text).
    public static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

    /// As of a string.
    public static func decode(_ characters: [UInt8]) -> [UInt8]? {
        guard characters.count.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        for start in stride(from: 0, to: characters.count, by: 4) {
            let isLast = start + 4 == characters.count
            var pads = 0
            if isLast && characters[start + 3] == padding { pads = characters[start + 2] == padding ? 2 : 1 }
            var group: UInt32 = 0
            for offset in 0..<(4 - pads) {
                guard let value = value(of: characters[start + offset]) else { return nil }
                group = group << 6 | value
            }
            group <<= UInt32(6 * pads)
            guard group & (1 << UInt32(8 * pads) - 1) == 0 else { return nil }
            for index in 0..<(3 - pads) { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index))) }
        }
        return bytes
    }

    private static let padding = UInt8(ascii: "=")

    /// The first `characters` of the four that 24 bits make.
    private static func append(_ group: UInt32, characters: Int, to text: inout [UInt8]) {
        for index in 0..<characters {
            text.append(character(UInt8(truncatingIfNeeded: group >> UInt32(18 - 6 * index)) & 63))
        }
    }

    private static func character(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
