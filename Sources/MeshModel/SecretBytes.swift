/// The 32 bytes of a secret key: shared by the copies of it, and overwritten when the last of them goes.
///
/// What went through registers and over the stack is beyond the language's reach.
@usableFromInline
final class SecretBytes: Sendable {
    /// In the order of memory. Written in `init`, and once more in `deinit`, when nobody is left to read.
    private nonisolated(unsafe) var words: InlineArray<4, UInt64>

    init(words: InlineArray<4, UInt64>) { self.words = words }

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    @usableFromInline
    convenience init?(_ bytes: some Collection<UInt8>) {
        guard let key = KeyBytes(bytes) else { return nil }
        self.init(key)
    }

    /// - Returns: `nil` unless `bytes` has exactly 32.
    convenience init?(_ bytes: RawSpan) {
        guard let key = KeyBytes(bytes) else { return nil }
        self.init(key)
    }

    /// - Returns: `nil` unless `text` is the canonical base64 of 32 bytes.
    convenience init?(base64 text: Span<UInt8>) {
        guard let key = KeyBytes(base64: text) else { return nil }
        self.init(key)
    }

    private convenience init(_ key: KeyBytes) {
        self.init(words: [key.first.bigEndian, key.second.bigEndian, key.third.bigEndian, key.fourth.bigEndian])
    }

    deinit {
        withUnsafeMutableBytes(of: &words) { wipe($0) }
    }

    func withUnsafePointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        words.span.bytes.withUnsafeBytes { bytes in
            guard let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress else {
                preconditionFailure("32 bytes stand nowhere")
            }
            return body(start)
        }
    }

    var array: [UInt8] { words.span.bytes.withUnsafeBytes { Array($0) } }

    func append(to bytes: inout [UInt8]) { words.span.bytes.withUnsafeBytes { bytes.append(contentsOf: $0) } }

    /// Appends the 44 characters of base64.
    func append(base64To text: inout OutputSpan<UInt8>) { Base64.append(words.span.bytes, to: &text) }

    var isZero: Bool { words[0] | words[1] | words[2] | words[3] == 0 }

    /// The secret as Curve25519 uses it (RFC 7748, section 5).
    var clamped: SecretBytes {
        let first = words[0] & UInt64(littleEndian: ~7)
        let last = words[3] & UInt64(littleEndian: .max >> 1) | UInt64(littleEndian: 1 << 62)
        return SecretBytes(words: [first, words[1], words[2], last])
    }

    /// In the same time for equal and for different ones.
    func isEqual(to other: SecretBytes) -> Bool {
        let (a, b) = (words, other.words)
        return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) == 0
    }

    func hash(into hasher: inout Hasher) {
        for index in words.indices { hasher.combine(words[index]) }
    }
}

/// Overwrites memory with zeros, although nobody reads it again: an ordinary write would be optimised away.
///
/// Source: `explicit_bzero` of string(3), which this module could not import.
package func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    mayRead(bytes.baseAddress)
}

/// Does nothing; but its callers are compiled without knowing that.
@inline(never)
@_optimize(none)
private func mayRead(_ memory: UnsafeMutableRawPointer?) {}

/// An array that may hold secrets on their way through: overwritten when it goes, errors included.
package final class WipedBytes {
    package var array: [UInt8]

    package init(_ array: [UInt8] = []) { self.array = array }

    deinit { array.wipe() }

    /// Memory that it outgrows is overwritten, too.
    package func append(_ bytes: Span<UInt8>) {
        array.reserveWiping(bytes.count)
        for index in bytes.indices { array.append(bytes[index]) }
    }
}

extension [UInt8] {
    /// Overwrites the bytes of an array that nobody else holds; of one that is shared, this makes a copy first.
    package mutating func wipe() { withUnsafeMutableBytes { MeshModel.wipe($0) } }

    /// Makes room for `count` more bytes, and overwrites the memory that it leaves for that.
    package mutating func reserveWiping(_ count: Int) {
        if capacity - self.count >= count { return }
        var larger: [UInt8] = []
        larger.reserveCapacity(Swift.max(2 * capacity, self.count + count))
        larger += self
        swap(&self, &larger)
        larger.wipe()
    }
}
