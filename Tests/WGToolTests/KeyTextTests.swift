import MeshModel
import Testing

@testable import WGTool

struct KeyTextTests {
    @Test(arguments: ["", "\n", "\n \t\n", "\0"])
    func `white space and NUL may follow a secret`(end: String) throws {
        #expect(try readSecret(Array((secretK + end).utf8)).base64 == secretK)
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
}
