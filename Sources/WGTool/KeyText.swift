package import MeshModel

/// The key that `pubkey` reads: 44 characters of base64, then at most white space and NUL bytes.
///
/// - Throws: `ValueError` without the text: it may be a secret with a typing error.
package func readSecret(_ text: [UInt8]) throws(ValueError) -> PrivateKey {
    let malformed = ValueError(ByteText("Key is not the correct length or format"))
    guard text.count >= ConfigValue.keyCharacters else { throw malformed }
    if text.dropFirst(ConfigValue.keyCharacters).contains(where: { !isWhitespace($0) && $0 != 0 }) {
        throw ValueError(ByteText("Trailing characters found after key"))
    }
    do throws(ValueError) {
        return try ConfigValue.privateKey(text.span.extracting(first: ConfigValue.keyCharacters))
    } catch {
        throw malformed
    }
}
