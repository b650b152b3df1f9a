/// The one door through which randomness enters a pure core: the shell passes the system's generator, a test a seeded one.
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var generator: any RandomNumberGenerator & Sendable

    public init(_ generator: some RandomNumberGenerator & Sendable) { self.generator = generator }

    public mutating func next() -> UInt64 { generator.next() }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Characters of [A-Za-z], as ICE credentials are made of (5.7 bits each).
    public mutating func letters(_ count: Int) -> String {
        characters(count, of: Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    }

    /// Characters of [A-Za-z0-9+/] (RFC 8839, section 5.1, `ice-char`; 6 bits each).
    public mutating func iceCharacters(_ count: Int) -> String {
        characters(count, of: Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    }

    private mutating func characters(_ count: Int, of alphabet: [Character]) -> String {
        String((0..<count).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] })
    }
}
