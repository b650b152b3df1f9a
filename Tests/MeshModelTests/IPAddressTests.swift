import MeshModel
import TestSupport
import Testing

struct IPAddressTests {
    /// RFC 5952: sections 1 and 4, and its recommendations for embedded IPv4.
    @Test(arguments: [
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:DB8::ABCD", "2001:db8::abcd"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
    ])
    func `addresses print in their canonical form`(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.-4", "1.2.3.+4", " 1.2.3.4",
        "1.2.3.4 ",
        "1..3.4", "0x1.2.3.4", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        "1::2::3",
        "12345::", "g::", ":1", "1:", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::",
        "fe80::1%eth0", "[::1]", "::+1", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:192.0.2.01",
    ])
    func `anything else is no address`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `other lengths than 4 and 16 bytes are refused`() {
        for count in 0...32 {
            let address = IPAddress(bytes: [UInt8](repeating: 1, count: count))
            #expect((address != nil) == (count == 4 || count == 16))
        }
    }

    @Test func `every address survives printing and parsing`() throws {
        var generator = SeededGenerator(seed: 5952)
        for _ in 0..<2000 {
            // Zero bytes are frequent, so that every place of "::" comes up.
            let bytes = (0..<16).map { _ in
                Bool.random(using: &generator) ? 0 : UInt8.random(in: 0...255, using: &generator)
            }
            for address in [IPAddress(bytes: bytes), IPAddress(bytes: bytes.prefix(4))] {
                let address = try #require(address)
                #expect(IPAddress(address.description) == address)
            }
        }
    }

    @Test func `a mapped address gives its IPv4 address and stays IPv6 itself`() throws {
        let mapped = try #require(IPAddress("::ffff:10.1.2.3"))
        #expect(!mapped.isV4)
        #expect(mapped.unmapped == IPAddress("10.1.2.3"))
        #expect(IPAddress("::10.1.2.3")?.unmapped == IPAddress("::10.1.2.3"))
        #expect(IPAddress("10.1.2.3")?.unmapped == IPAddress("10.1.2.3"))
    }

    @Test func `special addresses are known`() throws {
        func holds(_ property: KeyPath<IPAddress, Bool>, _ texts: [String]) throws -> [Bool] {
            try texts.map { try #require(IPAddress($0))[keyPath: property] }
        }
        #expect(try holds(\.isUnspecified, ["0.0.0.0", "::", "0.0.0.1", "::1"]) == [true, true, false, false])
        #expect(
            try holds(\.isLoopback, ["127.0.0.1", "127.9.9.9", "::1", "128.0.0.1", "1::1"]) == [
                true, true, true, false, false,
            ]
        )
        #expect(
            try holds(\.isMulticast, ["224.0.0.1", "239.1.1.1", "ff02::1", "240.0.0.1", "fe00::"]) == [
                true, true, true, false, false,
            ]
        )
        #expect(
            try holds(\.isLinkLocal, ["169.254.0.1", "fe80::1", "febf::1", "fec0::1", "169.253.0.1"]) == [
                true, true, true, false, false,
            ]
        )
    }

    @Test func `IPv4 sorts before IPv6, then by bytes`() {
        let texts = ["10.0.0.1", "10.0.0.2", "9.255.0.0", "255.0.0.0", "::", "::2", "1::"]
        let sorted = texts.compactMap { IPAddress($0) }.sorted().map(\.description)
        #expect(sorted == ["9.255.0.0", "10.0.0.1", "10.0.0.2", "255.0.0.0", "::", "::2", "1::"])
    }
}
