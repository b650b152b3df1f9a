package import MeshModel

/// Text under construction, as bytes: the dump of a large device is megabytes, and a file name need not be UTF-8.
package struct ByteText: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ text: String = "") { bytes = Array(text.utf8) }

    package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    package mutating func append(bytes more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    package mutating func append(_ number: some BinaryInteger) { bytes.append(contentsOf: String(number).utf8) }

    package mutating func append(_ prefix: IPPrefix) {
        append(prefix.address)
        bytes.append(UInt8(ascii: "/"))
        append(prefix.length)
    }

    /// As `inet_ntop` of glibc writes it: that differs from RFC 5952 (`IPAddress.description`) in addresses whose first
    /// 96 bits are zero, such as `::1.2.3.4`.
    package mutating func append(_ address: IPAddress) {
        let isV4Compatible =
            !address.isV4 && address.bytes.prefix(12).allSatisfy { $0 == 0 }
            && (address.bytes[12] != 0 || address.bytes[13] != 0)
        guard address.isV4 || isV4Compatible else { return append(address.description) }
        if isV4Compatible { append("::") }
        for (index, byte) in address.bytes.suffix(4).enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ".")) }
            append(byte)
        }
    }

    /// Only for bytes that are text.
    package var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension Sequence<UInt8> {
    /// `isspace` of the C locale.
    func withoutWhitespace() -> [UInt8] { filter { !isWhitespace($0) } }
}

func isWhitespace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte) }

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}

/// Whether two texts are equal but for the case of ASCII letters.
func equalsIgnoringCase(_ text: some Collection<UInt8>, _ word: String) -> Bool {
    text.count == word.utf8.count && zip(text, word.utf8).allSatisfy { lowercased($0) == lowercased($1) }
}
