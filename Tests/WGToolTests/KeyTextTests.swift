import Testing

@testable import WGTool

struct KeyTextTests {
    @Test(arguments: ["", "\n", "\n \t\n", "\0"])
    func `white space and NUL may follow a secret`(end: String) throws {
        #expect(try readSecret(Array((secretK + end).utf8)).count == 32)
    }

    @Test(arguments: [
        ("", "Key is not the correct length or format"), ("abc", "Key is not the correct length or format"),
        (String(secretK.dropLast(2)) + "l=", "Key is not the correct length or format"),
        (" " + secretK, "Trailing characters found after key"), (secretK + " x", "Trailing characters found after key"),
    ])
    func `a refusal does not repeat the secret`(text: String, expected: String) {
        let error = #expect(throws: ValueError.self) { try readSecret(Array(text.utf8)) }
        #expect(error?.message.string == expected)
    }

    @Test func `a clamped secret stays as it is`() {
        var secret = [UInt8](repeating: 0xff, count: 32)
        clampSecret(&secret)
        #expect(secret[0] == 0xf8 && secret[31] == 0x7f)
        let once = secret
        clampSecret(&secret)
        #expect(secret == once)
    }
}
