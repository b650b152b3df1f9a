package import MeshModel

/// Text under construction, as bytes: the dump of a large device is megabytes, and a file name need not be UTF-8.
package struct ByteText: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ text: String = "") { bytes = Array(text.utf8) }

    package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    package mutating func append(bytes more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    package mutating func append(_ number: some BinaryInteger) {
        append(atMost: 21) { text in
            if number < 0 { text.append("-") }
            text.append(decimal: UInt64(number.magnitude))
        }
    }

    /// In base64.
    package mutating func append(_ key: PublicKey) { key.append(base64To: &bytes) }
    package mutating func append(_ key: PresharedKey) { key.append(base64To: &bytes) }

    package mutating func append(_ prefix: IPPrefix) { append(atMost: prefixLimitBytes) { $0.append(prefix) } }

    package mutating func append(_ address: IPAddress) {
        append(atMost: IPAddress.textLimitBytes) { $0.append(address) }
    }

    /// For lines of which there are many thousands: one look for room instead of one per byte.
    mutating func append(atMost limitBytes: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        bytes.append(addingCapacity: limitBytes, initializingWith: body)
    }

    /// Forgets the text, and keeps its room.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Only for bytes that are text.
    package var string: String { String(decoding: bytes, as: UTF8.self) }
}

/// The same where there is room already; what does not fit ends the process.
extension OutputSpan<UInt8> {
    mutating func append(_ character: Unicode.Scalar) { append(UInt8(ascii: character)) }

    mutating func append(text: [UInt8]) { for byte in text { append(byte) } }

    /// At most 20 digits.
    mutating func append(decimal number: UInt64) {
        if number >= 10 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10))
    }

    mutating func append(_ prefix: IPPrefix) {
        append(prefix.address)
        append("/")
        append(decimal: UInt64(prefix.length))
    }

    /// As `inet_ntop` of glibc writes it: that differs from RFC 5952 (`IPAddress.description`) in addresses whose first
    /// 96 bits are zero, such as `::1.2.3.4`.
    mutating func append(_ address: IPAddress) {
        guard let quad = address.compatibleV4 else { return address.append(textTo: &self) }
        append(":")
        append(":")
        quad.append(textTo: &self)
    }
}

/// As `String(number)`, whose generic code is pages of the standard library that nothing else in `show` needs.
func decimalText(_ number: UInt64) -> String {
    var text = ByteText()
    text.append(number)
    return text.string
}

/// An address, a slash and three digits.
let prefixLimitBytes = IPAddress.textLimitBytes + 4

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
