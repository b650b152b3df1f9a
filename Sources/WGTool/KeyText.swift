import MeshModel

/// Clears and sets the bits that make 32 random bytes a Curve25519 secret (RFC 7748, section 5).
package func clampSecret(_ bytes: inout [UInt8]) {
    precondition(bytes.count == ConfigValue.keyBytes, "a secret of \(bytes.count) bytes")
    bytes[0] &= 248
    bytes[31] = bytes[31] & 127 | 64
}

/// The key that `pubkey` reads: 44 characters of base64, then at most white space and NUL bytes.
///
/// - Throws: `ValueError` without the text: it may be a secret with a typing error.
package func readSecret(_ text: [UInt8]) throws(ValueError) -> [UInt8] {
    let malformed = ValueError(ByteText("Key is not the correct length or format"))
    guard text.count >= ConfigValue.keyCharacters else { throw malformed }
    if text.dropFirst(ConfigValue.keyCharacters).contains(where: { !isWhitespace($0) && $0 != 0 }) {
        throw ValueError(ByteText("Trailing characters found after key"))
    }
    do throws(ValueError) {
        return try ConfigValue.privateKey(text.span.extracting(first: ConfigValue.keyCharacters)).bytes
    } catch {
        throw malformed
    }
}
