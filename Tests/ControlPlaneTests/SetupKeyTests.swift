import Testing

@testable import ControlPlane

struct SetupKeyTests {
    @Test func `the stored hash is that of the upper-case text`() {
        // Source: spec/wire/management.md A4.1.
        let expected = "uXspNY+GG/bbf0inGAz7i1Yb7ZtGQghH2PwMtZG4LI0="
        #expect(SetupKeySecret.hash(of: "a2c8e62b-38f5-4553-b31e-dd66c696cebb") == expected)
        #expect(SetupKeySecret.hash(of: "A2C8E62B-38F5-4553-B31E-DD66C696CEBB") == expected)
    }

    @Test func `a new key is an upper-case UUID and prints as hidden`() {
        let secret = SetupKeySecret.generate()
        #expect(secret.text.utf8.count == 36 && secret.text == secret.text.uppercased())
        #expect(secret.text != SetupKeySecret.generate().text)
        #expect("\(secret)" == "(hidden)")
        #expect(secret.mask == secret.text.prefix(5) + "****")
    }

    @Test(arguments: [("30d", 2_592_000), ("12h", 43_200), ("90m", 5400), ("45s", 45)])
    func `lifetimes have units`(text: String, seconds: Int) {
        #expect(SetupKeyLifetime(text)?.duration == .seconds(seconds))
        #expect(SetupKeyLifetime(text)?.description == text)
    }

    @Test(arguments: ["", "d", "30", "0d", "-1d", "1.5h", "1w", "3 d", "36601d", "99999999999s", "Never", "٣d"])
    func `other texts are no lifetimes`(text: String) {
        #expect(SetupKeyLifetime(text) == nil)
    }

    @Test func `never is a lifetime without end`() {
        let never = SetupKeyLifetime("never")
        #expect(never != nil && never?.duration == nil)
    }
}
