import MeshModel
import Testing

private func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }

struct IPPrefixTests {
    @Test(arguments: [
        ("10.1.2.3/8", "10.1.2.3/8"), ("10.1.2.3", "10.1.2.3/32"), ("::/0", "::/0"), ("2001:db8::1", "2001:db8::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"), ("fd00::1/64", "fd00::1/64"),
    ])
    func `prefixes are read and printed`(text: String, printed: String) throws {
        #expect(try #require(IPPrefix(text)).description == printed)
    }

    @Test(arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8",
        "10.0.0.0/ 8", "10.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/1000",
    ])
    func `anything else is no prefix`(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test func `a length beyond the address is refused`() throws {
        let address = try #require(IPAddress("10.0.0.1"))
        #expect(IPPrefix(address: address, length: 33) == nil)
        #expect(IPPrefix(address: address, length: -1) == nil)
        #expect(IPPrefix(address: address, length: 32) == IPPrefix(host: address))
    }

    @Test func `the network of a prefix has its host bits clear, for every length`() {
        let ones = IPAddress(bytes: [255, 255, 255, 255])!
        for length in 0...32 {
            let mask: UInt32 = length == 0 ? 0 : ~0 << UInt32(32 - length)
            let expected = (0..<4).map { UInt8(truncatingIfNeeded: mask >> UInt32(24 - 8 * $0)) }
            #expect(IPPrefix(address: ones, length: length)?.network.address.bytes == expected)
        }
        #expect(prefix("2001:db8:ffff:ffff:1::/49").network == prefix("2001:db8:ffff:8000::/49"))
        #expect(prefix("10.1.2.3/8").network != prefix("10.1.2.3/8"))
    }

    @Test func `containment respects length and family`() {
        #expect(prefix("10.0.0.0/8").contains(IPAddress("10.255.0.1")!))
        #expect(!prefix("10.0.0.0/8").contains(IPAddress("11.0.0.0")!))
        #expect(!prefix("0.0.0.0/0").contains(IPAddress("::")!))
        #expect(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")))
        #expect(!prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")))
        #expect(prefix("10.1.0.0/16").contains(prefix("10.1.0.0/16")))
        #expect(prefix("10.9.9.9/8").contains(IPAddress("10.1.1.1")!))  // host bits of an interface address
    }

    @Test func `overlap is symmetric`() {
        let pairs = [
            ("10.0.0.0/8", "10.1.0.0/16", true), ("10.0.0.0/9", "10.128.0.0/9", false), ("::/0", "0.0.0.0/0", false),
        ]
        for (a, b, expected) in pairs {
            #expect(prefix(a).overlaps(prefix(b)) == expected)
            #expect(prefix(b).overlaps(prefix(a)) == expected)
        }
    }

    @Test func `prefixes sort by address, shorter ones first`() {
        let sorted = ["10.0.0.0/16", "10.0.0.0/8", "::/0", "9.0.0.0/24"].map(prefix).sorted().map(\.description)
        #expect(sorted == ["9.0.0.0/24", "10.0.0.0/8", "10.0.0.0/16", "::/0"])
    }
}

struct EndpointTests {
    @Test(arguments: ["203.0.113.7:51820", "[2001:db8::1]:1", "0.0.0.0:0", "[::]:65535", "[::ffff:10.0.0.1]:7"])
    func `endpoints survive reading and printing`(text: String) throws {
        #expect(try #require(Endpoint(text)).description == text)
    }

    @Test(arguments: [
        "", ":", "1.2.3.4", "1.2.3.4:", ":51820", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:000001",
        "2001:db8::1:51820", "[1.2.3.4]:1", "[::1]", "[::1]1", "[::1:1", "::1]:1", "[fe80::1%eth0]:1", "host:1",
        "1.2.3.4: 1",
    ])
    func `anything else is no endpoint`(text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test func `endpoints sort by address, then port as a number`() {
        let sorted = ["10.0.0.2:1", "10.0.0.1:10", "10.0.0.1:9"].compactMap { Endpoint($0) }.sorted()
        #expect(sorted.map(\.description) == ["10.0.0.1:9", "10.0.0.1:10", "10.0.0.2:1"])
    }
}
