package import MeshModel

/// A JSON value (RFC 8259) that keeps the order of its members.
package indirect enum JSONValue: Hashable, Sendable {
    case string(String)
    case integer(Int64)
    case unsigned(UInt64)
    case bool(Bool)
    case privateKey(PrivateKey)
    case presharedKey(PresharedKey)
    case list([JSONValue])
    case object([Member])

    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// One line without its end. What holds keys is better appended to a text that is wiped.
    package var text: String {
        var text = ByteText()
        text.append(self)
        return text.string
    }
}

extension ByteText {
    /// As one line without its end.
    package mutating func append(_ value: JSONValue) {
        switch value {
        case .string(let string): append(quoted: string)
        case .integer(let number): append(number)
        case .unsigned(let number): append(number)
        case .bool(let isTrue): append(isTrue ? "true" : "false")
        case .privateKey(let key):
            append("\"")
            append(key)
            append("\"")
        case .presharedKey(let key):
            append("\"")
            append(key)
            append("\"")
        case .list(let values):
            append("[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(",") }
                append(value)
            }
            append("]")
        case .object(let members):
            append("{")
            for (index, member) in members.enumerated() {
                if index > 0 { append(",") }
                append(quoted: member.name)
                append(":")
                append(member.value)
            }
            append("}")
        }
    }

    private mutating func append(quoted string: String) {
        append("\"")
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
            default: append(bytes: CollectionOfOne(byte))
            }
        }
        append("\"")
    }
}
