/// Makes the identifiers of stored things.
enum Identifier {
    /// 20 characters of `0-9a-v`, 100 random bits: the alphabet and length that users of such meshes know.
    static func random(using generator: inout some RandomNumberGenerator) -> String {
        String(
            decoding: (0..<20).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] },
            as: UTF8.self
        )
    }

    private static let alphabet = Array("0123456789abcdefghijklmnopqrstuv".utf8)
}
