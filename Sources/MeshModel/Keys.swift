/// A Curve25519 public key: 32 bytes. It names a peer everywhere: in the kernel, on the wire and in the store.
public struct PublicKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Exactly 32 bytes.
    public let bytes: [UInt8]

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == keyLengthBytes else { return nil }
        self.bytes = Array(bytes)
    }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg` prints.
    public init?(base64: String) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self.init(bytes: bytes)
    }

    /// Standard base64 with padding, 44 characters.
    public var base64: String { Base64.encode(bytes) }
    public var description: String { base64 }

    /// Order of the raw bytes. The roles of two peers follow the order of the *text*: see `isController(over:)`.
    public static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    /// Whether this side controls ICE and starts the WireGuard handshake towards `remote`.
    ///
    /// The base64 texts are compared as bytes, not the raw keys. Source: spec/wire/signal.md 7.5.
    public func isController(over remote: PublicKey) -> Bool {
        remote.base64.utf8.lexicographicallyPrecedes(base64.utf8)
    }
}

/// A Curve25519 private key: 32 bytes. Prints as `(hidden)`; ask for `base64` to write it down.
public struct PrivateKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Exactly 32 bytes.
    public let bytes: [UInt8]

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == keyLengthBytes else { return nil }
        self.bytes = Array(bytes)
    }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg genkey` prints.
    public init?(base64: String) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self.init(bytes: bytes)
    }

    /// Standard base64 with padding, 44 characters. Secret: never for logs.
    public var base64: String { Base64.encode(bytes) }
    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A WireGuard preshared key: 32 bytes. Prints as `(hidden)`.
public struct PresharedKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Exactly 32 bytes.
    public let bytes: [UInt8]

    /// - Returns: `nil` unless `bytes` holds exactly 32 elements.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == keyLengthBytes else { return nil }
        self.bytes = Array(bytes)
    }

    /// - Returns: `nil` unless `base64` is the canonical 44-character form that `wg genpsk` prints.
    public init?(base64: String) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self.init(bytes: bytes)
    }

    /// Standard base64 with padding, 44 characters. Secret: never for logs.
    public var base64: String { Base64.encode(bytes) }
    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// `WG_KEY_LEN` of linux/wireguard.h.
private let keyLengthBytes = 32
