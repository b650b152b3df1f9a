import Crypto
public import MeshModel

/// The name of a peer on a relay: 36 bytes, `sha-` and the SHA-256 of its public key's base64 text.
///
/// Source: spec/wire/relay.md 2. A relay takes it as an opaque word: any 36 bytes are one.
public struct RelayPeerID: Hashable, Sendable, CustomStringConvertible {
    // In place, in the order of memory: a relay looks one up for each packet, and an array would be an allocation each.
    private let prefix: UInt32
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    public static let lengthBytes = 36

    public init(_ key: PublicKey) { self.init(name: key.base64) }

    /// The id of health probes, which are refused on purpose. Source: spec/wire/relay.md 5.2.
    public static let healthProbe = RelayPeerID(name: "healthcheck-agent")

    private init(name: String) {
        let digest = Array("sha-".utf8) + SHA256.hash(data: Array(name.utf8))
        self.init(unchecked: digest.span.bytes, at: 0)
    }

    /// - Returns: `nil` unless `bytes` has exactly 36.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == Self.lengthBytes else { return nil }
        self.init(unchecked: bytes, at: 0)
    }

    /// - Returns: `nil` unless `bytes` has exactly 36.
    public init?(_ bytes: [UInt8]) { self.init(bytes.span.bytes) }

    /// The caller has seen that there are 36 bytes from `offset` on.
    init(unchecked bytes: RawSpan, at offset: Int) {
        prefix = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
        first = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 4, as: UInt64.self)
        second = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 12, as: UInt64.self)
        third = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 20, as: UInt64.self)
        fourth = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 28, as: UInt64.self)
    }

    /// 36 bytes.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.lengthBytes)
        append(to: &bytes)
        return bytes
    }

    /// Appends `bytes`, without an array of their own.
    public func append(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: prefix) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: (first, second, third, fourth)) { bytes.append(contentsOf: $0) }
    }

    /// Writes `bytes` over those of `frame` from `offset` on, where there must be room.
    func store(in frame: inout MutableRawSpan, at offset: Int) {
        frame.storeBytes(of: prefix, toByteOffset: offset, as: UInt32.self)
        frame.storeBytes(of: first, toByteOffset: offset + 4, as: UInt64.self)
        frame.storeBytes(of: second, toByteOffset: offset + 12, as: UInt64.self)
        frame.storeBytes(of: third, toByteOffset: offset + 20, as: UInt64.self)
        frame.storeBytes(of: fourth, toByteOffset: offset + 28, as: UInt64.self)
    }

    /// The first six bytes of the hash in hexadecimal, which is enough to find a peer in a log.
    public var description: String {
        bytes[4..<10].map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
