import MapCompiler
import MeshModel
import TestSupport
import Testing

struct AddressAllocationTests {
    private func network(_ v4: String) -> OverlayNetwork {
        OverlayNetwork(v4: IPPrefix(v4)!, v6: IPPrefix("fd00:1:2:3::/64")!)
    }

    @Test(arguments: 1...100 as ClosedRange<UInt64>) func `new networks lie where they should`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let network = OverlayNetwork(using: &generator)
        #expect(IPPrefix("100.64.0.0/10")!.contains(network.v4))
        #expect(network.v4.length == 16 && network.v4 == network.v4.network)
        #expect(IPPrefix("fd00::/8")!.contains(network.v6))
        #expect(network.v6.length == 64 && network.v6 == network.v6.network)
    }

    @Test func `all 64 IPv4 networks come up`() {
        var generator = SeededGenerator(seed: 1)
        #expect(Set((0..<2000).map { _ in OverlayNetwork(using: &generator).v4 }).count == 64)
    }

    @Test func `a small network is filled to the last address, without its first and last`() throws {
        var generator = SeededGenerator(seed: 3)
        let network = network("100.80.0.16/28")
        var taken: Set<IPAddress> = []
        for _ in 0..<14 {
            let address = try network.allocateV4(taken: taken, using: &generator)
            #expect(taken.insert(address).inserted)
        }
        #expect(taken.min() == IPAddress("100.80.0.17") && taken.max() == IPAddress("100.80.0.30"))
        #expect(throws: AllocationError.networkFull(network.v4)) {
            try network.allocateV4(taken: taken, using: &generator)
        }
    }

    @Test func `addresses taken elsewhere do not shorten the search`() throws {
        var generator = SeededGenerator(seed: 4)
        let network = network("100.80.0.0/30")
        let taken: Set<IPAddress> = [IPAddress("10.0.0.1")!, IPAddress("100.80.0.1")!]
        #expect(try network.allocateV4(taken: taken, using: &generator) == IPAddress("100.80.0.2"))
    }

    @Test func `a network without hosts is full`() {
        var generator = SeededGenerator(seed: 5)
        #expect(throws: AllocationError.self) { try network("100.80.0.0/31").allocateV4(taken: [], using: &generator) }
    }

    @Test func `IPv6 addresses avoid the identifiers of all zeros and all ones`() throws {
        struct Scripted: RandomNumberGenerator {
            var values: [UInt64]
            mutating func next() -> UInt64 { values.removeFirst() }
        }
        var generator = Scripted(values: [0, .max, 5, 6])
        let taken: Set<IPAddress> = [IPAddress("fd00:1:2:3::5")!]
        #expect(try network("100.64.0.0/16").allocateV6(taken: taken, using: &generator) == IPAddress("fd00:1:2:3::6"))
    }

    @Test func `a generator stuck on one value ends in an error, not in a loop`() {
        struct Stuck: RandomNumberGenerator {
            func next() -> UInt64 { 0 }
        }
        var generator = Stuck()
        #expect(throws: AllocationError.self) { try network("100.64.0.0/16").allocateV6(taken: [], using: &generator) }
    }
}

struct PeerLabelTests {
    /// Vectors of spec/wire/management.md A4.4.
    @Test(arguments: [
        ("Weird_Höst name.x", "xn--weird-hst-name-1pb"),
        ("Пир", "xn--r0a4cya"),
        ("пир", "xn--h1ane"),
        ("-lead", "-lead"),
        ("trail-", "trail-"),
        ("a__b  c!d", "a-b-c-d"),
        ("__", "-"),
        ("1.2.3.4", "1"),
        (String(repeating: "w", count: 60), String(repeating: "w", count: 59)),
        ("Plain", "plain"),
        // RFC 3492, section 7.1, (B) Chinese simplified and (L) a mix with ASCII.
        ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ("3年B組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
    ])
    func `host names become labels`(hostname: String, label: String) throws {
        #expect(try peerLabel(hostname: hostname) == label)
    }

    @Test(arguments: ["", ".", ".domain"]) func `a host name without a label is refused`(hostname: String) {
        #expect(throws: AllocationError.emptyHostname) { try peerLabel(hostname: hostname) }
    }

    @Test func `a taken name and an ephemeral peer get the address behind it`() throws {
        let address = try #require(IPAddress("100.92.10.5"))
        func label(_ isEphemeral: Bool, _ taken: Set<String>) throws -> String {
            try peerLabel(hostname: "web", address: address, isEphemeral: isEphemeral, taken: taken)
        }
        #expect(try label(false, []) == "web")
        #expect(try label(false, ["web"]) == "web-10-5")
        #expect(try label(true, []) == "web-10-5")
        #expect(throws: AllocationError.labelTaken("web-10-5")) { try label(false, ["web", "web-10-5"]) }
    }

    @Test func `a long name stays a valid label`() throws {
        let long = String(repeating: "w", count: 59)
        let address = try #require(IPAddress("100.92.210.205"))
        let label = try peerLabel(hostname: long, address: address, isEphemeral: true, taken: [])
        #expect(label == String(repeating: "w", count: 55) + "-210-205")
        #expect(label.utf8.count == 63)
    }
}
