/// Text in one word: what could end or split it stands as `%` and two hexadecimal digits (RFC 3986, section 2.1).
///
/// Names of networks come from people and may hold spaces, commas and newlines; a line of our socket and of our files may
/// not.
public enum PercentEncoding {
    /// Letters, digits, `-`, `.`, `_` and `~` stay (RFC 3986, section 2.3, *unreserved*).
    public static func encode(_ text: some StringProtocol) -> String {
        var word = ""
        for byte in text.utf8 {
            if isUnreserved(byte) {
                word.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                word += byte < 16 ? "%0" + digits : "%" + digits
            }
        }
        return word
    }

    /// - Returns: `nil` unless every other character is an unreserved one and the bytes are UTF-8.
    public static func decode(_ word: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(word.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            } else {
                guard isUnreserved(byte) else { return nil }
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
