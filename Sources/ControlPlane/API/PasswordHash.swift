import CSodium

/// Argon2id of a password, with salt and cost in its text, as libsodium writes it.
enum PasswordHash {
    /// Bytes of a password. Source: spec/server/rest-api.md 2.
    static let lengths = 8...72

    /// Takes some 50 ms and 64 MiB, as it should.
    ///
    /// - Returns: `nil` if that memory is not there.
    static func make(_ password: String) -> String? {
        var text = [CChar](repeating: 0, count: Int(crypto_pwhash_strbytes()))
        let status = crypto_pwhash_str(
            &text,
            password,
            UInt64(password.utf8.count),
            UInt64(crypto_pwhash_opslimit_interactive()),
            crypto_pwhash_memlimit_interactive()
        )
        guard status == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// In constant time.
    static func verify(_ password: String, _ hash: String) -> Bool {
        crypto_pwhash_str_verify(hash, password, UInt64(password.utf8.count)) == 0
    }
}
