/// A Curve25519 public key: 32 bytes. It names a peer everywhere: in the kernel, on the wire and in the store.
public struct PublicKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    @usableFromInline let storage: KeyBytes

    /// Exactly 32 bytes.
    public var bytes: [UInt8] { storage.array }

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard let storage = KeyBytes(bytes) else { return nil }
        self.storage = storage
    }

    /// - Returns: `nil` unless `bytes` has exactly 32.
    public init?(bytes: RawSpan) {
        guard let storage = KeyBytes(bytes) else { return nil }
        self.storage = storage
    }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: [UInt8]) {
        guard let bytes = Base64.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: Span<UInt8>) {
        guard let storage = KeyBytes(base64: text) else { return nil }
        self.storage = storage
    }

    /// Appends `bytes`, without an array of their own.
    public func append(to bytes: inout [UInt8]) { storage.append(to: &bytes) }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg` prints.
    public init?(base64: String) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self.init(bytes: bytes)
    }

    /// Standard base64 with padding, 44 characters.
    public var base64: String { Base64.encode(bytes) }
    /// Appends `base64`, without a string of its own.
    public func append(base64To text: inout [UInt8]) {
        text.append(addingCapacity: keyCharacters) { storage.append(base64To: &$0) }
    }
    /// As to an array; there must be room for its 44 characters.
    public func append(base64To text: inout OutputSpan<UInt8>) { storage.append(base64To: &text) }
    public var description: String { base64 }

    /// Order of the raw bytes. The roles of two peers follow the order of the *text*: see `isController(over:)`.
    public static func < (a: Self, b: Self) -> Bool { a.storage < b.storage }

    /// Whether this side controls ICE and starts the WireGuard handshake towards `remote`.
    ///
    /// The base64 texts are compared as bytes, not the raw keys. Source: spec/wire/signal.md 7.5.
    public func isController(over remote: PublicKey) -> Bool {
        remote.base64.utf8.lexicographicallyPrecedes(base64.utf8)
    }
}

/// A Curve25519 private key: 32 bytes, overwritten when the last copy goes. Prints as `(hidden)`; ask for `base64` to
/// write it down.
public struct PrivateKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    @usableFromInline let secret: SecretBytes

    @usableFromInline
    init(_ secret: SecretBytes) { self.secret = secret }

    /// Exactly 32 bytes: a copy that nobody overwrites, if the caller does not.
    public var bytes: [UInt8] { secret.array }

    /// The 32 bytes where they stand, for C; the pointer is good until `body` returns.
    public func withUnsafePointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        secret.withUnsafePointer(body)
    }

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard let secret = SecretBytes(bytes) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` unless `bytes` has exactly 32.
    public init?(bytes: RawSpan) {
        guard let secret = SecretBytes(bytes) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: [UInt8]) { self.init(base64: text.span) }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: Span<UInt8>) {
        guard let secret = SecretBytes(base64: text) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg genkey` prints.
    public init?(base64: String) { self.init(base64: base64.utf8.span) }

    /// Appends `bytes`, without an array of their own.
    public func append(to bytes: inout [UInt8]) { secret.append(to: &bytes) }

    /// Standard base64 with padding, 44 characters: a copy that nobody overwrites. Secret: never for logs.
    public var base64: String {
        String(unsafeUninitializedCapacity: keyCharacters) { text in
            var characters = OutputSpan(buffer: text, initializedCount: 0)
            secret.append(base64To: &characters)
            return characters.finalize(for: text)
        }
    }
    /// Appends `base64`, without a string of its own.
    public func append(base64To text: inout [UInt8]) {
        text.append(addingCapacity: keyCharacters) { secret.append(base64To: &$0) }
    }
    /// As to an array; there must be room for its 44 characters.
    public func append(base64To text: inout OutputSpan<UInt8>) { secret.append(base64To: &text) }

    /// Whether all bytes are zero, by which the kernel says that there is no key.
    public var isZero: Bool { secret.isZero }

    /// In the same time for equal and for different ones.
    public static func == (a: Self, b: Self) -> Bool { a.secret.isEqual(to: b.secret) }
    public func hash(into hasher: inout Hasher) { secret.hash(into: &hasher) }
    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// What Curve25519 makes of it (RFC 7748, section 5), and the kernel holds: some bits are always the same.
    public var clamped: PrivateKey { PrivateKey(secret.clamped) }
}

/// A WireGuard preshared key: 32 bytes, overwritten when the last copy goes. Prints as `(hidden)`.
public struct PresharedKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    @usableFromInline let secret: SecretBytes

    @usableFromInline
    init(_ secret: SecretBytes) { self.secret = secret }

    /// Exactly 32 bytes: a copy that nobody overwrites, if the caller does not.
    public var bytes: [UInt8] { secret.array }

    /// The 32 bytes where they stand, for C; the pointer is good until `body` returns.
    public func withUnsafePointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        secret.withUnsafePointer(body)
    }

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard let secret = SecretBytes(bytes) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` unless `bytes` has exactly 32.
    public init?(bytes: RawSpan) {
        guard let secret = SecretBytes(bytes) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: [UInt8]) { self.init(base64: text.span) }

    /// - Returns: `nil` as of a string.
    public init?(base64 text: Span<UInt8>) {
        guard let secret = SecretBytes(base64: text) else { return nil }
        self.init(secret)
    }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg genpsk` prints.
    public init?(base64: String) { self.init(base64: base64.utf8.span) }

    /// Appends `bytes`, without an array of their own.
    public func append(to bytes: inout [UInt8]) { secret.append(to: &bytes) }

    /// Standard base64 with padding, 44 characters: a copy that nobody overwrites. Secret: never for logs.
    public var base64: String {
        String(unsafeUninitializedCapacity: keyCharacters) { text in
            var characters = OutputSpan(buffer: text, initializedCount: 0)
            secret.append(base64To: &characters)
            return characters.finalize(for: text)
        }
    }
    /// Appends `base64`, without a string of its own.
    public func append(base64To text: inout [UInt8]) {
        text.append(addingCapacity: keyCharacters) { secret.append(base64To: &$0) }
    }
    /// As to an array; there must be room for its 44 characters.
    public func append(base64To text: inout OutputSpan<UInt8>) { secret.append(base64To: &text) }

    /// Whether all bytes are zero, by which the kernel says that there is no key.
    public var isZero: Bool { secret.isZero }

    /// In the same time for equal and for different ones.
    public static func == (a: Self, b: Self) -> Bool { a.secret.isEqual(to: b.secret) }
    public func hash(into hasher: inout Hasher) { secret.hash(into: &hasher) }
    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Of the base64 of a key.
private let keyCharacters = 44
