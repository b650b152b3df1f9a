package import MeshModel

/// Text under construction, as bytes: the dump of a large device is megabytes, and a file name need not be UTF-8.
package struct ByteText: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ text: String = "") { bytes = Array(text.utf8) }

    package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    package mutating func append(bytes more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    package mutating func append(_ number: some BinaryInteger) { bytes.append(contentsOf: String(number).utf8) }

    /// In base64.
    package mutating func append(_ key: PublicKey) { key.append(base64To: &bytes) }
    package mutating func append(_ key: PresharedKey) { key.append(base64To: &bytes) }

    package mutating func append(_ prefix: IPPrefix) {
        append(prefix.address)
        bytes.append(UInt8(ascii: "/"))
        append(prefix.length)
    }

    /// As `inet_ntop` of glibc writes it: that differs from RFC 5952 (`IPAddress.description`) in addresses whose first
    /// 96 bits are zero, such as `::1.2.3.4`.
    package mutating func append(_ address: IPAddress) {
        guard let quad = address.compatibleV4 else { return address.append(textTo: &bytes) }
        append("::")
        quad.append(textTo: &bytes)
    }

    /// Only for bytes that are text.
    package var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension IPAddress {
    /// The v4 address at the end of 96 zero bits, if that is not below 0.1.0.0: what glibc writes as a quad.
    fileprivate var compatibleV4: IPAddress? {
        if isV4 { return nil }
        let bytes = bytes
        guard bytes[12] != 0 || bytes[13] != 0, bytes.prefix(12).allSatisfy({ $0 == 0 }) else { return nil }
        return IPAddress(bytes: bytes.suffix(4))
    }
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
