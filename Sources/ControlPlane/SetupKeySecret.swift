import Crypto
import Foundation
import MeshModel

/// The text of a setup key: an upper-case UUID. Shown once, when it is made; only its hash is kept.
struct SetupKeySecret: Sendable, CustomStringConvertible, CustomReflectable {
    /// Secret: never for logs.
    let text: String

    /// A new key from the system's random generator.
    static func generate() -> SetupKeySecret { SetupKeySecret(text: UUID().uuidString) }

    /// Base64 of SHA-256 of the upper-cased text, as clients may send either case.
    ///
    /// Unsalted on purpose: the key has 122 random bits, and it must be found by its hash. Source: spec/wire/management.md
    /// A4.1.
    static func hash(of text: String) -> String {
        Base64.encode(Array(SHA256.hash(data: Array(text.uppercased().utf8))))
    }

    var hash: String { Self.hash(of: text) }

    /// First five characters, for lists.
    var mask: String { text.prefix(5) + "****" }

    var description: String { "(hidden)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
