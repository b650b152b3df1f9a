import CNetlink
import Foundation
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import TestSupport
import Testing

/// Ring 4: nftables on a real kernel, with `nft` as the witness.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct NftablesKernelTests {
    private let table = NftablesTableName(.inet, "wgmesh")

    @Test func `a ruleset comes back as it was committed, and nft reads the same`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let wanted = try sampleRuleset()
        try await host.commit(wanted.changes)
        let read = try #require(try await host.nftablesRuleset(table))
        #expect(withoutHandles(read) == withoutHandles(wanted))
        #expect(read.chains.allSatisfy { $0.handle != 0 } && read.rules.allSatisfy { $0.handle != 0 })

        // nft reads the text of our changes and must arrive at the same tables as our bytes did.
        let other = try KernelNamespace()
        try nft(wanted.description, in: other)
        let listed = try namespace.run("nft", "-s", "list", "ruleset")
        #expect(listed == (try other.run("nft", "-s", "list", "ruleset")))
        #expect(listed.contains("ct state established,related accept"))
        #expect(listed.contains("comment \"made by the test\""))
        #expect(try namespace.run("nft", "-j", "list", "ruleset").contains("\"name\": \"verdicts\""))
    }

    @Test func `what nft makes is read, and our text of it makes the same`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("nft", "-f", fixture("nftables.nft"))
        let host = HostNetwork(transport: namespace.transport)
        let sample = NftablesTableName(.inet, "sample")
        let ruleset = try #require(try await host.nftablesRuleset(sample))
        let others = ruleset.rules.flatMap(\.expressions).filter { if case .other = $0 { true } else { false } }
        #expect(others.isEmpty)
        #expect(ruleset.table.comment == "made by nft")
        let listed = try namespace.run("nft", "-s", "list", "ruleset")
        let other = try KernelNamespace()
        try nft(ruleset.description, in: other)
        #expect(try other.run("nft", "-s", "list", "ruleset") == listed)
        // And the bytes that we read, sent back, make it a third time.
        let third = try KernelNamespace()
        try await HostNetwork(transport: third.transport).commit(ruleset.changes)
        #expect(try third.run("nft", "-s", "list", "ruleset") == listed)
    }

    @Test func `what nft makes in every family is read as nft lists it in JSON`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("nft", "-f", fixture("nftables-families.nft"))
        let host = HostNetwork(transport: namespace.transport)
        let witness = try NftJSON(try namespace.run("nft", "-j", "list", "ruleset"))
        let tables = try await host.nftablesTables()
        #expect(tables.map { "\($0.name)" }.sorted() == witness.names("table").map(\.table).sorted())
        for table in tables {
            let ruleset = try #require(try await host.nftablesRuleset(table.name))
            let name = "\(table.name)"
            #expect(ruleset.chains.map(\.name.name).sorted() == witness.names("chain", in: name))
            #expect(ruleset.chains.map(\.handle).sorted() == witness.handles("chain", in: name))
            #expect(ruleset.rules.map(\.handle).sorted() == witness.handles("rule", in: name))
            // nft shows anonymous sets inside their rules.
            let sets = ruleset.sets.filter { !$0.name.name.hasPrefix("__") }
            #expect(
                sets.map(\.handle).sorted()
                    == (witness.handles("set", in: name) + witness.handles("map", in: name)).sorted()
            )
            #expect(ruleset.counters.map(\.name.name).sorted() == witness.names("counter", in: name))
        }
    }

    @Test func `a change that is refused leaves nothing of its transaction`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let before = try await host.nftablesGeneration()
        let set = NftablesSet(NftablesName(table, "s"), key: NftablesKeyType(.ipv4Address))
        let error = await #expect(throws: NetlinkError.self) {
            try await host.commit([
                .addTable(NftablesTable(table)), .addSet(set),
                .addElements(set, [NftablesElement([10, 0, 0, 1]), NftablesElement([10, 0, 0])]),
            ])
        }
        #expect(error?.code == EINVAL)
        #expect(error?.operation == "nft add element inet wgmesh s")
        #expect(try await host.nftablesTables().isEmpty)
        #expect(try namespace.run("nft", "list", "ruleset").isEmpty)
        #expect(try await host.nftablesGeneration() == before)
    }

    @Test func `an error names the attribute that the kernel points at`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let rule = NftablesRule(in: NftablesName(table, "missing"), [.verdict(.accept)])
        let error = await #expect(throws: NetlinkError.self) {
            try await host.commit([.addTable(NftablesTable(table)), .addRule(rule)])
        }
        let expected = "nft add rule inet wgmesh missing: No such file or directory (kernel: at NFTA_RULE_CHAIN)"
        #expect(error?.description == expected)
    }

    @Test func `a transaction for another generation changes nothing`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let generation = try await host.nftablesGeneration()
        try namespace.run("nft", "add", "table", "inet", "other")
        #expect(try await host.nftablesGeneration() != generation)
        let changes: [NftablesChange] = [.addTable(NftablesTable(table))]
        let error = await #expect(throws: NetlinkError.self) {
            try await host.commit(changes, generation: generation, operation: "make a table")
        }
        #expect(error?.isGenerationMismatch == true && error?.operation == "make a table")
        #expect(try await host.nftablesTables().map(\.name.name) == ["other"])
        try await host.commit(changes, generation: try await host.nftablesGeneration())
        #expect(try await host.nftablesTables().map(\.name.name) == ["other", "wgmesh"])
    }

    @Test func `ten thousand elements are swapped in one transaction`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let key = NftablesKeyType(.ipv4Address, .inetService)
        let set = NftablesSet(NftablesName(table, "peers"), key: key, value: .verdict)
        func elements(_ network: UInt8) -> [NftablesElement] {
            (0..<10_000).map { number in
                let address: [UInt8] = [network, 0, UInt8(number >> 8), UInt8(number & 0xff)]
                let value = NftablesElement.Value.verdict(number.isMultiple(of: 2) ? .accept : .drop)
                return NftablesElement(NftablesKeyType.join(address, [0, 22]), value: value)
            }
        }
        try await host.commit([.addTable(NftablesTable(table)), .addSet(set), .addElements(set, elements(10))])
        let generation = try await host.nftablesGeneration()
        try await host.commit([.flushSet(set.name), .addElements(set, elements(11))], generation: generation)
        // One transaction is one generation: nobody ever saw the set empty.
        #expect(try await host.nftablesGeneration() == generation + 1)
        let read = try #require(try await host.nftablesRuleset(table))
        #expect(Set(read.elements(of: "peers")) == Set(elements(11)))
        let count = try namespace.run("sh", "-c", "nft -j list map inet wgmesh peers | grep -o '\"11[.]0[.]' | wc -l")
        #expect(count == "10000\n")
        try await host.commit([.removeElements(set, Array(elements(11).prefix(9_999)))])
        let left = try #require(try await host.nftablesRuleset(table))
        #expect(left.elements(of: "peers") == [elements(11)[9_999]])
    }

    @Test func `a transaction of more large pieces than are sent from where they stand`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let set = NftablesSet(NftablesName(table, "addresses"), key: NftablesKeyType(.ipv4Address))
        // 600 elements take 12 kB; small changes stand between the large ones.
        var batch = NftablesBatch([.addTable(NftablesTable(table)), .addSet(set)])
        var expected: Set<NftablesElement> = []
        for piece in UInt8(0)..<40 {
            let elements = (0..<600).map { NftablesElement([10, piece, UInt8($0 >> 8), UInt8($0 & 0xff)]) }
            batch.append(.addElements(set, elements))
            let counter = NftablesCounter(NftablesName(table, "c\(piece)"))
            batch.append(.addCounter(counter))
            expected.formUnion(elements)
        }
        try await host.commit(batch)
        let read = try #require(try await host.nftablesRuleset(table))
        #expect(Set(read.elements(of: "addresses")) == expected)
        #expect(read.counters.count == 40)
        // The refused change is told by its own number, whatever was sent before it.
        let missing = NftablesSet(NftablesName(table, "missing"), key: NftablesKeyType(.ipv4Address))
        batch.append(.addElements(missing, [NftablesElement([10, 0, 0, 1])]))
        let error = await #expect(throws: NetlinkError.self) { try await host.commit(batch) }
        #expect(error?.operation.contains("missing") == true)
    }

    @Test func `intervals over the whole space and elements with a time limit`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let nets = NftablesSet(NftablesName(table, "nets"), key: NftablesKeyType(.ipv4Address), flags: .interval)
        let prefixes = try ["0.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8", "255.0.0.0/8"].map {
            try #require(IPPrefix($0))
        }
        let timed = NftablesSet(
            NftablesName(table, "timed"),
            key: NftablesKeyType(.ipv6Address),
            flags: .timeout,
            timeoutMilliseconds: 3_600_000
        )
        let address = try #require(IPAddress("fd00::1"))
        try await host.commit([
            .addTable(NftablesTable(table)), .addSet(nets), .addSet(timed),
            .addElements(nets, prefixes.flatMap { NftablesElement.prefix($0, comment: "net") }),
            .addElements(timed, [NftablesElement(address.bytes, timeoutMilliseconds: 60_000, comment: "soon")]),
        ])
        let read = try #require(try await host.nftablesRuleset(table))
        let intervals = NftablesInterval.join(read.elements(of: "nets"))
        #expect(intervals.map(\.first) == prefixes.map(\.address.bytes))
        #expect(
            intervals.map(\.last) == [
                [0, 255, 255, 255], [10, 255, 255, 255], [11, 255, 255, 255], [255, 255, 255, 255],
            ]
        )
        let element = try #require(read.elements(of: "timed").first)
        #expect(element.timeoutMilliseconds == 60_000 && element.comment == "soon")
        #expect(try #require(element.expiresInMilliseconds) <= 60_000)
        #expect(try namespace.run("nft", "list", "set", "inet", "wgmesh", "nets").contains("255.0.0.0/8 comment"))
    }

    @Test func `counters count, and rules are replaced and removed by handle`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let output = NftablesName(table, "output")
        let base = NftablesChain.Base(kind: .filter, hook: .output, priority: 0, policy: .accept)
        let counter = NftablesCounter(NftablesName(table, "pings"), comment: "hits")
        let count = NftablesExpression.object(type: NftablesCounter.objectType, name: "pings")
        let isPing: [NftablesExpression] = .match(.l4Protocol, 1)
        try await host.commit([
            .addTable(NftablesTable(table)), .addCounter(counter), .addChain(NftablesChain(output, base: base)),
            .addRule(NftablesRule(in: output, isPing + [count])),
        ])
        try namespace.run("ping", "-c", "3", "-i", "0.2", "127.0.0.1")
        var read = try #require(try await host.nftablesRuleset(table))
        // Three questions and three answers, 84 bytes each.
        #expect(read.counters.map(\.packets) == [6] && read.counters.map(\.bytes) == [504])
        #expect(read.counters.map(\.comment) == ["hits"])

        var rule = try #require(read.rules.first)
        rule.expressions = isPing + [.counter(), count, .verdict(.accept)]
        rule.comment = "replaced"
        try await host.commit([.replaceRule(rule), .insertRule(NftablesRule(in: output, [.counter()]))])
        read = try #require(try await host.nftablesRuleset(table))
        #expect(read.rules.map(\.expressions) == [[.counter()], rule.expressions])
        #expect(read.rules.map(\.comment) == [nil, "replaced"])
        try await host.commit(read.rules.map { .removeRule($0.chain, handle: $0.handle) })
        #expect(try #require(try await host.nftablesRuleset(table)).rules.isEmpty)
    }

    @Test func `the monitor tells of rules, nftables, neighbours and nexthops`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "d0", "type", "dummy")
        try namespace.run("ip", "link", "set", "d0", "up")
        let changes: [(NetlinkMonitor.Kind, [String])] = [
            (.rule, ["ip", "rule", "add", "priority", "100", "lookup", "100"]),
            (.nftables, ["nft", "add", "table", "inet", "t"]),
            (.neighbour, ["ip", "neigh", "add", "192.0.2.1", "lladdr", "02:00:00:00:00:01", "dev", "d0"]),
            (.nexthop, ["ip", "nexthop", "add", "id", "1", "blackhole"]),
        ]
        for (kind, command) in changes {
            let monitor = try NetlinkMonitor(kinds: [kind], namespace: "/run/netns/\(namespace.name)")
            try runProgram(["ip", "netns", "exec", namespace.name] + command)
            var events = monitor.events.makeAsyncIterator()
            #expect(await events.next() == .changed(kind))
        }
    }
}

extension NftablesKernelTests {
    /// Every kind of object, and the statements of a firewall.
    private func sampleRuleset() throws -> NftablesRuleset {
        func name(_ text: String) -> NftablesName { NftablesName(table, text) }
        func base(_ hook: NftablesChain.Hook, _ kind: NftablesChain.Kind, _ priority: Int32) -> NftablesChain.Base {
            NftablesChain.Base(kind: kind, hook: hook, priority: priority, policy: hook == .input ? .drop : .accept)
        }
        let verdicts = NftablesSet(
            name("verdicts"),
            key: NftablesKeyType(.interfaceName, .ipv4Address, .inetProtocol, .inetService),
            value: .verdict,
            comment: "policy"
        )
        let allowed = NftablesSet(
            name("allowed"),
            key: NftablesKeyType(.ipv4Address, .inetService),
            flags: .interval
        )
        let ports = NftablesSet(
            name("ports"),
            key: NftablesKeyType(.inetService),
            value: .data(NftablesKeyType(.ipv4Address, .inetService))
        )
        func entry(_ last: UInt8, _ proto: UInt8, _ port: UInt8, _ verdict: NftablesVerdict) -> NftablesElement {
            let key = NftablesKeyType.join(nftablesInterfaceName("wgm0"), [100, 92, 0, last], [proto], [0, port])
            return NftablesElement(key, value: .verdict(verdict), comment: "policy \(last)")
        }
        var ruleset = NftablesRuleset(
            generation: 0,
            table: NftablesTable(table, comment: "made by the test"),
            chains: [
                NftablesChain(name("input"), base: base(.input, .filter, 0)),
                NftablesChain(name("checked"), comment: "for verdicts"),
                NftablesChain(name("forward"), base: base(.forward, .filter, -150)),
                NftablesChain(name("pre"), base: base(.prerouting, .nat, -100)),
                NftablesChain(name("post"), base: base(.postrouting, .nat, 100)),
                NftablesChain(name("raw"), base: base(.output, .filter, -300)),
            ],
            sets: [verdicts, allowed, ports],
            elements: [
                verdicts.name: [entry(7, 6, 22, .accept), entry(8, 17, 53, .jump(chain: "checked"))],
                allowed.name: [
                    NftablesElement(
                        NftablesKeyType.join([10, 0, 0, 0], [0, 22]),
                        through: NftablesKeyType.join([10, 255, 255, 255], [0, 23])
                    )
                ],
                ports.name: [
                    NftablesElement([0x1f, 0x90], value: .data(NftablesKeyType.join([100, 92, 0, 9], [0, 80])))
                ],
            ],
            counters: [NftablesCounter(name("web"), packets: 3, bytes: 180, comment: "hits")]
        )
        ruleset.rules = sampleRules(name)
        return ruleset
    }

    private func sampleRules(_ name: (String) -> NftablesName) -> [NftablesRule] {
        let established = NftablesCTState.established | NftablesCTState.related
        let v4: [NftablesExpression] = .match(.nfproto, 2)
        let tcp: [NftablesExpression] = .match(.l4Protocol, 6)
        let wgm0 = nftablesInterfaceName("wgm0")
        let input: [[NftablesExpression]] = [
            .match(.ctState, anyOf: established) + [.verdict(.accept)],
            v4 + .verdictMap(.inputName, .ipSource, .l4Protocol, .destinationPort, map: "verdicts"),
            v4 + .match(.ipSource, .destinationPort, in: "allowed") + [
                .object(type: NftablesCounter.objectType, name: "web"), .verdict(.accept),
            ],
            [.fib(result: .addressType, flags: NftablesFIBFlags.destinationAddress, into: .word(0))]
                + [
                    .compare(.word(0), .equal, NftablesType.fibAddressType.bytes(2)), .verdict(.goto(chain: "checked")),
                ],
            tcp + [NftablesField.destinationPort.load(), .range(.word(0), from: [0x03, 0xe8], through: [0x07, 0xd0])]
                + [
                    .limit(NftablesLimit(rate: 10, perSeconds: 60, burst: 3)),
                    .log(NftablesLog(prefix: "deny ", target: .group(7, snapLengthBytes: 64, threshold: 2))),
                    .reject(.tcpReset),
                ],
            .match(.l4Protocol, 17) + [.reject(.icmpx(code: 3))],
            v4 + [NftablesField.ipDestination.load()] + [
                .bitwise(.word(0), into: .word(0), mask: [255, 240, 0, 0], xor: [0, 0, 0, 0]),
                .compare(.word(0), .equal, [10, 16, 0, 0]), .queue(NftablesQueue(first: 3, count: 3, flags: 1)),
            ],
            .match(.mark, 0x77) + [.immediate(NftablesType.mark.bytes(0x78), into: .word(0))] + [
                .metaSet(key: NFT_META_MARK.rawValue, from: .word(0)), .verdict(.drop),
            ],
        ]
        let clamp =
            tcp + .match(.tcpFlags, anyOf: 2) + [.route(key: NFT_RT_TCPMSS.rawValue, into: .word(0))] + [
                .byteorder(.word(0), into: .word(0), toNetwork: true, lengthBytes: 2, sizeBytes: 2),
                .tcpOptionSet(type: 2, offsetBytes: 2, lengthBytes: 2, from: .word(0)),
            ]
        let redirect =
            tcp + [NftablesField.destinationPort.load(), .lookup(set: "ports", key: .word(0), into: .word(0))] + [
                .nat(NftablesNAT(.destination, isV4: true, address: .word(0), port: .word(1)))
            ]
        return input.map { NftablesRule(in: name("input"), $0) } + [
            NftablesRule(in: name("checked"), [.counter(packets: 1, bytes: 2), .verdict(.accept)], comment: "counted"),
            NftablesRule(in: name("forward"), clamp), NftablesRule(in: name("pre"), redirect),
            NftablesRule(in: name("post"), .match(.outputName, wgm0) + [.masquerade()]),
            NftablesRule(in: name("raw"), .match(.l4Protocol, 17) + .match(.sourcePort, 51820) + [.notrack]),
        ]
    }

    /// What the kernel gives out, and the order of elements, which has no meaning.
    private func withoutHandles(_ ruleset: NftablesRuleset) -> NftablesRuleset {
        var bare = ruleset
        bare.generation = 0
        bare.table.handle = 0
        for index in bare.chains.indices { bare.chains[index].handle = 0 }
        for index in bare.rules.indices { bare.rules[index].handle = 0 }
        for index in bare.sets.indices { bare.sets[index].handle = 0 }
        for index in bare.counters.indices { bare.counters[index].handle = 0 }
        bare.elements = bare.elements.mapValues { $0.sorted { $0.key.lexicographicallyPrecedes($1.key) } }
        bare.rules.sort { ($0.chain.name, $0.description) < ($1.chain.name, $1.description) }
        return bare
    }

    private func nft(_ text: String, in namespace: KernelNamespace) throws {
        try namespace.run("sh", "-c", "printf '%s' \"$0\" | nft -f -", text)
    }

    private func fixture(_ name: String) -> String { Fixtures.root + "/netlink/\(name)" }
}

/// `nft -j list ruleset`.
private struct NftJSON {
    private var objects: [(kind: String, table: String, name: String, handle: UInt64)] = []

    init(_ text: String) throws {
        let root = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        for entry in try #require(root["nftables"] as? [[String: [String: Any]]]) {
            for (kind, object) in entry where kind != "metainfo" {
                let family = try #require(object["family"] as? String)
                let name = object["name"] as? String ?? ""
                let table = kind == "table" ? name : try #require(object["table"] as? String)
                let handle = try #require(object["handle"] as? NSNumber).uint64Value
                objects.append((kind, "\(family) \(table)", name, handle))
            }
        }
    }

    func names(_ kind: String) -> [(table: String, name: String)] {
        objects.filter { $0.kind == kind }.map { ($0.table, $0.name) }
    }

    func names(_ kind: String, in table: String) -> [String] {
        names(kind).filter { $0.table == table }.map(\.name).sorted()
    }

    func handles(_ kind: String, in table: String) -> [UInt64] {
        objects.filter { $0.kind == kind && $0.table == table }.map(\.handle).sorted()
    }
}
