import Crypto
import MeshModel

/// The text of a personal access token: `nbp_`, 30 random characters, and a checksum of 6. Shown once, when it is made;
/// only its hash is kept. Source: spec/server/domain-model.md 8.
struct AccessToken: Sendable, CustomStringConvertible, CustomReflectable {
    /// Secret: never for logs.
    let text: String

    private static let prefix = "nbp_"
    private static let secretCharacters = 30
    private static let checksumCharacters = 6

    /// - Returns: `nil` for a text that no token can have: it need not be looked up.
    init?(_ text: String) {
        let body = text.dropFirst(Self.prefix.count)
        guard text.hasPrefix(Self.prefix), body.utf8.count == Self.secretCharacters + Self.checksumCharacters,
            body.utf8.allSatisfy({ Self.alphabet.contains($0) }),
            Self.checksum(of: body.prefix(Self.secretCharacters)) == body.suffix(Self.checksumCharacters)
        else { return nil }
        self.text = text
    }

    private init(secret: String) { text = Self.prefix + secret + Self.checksum(of: secret[...]) }

    /// A new token from the system's random generator: 178 random bits.
    static func generate() -> AccessToken {
        AccessToken(secret: randomText(count: secretCharacters))
    }

    /// Base64 of SHA-256 of the whole text. Unsalted on purpose, as with `SetupKeySecret`: it must be found by its hash.
    var hash: String { Base64.encode(Array(SHA256.hash(data: Array(text.utf8)))) }

    var description: String { "(hidden)" }
    var customMirror: Mirror { Mirror(self, children: []) }

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// Letters and digits from the system's random generator.
    static func randomText(count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return String(
            decoding: (0..<count).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] },
            as: UTF8.self
        )
    }

    /// CRC-32 in six digits to the base 62, most significant first.
    private static func checksum(of secret: Substring) -> String {
        var rest = Int(crc32(Array(secret.utf8).span.bytes))
        var digits: [UInt8] = []
        for _ in 0..<checksumCharacters {
            digits.append(alphabet[rest % alphabet.count])
            rest /= alphabet.count
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }
}
