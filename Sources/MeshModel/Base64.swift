/// Standard base64 (RFC 4648, section 4) with padding, strict in both directions.
///
/// Written here because MeshModel imports nothing and keys must print in every target.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var filled = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            filled += 1
            if filled == 3 {
                for shift in [18, 12, 6, 0] { text.append(alphabet[Int(group >> UInt32(shift)) & 63]) }
                group = 0
                filled = 0
            }
        }
        if filled == 1 {
            text += [alphabet[Int(group >> 2) & 63], alphabet[Int(group << 4) & 63], padding, padding]
        } else if filled == 2 {
            text += [
                alphabet[Int(group >> 10) & 63], alphabet[Int(group >> 4) & 63], alphabet[Int(group << 2) & 63],
                padding,
            ]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: `nil` for a length that is no multiple of 4, a foreign character, misplaced padding, or trailing bits
    ///   that are not zero (so that one value has one text).
    public static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
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
            switch pads {
            case 1:
                guard group & 0xff == 0 else { return nil }
            case 2:
                guard group & 0xffff == 0 else { return nil }
            default:
                break
            }
            let decoded = [UInt8(group >> 16 & 0xff), UInt8(group >> 8 & 0xff), UInt8(group & 0xff)]
            bytes += decoded.prefix(3 - pads)
        }
        return bytes
    }

    private static let padding = UInt8(ascii: "=")

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
