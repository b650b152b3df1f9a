package import MeshModel

/// Text under construction, as bytes: the dump of a large device is megabytes, and a file name need not be UTF-8.
///
/// It may hold keys: memory that it outgrows is overwritten, and the rest when it is emptied; see `wipe`.
package struct ByteText: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(_ text: String = "") { bytes = Array(text.utf8) }

    package mutating func append(_ text: String) {
        bytes.reserveWiping(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }
    package mutating func append(bytes more: some Collection<UInt8>) {
        bytes.reserveWiping(more.count)
        bytes.append(contentsOf: more)
    }

    package mutating func append(_ number: some BinaryInteger) {
        append(atMost: 21) { text in
            if number < 0 { text.append("-") }
            text.append(decimal: UInt64(number.magnitude))
        }
    }

    /// In base64.
    package mutating func append(_ key: PublicKey) { append(atMost: keyCharacters) { key.append(base64To: &$0) } }
    package mutating func append(_ key: PresharedKey) { append(atMost: keyCharacters) { key.append(base64To: &$0) } }
    package mutating func append(_ key: PrivateKey) { append(atMost: keyCharacters) { key.append(base64To: &$0) } }

    package mutating func append(_ prefix: IPPrefix) { append(atMost: prefixLimitBytes) { $0.append(prefix) } }

    package mutating func append(_ address: IPAddress) {
        append(atMost: IPAddress.textLimitBytes) { $0.append(address) }
    }

    /// For lines of which there are many thousands: one look for room instead of one per byte.
    mutating func append(atMost limitBytes: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        bytes.reserveWiping(limitBytes)
        bytes.append(addingCapacity: limitBytes, initializingWith: body)
    }

    /// Overwrites the text and forgets it, and keeps its room.
    package mutating func wipe() {
        bytes.wipe()
        bytes.removeAll(keepingCapacity: true)
    }

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

/// Of the base64 of a key.
private let keyCharacters = 44

/// An address, a slash and three digits.
let prefixLimitBytes = IPAddress.textLimitBytes + 4

func isWhitespace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte) }

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

/// Whether two texts are equal but for the case of ASCII letters.
///
/// - Parameter word: without capital letters.
func equalsIgnoringCase(_ text: Span<UInt8>, _ word: StaticString) -> Bool {
    guard text.count == word.utf8CodeUnitCount else { return false }
    return word.withUTF8Buffer { word in
        for index in text.indices where lowercased(text[index]) != word[index] { return false }
        return true
    }
}

func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}

extension Span<UInt8> {
    var array: [UInt8] { Array(capacity: count) { array in for index in indices { array.append(self[index]) } } }

    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        // Eight at once: a byte of `difference` is zero where the text has `byte`; the first of them borrows from above.
        let ones: UInt64 = 0x0101_0101_0101_0101
        while index + 8 <= count {
            let word = bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let difference = word ^ (ones * UInt64(byte))
            if (difference &- ones) & ~difference & (ones << 7) != 0 { break }
            index += 8
        }
        while index < count {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// Digits only, at least one, in any number; leading zeros mean nothing.
    ///
    /// - Returns: `nil` for anything else, and for what does not fit 32 bits.
    var decimal: UInt32? {
        var number: UInt32 = 0
        for index in indices {
            guard isDigit(self[index]) else { return nil }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, isOver) = product.addingReportingOverflow(UInt32(self[index] - UInt8(ascii: "0")))
            if isTooLarge || isOver { return nil }
            number = sum
        }
        return isEmpty ? nil : number
    }
}
