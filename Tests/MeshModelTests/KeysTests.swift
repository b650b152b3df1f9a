import MeshModel
import Testing

struct Base64Tests {
    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the known vectors hold both ways`(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test func `every byte value at every place survives`() {
        for value in 0...255 as ClosedRange<UInt8> {
            for bytes in [[value], [0, value], [0, 0, value], [value, 0, 0, value]] {
                #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            }
        }
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Zm8", "=Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_", "Zh==", "Zm9=",
        "Zm=v", "Zö==",
    ])
    func `what is not canonical is refused`(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

struct KeysTests {
    private let text = "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw="

    @Test func `a key is 32 bytes or its canonical text`() throws {
        let key = try #require(PublicKey(base64: text))
        #expect(key.bytes.count == 32)
        #expect(key.base64 == text && key.description == text)
        #expect(PublicKey(base64: String(text.dropLast())) == nil)
        #expect(PublicKey(base64: Base64.encode([UInt8](repeating: 1, count: 31))) == nil)
        #expect(PublicKey(base64: Base64.encode([UInt8](repeating: 1, count: 33))) == nil)
        #expect(PrivateKey(bytes: [1]) == nil && PresharedKey(bytes: []) == nil)
    }

    @Test(arguments: 0..<44) func `a key read in place is the key read as an array`(place: Int) {
        for value in UInt8.min ... .max {
            var characters = Array(text.utf8)
            characters[place] = value
            #expect(PublicKey(base64: characters.span) == PublicKey(base64: characters))
            #expect(PublicKey(base64: characters.span.extracting(..<place)) == nil)
        }
    }

    @Test func `secret keys print nothing of themselves`() throws {
        let privateKey = try #require(PrivateKey(base64: text))
        let preshared = try #require(PresharedKey(base64: text))
        var output = "\(privateKey) \(preshared) \(String(reflecting: privateKey)) \([preshared])"
        dump(privateKey, to: &output)
        dump([preshared], to: &output)
        #expect(!output.contains("B6N8") && !output.contains("163"))
        #expect(output.contains("(hidden)"))
        #expect(privateKey.base64 == text && preshared.base64 == text)
    }

    @Test func `roles follow the text of the keys, not their bytes`() throws {
        // 0xfb... begins with "+", 0x00... with "A": "+" is the smaller text, though the larger byte.
        let plus = try #require(PublicKey(bytes: [0xfb] + [UInt8](repeating: 0, count: 31)))
        let letter = try #require(PublicKey(bytes: [UInt8](repeating: 0, count: 32)))
        #expect(plus.base64.hasPrefix("+") && letter.base64.hasPrefix("A"))
        #expect(letter < plus)
        #expect(letter.isController(over: plus))
        #expect(!plus.isController(over: letter))
        #expect(!plus.isController(over: plus))
    }

    @Test func `the order of characters in roles is that of ASCII`() throws {
        let starts = ["+", "/", "0", "9", "A", "Z", "a", "z"]
        let keys = try starts.map { try #require(PublicKey(base64: $0 + text.dropFirst())) }
        for (index, key) in keys.enumerated() {
            for (other, remote) in keys.enumerated() { #expect(key.isController(over: remote) == (index > other)) }
        }
    }
}

struct AgentVersionTests {
    @Test func `versions compare by number, development above all and nonsense below`() {
        let ascending = ["nonsense", "0.9.0", "0.10.0", "0.48.0", "v0.59.9", "0.60.0-rc.1", "1.0.0", "development"]
        let versions = ascending.map { AgentVersion($0) }
        for (lower, higher) in zip(versions, versions.dropFirst()) { #expect(lower < higher) }
        #expect(AgentVersion("dev-abc") == .development && AgentVersion("ci-1") == .development)
        #expect(AgentVersion("v0.60.1") == .release(major: 0, minor: 60, patch: 1))
    }

    @Test(arguments: ["", "1", "1.2", "1.2.3.4", "1.2.x", "1..3", "-1.2.3", "99999999999999999999.0.0", "1.+2.3"])
    func `texts that are no version are unknown`(text: String) {
        #expect(AgentVersion(text) == .unknown)
    }
}
