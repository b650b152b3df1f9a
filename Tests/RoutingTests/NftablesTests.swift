import CNetlink
import MeshModel
import NetlinkWire
import TestSupport
import Testing

@testable import Routing

/// Dumps of a kernel 6.1, recorded after `nft -f Tests/Fixtures/netlink/nftables.nft`.
struct NftablesTests {
    private let table = NftablesTableName(.inet, "sample")

    @Test func `a recorded ruleset reads as nft made it`() async throws {
        let messages = try RecordedMessages("nftables.txt")
        let netlink = RecordingNetlink(replies: try messages.rulesetReplies(generation: 7))
        let ruleset = try #require(try await HostNetwork(transport: netlink).nftablesRuleset(table))
        #expect(ruleset.generation == 7)
        let expected = try Fixtures.text("nftables.expected")
        for (ours, wanted) in zip(ruleset.description.split(separator: "\n"), expected.split(separator: "\n")) {
            #expect(ours == wanted)
        }
        #expect(ruleset.description == expected)
    }

    @Test func `what was read is encoded to bytes that are read the same`() throws {
        let messages = try RecordedMessages("nftables.txt")
        for payload in messages["rule"] {
            let rule = try #require(try NftablesRule.decode(payload[...]))
            #expect(try NftablesRule.decode(rule.encode()[...]) == rule)
        }
        for payload in messages["chain"] {
            let chain = try #require(try NftablesChain.decode(payload[...]))
            var again = try #require(try NftablesChain.decode(chain.encode()[...]))
            again.handle = chain.handle
            #expect(again == chain)
        }
        for payload in messages["set"] {
            let set = try #require(try NftablesSet.decode(payload[...]))
            var again = try #require(try NftablesSet.decode(set.encode(id: 1)[...]))
            again.handle = set.handle
            #expect(again == set)
        }
    }

    /// Recorded after `nft -f Tests/Fixtures/netlink/nftables-families.nft`: every family, anonymous sets, statements that we
    /// do not write ourselves.
    @Test func `rulesets of every family are read, and encoded to bytes that are read the same`() throws {
        let messages = try RecordedMessages("nftables-families.txt")
        let tables = try messages["table"].map { try #require(try NftablesTable.decode($0[...])) }
        #expect(
            tables.map { "\($0.name)" }.sorted() == [
                "arp filter", "bridge filter", "inet dormant", "inet flows", "ip firewall", "ip6 firewall",
                "netdev ingress",
            ]
        )
        for payload in messages["chain"] {
            let chain = try #require(try NftablesChain.decode(payload[...]))
            var again = try #require(try NftablesChain.decode(chain.encode()[...]))
            again.handle = chain.handle
            #expect(again == chain)
        }
        var names: Set<String> = []
        for payload in messages["rule"] {
            let rule = try #require(try NftablesRule.decode(payload[...]))
            #expect(try NftablesRule.decode(rule.encode()[...]) == rule)
            #expect(!"\(rule)".isEmpty)
            for case .other(let name, _) in rule.expressions { names.insert(name) }
        }
        // What we keep as bytes, and nothing else.
        #expect(
            names == [
                "dup", "dynset", "exthdr", "flow_offload", "fwd", "hash", "log", "masq", "numgen", "osf", "queue",
                "quota",
                "socket", "synproxy", "tproxy", "xfrm",
            ]
        )
        for payload in messages["set"] {
            let set = try #require(try NftablesSet.decode(payload[...]))
            var again = try #require(try NftablesSet.decode(set.encode(id: 1)[...]))
            again.handle = set.handle
            #expect(again == set)
        }
        let elements = try messages["elements"].flatMap { try NftablesElement.decodeList($0[...]) }
        #expect(elements.count == 97)
        let intervals = NftablesInterval.join(elements)
        #expect(!intervals.isEmpty)
        #expect(
            try messages["object"].compactMap { try NftablesCounter.decode($0[...])?.name.name } == ["every", "none"]
        )
    }

    @Test func `a rule becomes the attributes of nf_tables`() throws {
        let chain = NftablesName(NftablesTableName(.inet, "t"), "c")
        let rule = NftablesRule(in: chain, .match(.l4Protocol, 6) + [.verdict(.drop)], comment: "x")
        let hex = rule.encode().hex
        #expect(hex.hasPrefix("01000000" + "0600010074000000" + "0600020063000000"))
        // meta: data register 1, key NFT_META_L4PROTO (16), big endian.
        let meta = "24000180" + "09000100" + "6d65746100000000" + "14000280" + "0800010000000001" + "0800020000000010"
        #expect(hex.contains(meta))
        // cmp: register 1, equal, value 06.
        let compare =
            "2c000180" + "08000100" + "636d7000" + "20000280" + "0800010000000001" + "0800020000000000"
            + "0c000380" + "0500010006000000"
        #expect(hex.contains(compare))
        // immediate: verdict register 0, NF_DROP (0).
        let drop =
            "30000180" + "0e000100" + "696d6d6564696174650000" + "00" + "1c000280" + "0800010000000000" + "10000280"
            + "0c000280" + "0800010000000000"
        #expect(hex.contains(drop))
        // The comment: type 0, length 2, text and NUL.
        #expect(hex.hasSuffix("08000700" + "00027800"))
    }

    @Test func `registers have the kernel's numbers`() {
        #expect(NftablesRegister.verdict.number == 0)
        #expect(
            (0..<16).map { NftablesRegister.word($0).number } == [
                1, 9, 10, 11, 2, 13, 14, 15, 3, 17, 18, 19, 4, 21, 22, 23,
            ]
        )
        for word in 0..<16 {
            #expect(NftablesRegister(number: NftablesRegister.word(word).number) == .word(word))
            #expect(NftablesRegister(number: UInt32(8 + word)) == .word(word))
        }
        #expect(NftablesRegister(number: 5) == nil && NftablesRegister(number: 24) == nil)
    }

    @Test func `many elements are split into messages, ranges in one piece`() throws {
        let set = NftablesSet(NftablesName(table, "nets"), key: NftablesKeyType(.ipv4Address), flags: .interval)
        var elements: [NftablesElement] = []
        for number in 0..<5000 {
            let network: [UInt8] = [10, UInt8(number >> 8), UInt8(number & 0xff)]
            elements += NftablesElement.range(from: network + [0], through: network + [9])
        }
        let requests = NftablesBatch([.addElements(set, elements)]).requests
        #expect(requests.count > 1)
        var read: [NftablesElement] = []
        for request in requests {
            #expect(request.payload.count < 64 << 10)
            let part = try NftablesElement.decodeList(request.payload[...])
            #expect(part.first?.isIntervalEnd == false && part.last?.isIntervalEnd == true)
            read += part
        }
        #expect(read == elements)
    }

    @Test(arguments: ["10.1.2.3", "0.0.0.0", "255.255.255.255", "::", "2001:db8::1:2:3"])
    func `the element of an address is that of its bytes`(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(NftablesElement(address) == NftablesElement(address.bytes))
        #expect(NftablesElement(address).key == address.bytes)
    }

    @Test(arguments: 0..<40) func `a key of any length survives`(count: Int) throws {
        let key = (0..<UInt8(count)).map { 0xff - $0 }
        let element = NftablesElement(key, isCatchAll: count == 0)
        #expect(element.key == key)
        let set = NftablesSet(NftablesName(table, "s"), key: NftablesKeyType(.ipv4Address))
        let request = try #require(NftablesBatch([.addElements(set, [element])]).requests.first)
        #expect(try NftablesElement.decodeList(request.payload[...]) == [element])
        var other = element
        other.key = key + [0]
        #expect(other != element)
        other.comment = "a"
        other.comment = nil
        other.key = key
        #expect(other == element)
    }

    @Test(
        arguments: [
            ("0.0.0.0/0", "00000000", nil), ("10.0.0.0/8", "0a000000", "0b000000"),
            ("255.255.255.255/32", "ffffffff", nil), ("192.0.2.7/32", "c0000207", "c0000208"),
        ] as [(String, String, String?)]
    )
    func `a prefix is one or two elements`(prefix: String, first: String, behind: String?) throws {
        let elements = NftablesElement.prefix(try #require(IPPrefix(prefix)))
        #expect(elements.map(\.key.hex) == [first] + (behind.map { [$0] } ?? []))
        #expect(elements.map(\.isIntervalEnd) == [false] + (behind == nil ? [] : [true]))
        let set = NftablesSet(NftablesName(table, "s"), key: NftablesKeyType(.ipv4Address), flags: .interval)
        #expect(set.text(of: elements) == [prefix.hasSuffix("/32") ? String(prefix.dropLast(3)) : prefix])
    }

    @Test func `adjacent ranges are read as two`() {
        let elements = NftablesElement.range(from: [1], through: [3]) + NftablesElement.range(from: [4], through: [255])
        let intervals = NftablesInterval.join(elements.reversed())
        #expect(intervals.map(\.first) == [[1], [4]] && intervals.map(\.last) == [[3], [255]])
    }

    @Test func `a long comment is cut at a character, and quotes do not end it`() {
        let note = NftablesUserData.encode(comment: String(repeating: "a", count: 126) + "é")
        #expect(note.count == 2 + 126 + 1 && note.last == 0)
        #expect(nftablesQuoted("a\"; drop\n") == "\"a'; drop'\"")
    }

    @Test func `an error is one line, whatever an expression is called`() {
        var expression = AttributeEncoder()
        expression.append(Int(NFTA_EXPR_NAME.rawValue), string: "pay\nload")
        expression.append(Int(NFTA_EXPR_DATA.rawValue), bytes: [38, 0, 1, 0])
        let error = #expect(throws: DecodeError.self) { try NftablesExpression.decode(expression.bytes[...]) }
        #expect(error?.description.hasPrefix("NFTA_EXPR_DATA(?): ") == true)
    }

    @Test func `changed bytes give an object or an error, never a trap`() throws {
        var generator = SeededGenerator(seed: 3)
        let recordings = ["nftables.txt", "nftables-families.txt"]
        let samples = try recordings.flatMap { try RecordedMessages($0).payloads }
        let intervals = NftablesSet(NftablesName(table, "s"), key: NftablesKeyType(.ipv4Address), flags: .interval)
        for _ in 0..<5000 {
            guard let sample = samples.randomElement(using: &generator) else { break }
            let bytes = mutated(sample, using: &generator)[...]
            // Any outcome is right; that it comes back at all, text included, is the test.
            _ = Result { try NftablesTable.decode(bytes).map { "\(NftablesChange.addTable($0))" } }
            _ = Result { try NftablesChain.decode(bytes).map { "\(NftablesChange.addChain($0))" } }
            _ = Result { try NftablesRule.decode(bytes).map { "\($0)" } }
            _ = Result { try NftablesCounter.decode(bytes).map { "\(NftablesChange.addCounter($0))" } }
            _ = Result { try NftablesSet.decode(bytes).map { "\(NftablesChange.addSet($0))" } }
            _ = Result { "\(NftablesChange.addElements(intervals, try NftablesElement.decodeList(bytes)))" }
        }
    }
}
