import CNetlink
public import MeshModel

/// The one nftables table of an instance, as a state of the host wants it; `nil`: no table is needed.
///
/// Chains, in the order in which a packet meets them:
/// - `mark_replies`, `mark_replies_out`: while an exit node is in use, answers to connections that came in by another link
///   leave by that link. Connection tracking remembers them by our mark.
/// - `clamp`: TCP connections through the tunnel never offer segments that do not fit it, either way.
/// - `forward`: what an exit node and the host's owner do not let the mesh reach.
/// - `masquerade`: packets into a served network take this host's address there.
/// - `drain`, `drain_use`: while clients are asked to go elsewhere, their echoes get that answer, and who still sends
///   packets through this host is noted in the sets `drain_users` and `drain_users6`.
///
/// Pure: equal inputs give equal output, which is what the kernel gives back when it is read.
public func firewall(of host: HostConfiguration, marks: OwnerMarks) -> NftablesRuleset? {
    let exit = host.policy.flatMap { $0.hasExitNode ? $0 : nil }
    guard exit != nil || host.gateway != nil else { return nil }
    var table = TableBuilder(
        NftablesTable(marks.nftablesTable, comment: marks.nftablesComment),
        link: host.link.name
    )
    if let exit { table.addReplies(mark: exit.fwmark) }
    table.addClamp(mtuBytes: host.link.mtuBytes)
    if let gateway = host.gateway {
        table.addForward(gateway, overlays: host.addresses.map(\.network).sorted())
        table.addMasquerade(gateway.served)
        if gateway.isDraining { table.addDrain() }
    }
    return table.ruleset
}

extension NftablesRuleset {
    /// Without what the kernel adds and traffic moves, elements that rules add among it: two tables that do the same are
    /// equal then.
    public var withoutHandles: NftablesRuleset {
        var bare = self
        bare.generation = 0
        bare.table.handle = 0
        for index in bare.chains.indices { bare.chains[index].handle = 0 }
        for index in bare.rules.indices { bare.rules[index].handle = 0 }
        for index in bare.sets.indices { bare.sets[index].handle = 0 }
        for set in bare.sets where set.flags.contains(.dynamic) { bare.elements[set.name] = nil }
        bare.elements = bare.elements.filter { !$0.value.isEmpty }
        return bare
    }

    /// Puts this table in the place of whatever has its name, in one transaction.
    public var replacement: [NftablesChange] {
        [.addTable(NftablesTable(table.name)), .removeTable(table.name)] + changes
    }
}

/// Appends chains and rules.
private struct TableBuilder {
    private(set) var ruleset: NftablesRuleset
    /// Our interface's name, as nftables compares it: 16 bytes with NULs.
    private let link: [UInt8]

    init(_ table: NftablesTable, link: String) {
        ruleset = NftablesRuleset(generation: 0, table: table)
        self.link = Self.interfaceName(link)
    }

    // MARK: - Replies

    mutating func addReplies(mark: UInt32) {
        let markBytes = NftablesField.ctMark.type.bytes(mark)
        let setMark: [NftablesExpression] = [
            .immediate(markBytes, into: .word(0)), .metaSet(key: NFT_META_MARK.rawValue, from: .word(0)),
        ]
        let setConnectionMark: [NftablesExpression] = [
            .immediate(markBytes, into: .word(0)), .ctSet(key: NFT_CT_MARK.rawValue, from: .word(0)),
        ]
        chain("mark_replies", .filter, .prerouting, Self.mangle)
        rule(
            .match(.inputName, link, is: .notEqual),
            .match(.inputName, Self.interfaceName("lo"), is: .notEqual),
            .match(.ctState, anyOf: NftablesCTState.new),
            .match(.ctMark, UInt32(0)),
            setConnectionMark
        )
        rule(Self.isReply, .match(.ctMark, mark), setMark)
        // A chain of this kind makes the kernel look for the route again when the mark has changed.
        chain("mark_replies_out", .route, .output, Self.mangle)
        rule(Self.isReply, .match(.ctMark, mark), setMark)
    }

    private static let isReply: [NftablesExpression] = [
        .ct(key: NFT_CT_DIRECTION.rawValue, into: .word(0)), .compare(.word(0), .equal, [1]),
    ]

    // MARK: - Segment sizes

    mutating func addClamp(mtuBytes: UInt32) {
        chain("clamp", .filter, .forward, Self.mangle)
        for field in [NftablesField.inputName, .outputName] {
            for (family, headerBytes) in [(Self.v4, UInt32(40)), (Self.v6, 60)] {
                let size = UInt16(clamping: mtuBytes - min(mtuBytes, headerBytes))
                // The kernel never makes the option larger than it was (net/netfilter/nft_exthdr.c).
                let setSize: [NftablesExpression] = [
                    .immediate([UInt8(size >> 8), UInt8(size & 0xff)], into: .word(0)),
                    .tcpOptionSet(type: 2, offsetBytes: 2, lengthBytes: 2, from: .word(0)),
                ]
                rule(
                    .match(field, link),
                    .match(.nfproto, [family]),
                    .match(.l4Protocol, [Self.tcp]),
                    .match(.tcpFlags, anyOfByte: Self.syn),
                    setSize
                )
            }
        }
    }

    // MARK: - Forwarding

    mutating func addForward(_ gateway: GatewayConfiguration, overlays: [IPPrefix]) {
        let exits = gateway.served.filter { $0.prefix.length == 0 }
        let resources = gateway.served.map(\.prefix).filter { $0.length > 0 }.sorted()
        let reserved = exits.isEmpty || !gateway.isInternetOnly ? [] : Self.reservedNetworks
        let blocked = gateway.blockedNetworks.sorted()
        guard !reserved.isEmpty || !blocked.isEmpty else { return }
        chain("forward", .filter, .forward, Self.filter)
        for prefix in blocked { rule(.match(.inputName, link), to(prefix), [.verdict(.drop)]) }
        guard !reserved.isEmpty else { return }
        for prefix in overlays + resources { rule(.match(.inputName, link), to(prefix), [.verdict(.accept)]) }
        for prefix in reserved { rule(.match(.inputName, link), to(prefix), [.verdict(.drop)]) }
    }

    /// RFC 1918, RFC 6598 (shared), RFC 3927 and RFC 4291 (link-local; the clouds' metadata services too), RFC 4193.
    private static let reservedNetworks = [
        "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10",
    ].compactMap { IPPrefix($0) }

    // MARK: - Address translation

    /// The longest prefix comes first and ends the walk, so that a wider route never overrides a narrower one's wish.
    mutating func addMasquerade(_ served: Set<GatewayConfiguration.Served>) {
        guard served.contains(where: \.masquerade) else { return }
        let ordered = served.sorted { a, b in
            a.prefix.length == b.prefix.length ? a.prefix < b.prefix : a.prefix.length > b.prefix.length
        }
        chain("masquerade", .nat, .postrouting, Self.beforeSourceNAT)
        for network in ordered {
            let outcome: NftablesExpression = network.masquerade ? .masquerade() : .verdict(.accept)
            rule(.match(.inputName, link), .match(.outputName, link, is: .notEqual), to(network.prefix), [outcome])
        }
        // Hosts behind us that begin a conversation with the mesh: peers know this host's address, not theirs.
        for network in ordered {
            let outcome: NftablesExpression = network.masquerade ? .masquerade() : .verdict(.accept)
            rule(
                .match(.outputName, link),
                .match(.inputName, link, is: .notEqual),
                isForwarded,
                from(network.prefix),
                [outcome]
            )
        }
    }

    /// Packets of this host itself have no link they came in by.
    private var isForwarded: [NftablesExpression] {
        .match(.inputName, Self.interfaceName(""), is: .notEqual)
    }

    // MARK: - Drain

    /// The kernel answers an echo with what came, so what is overwritten on the way in comes back: no program of ours has a
    /// part in it, and it goes on while the agent restarts.
    mutating func addDrain() {
        chain("drain", .filter, .input, Self.mangle)
        for (family, transport, type) in [(Self.v4, Self.icmp, UInt8(8)), (Self.v6, Self.icmpv6, 128)] {
            let markBytes = UInt32(EchoPayload.mark.count)
            let mark = NftablesPayload(.transport, offsetBytes: Self.icmpHeaderBytes, lengthBytes: markBytes)
            let word = NftablesPayload(
                .transport,
                offsetBytes: Self.icmpHeaderBytes + markBytes,
                lengthBytes: UInt32(EchoPayload.draining.count)
            )
            // The checksum of ICMP stands behind type and code.
            let write = NftablesPayloadWrite(
                word,
                checksumType: UInt32(NFT_PAYLOAD_CSUM_INET.rawValue),
                checksumOffsetBytes: 2
            )
            let overwrite: [NftablesExpression] = [
                .payload(mark, into: .word(0)), .compare(.word(0), .equal, EchoPayload.mark),
                .immediate(EchoPayload.draining, into: .word(0)), .payloadSet(write, from: .word(0)),
            ]
            rule(
                .match(.inputName, link),
                .match(.nfproto, [family]),
                .match(.l4Protocol, [transport]),
                .match(.icmpType, [type]),
                overwrite
            )
        }
        addDrainUsers()
    }

    private mutating func addDrainUsers() {
        chain("drain_use", .filter, .forward, Self.mangle)
        let users: [(String, NftablesType, UInt8, NftablesField)] = [
            (DrainUser.setV4, .ipv4Address, Self.v4, .ipSource), (DrainUser.setV6, .ipv6Address, Self.v6, .ip6Source),
        ]
        for (name, type, family, source) in users {
            ruleset.sets.append(
                NftablesSet(
                    NftablesName(ruleset.table.name, name),
                    key: NftablesKeyType(type),
                    flags: [.dynamic, .timeout],
                    timeoutMilliseconds: DrainUser.memoryMilliseconds,
                    size: DrainUser.limit
                )
            )
            rule(
                .match(.inputName, link),
                .match(.outputName, link, is: .notEqual),
                .match(.nfproto, [family]),
                [source.load(), .setUpdate(NftablesSetUpdate(set: name, .update, key: .word(0)))]
            )
        }
    }

    // MARK: - Parts

    private mutating func chain(
        _ name: String,
        _ kind: NftablesChain.Kind,
        _ hook: NftablesChain.Hook,
        _ priority: Int32
    ) {
        let base = NftablesChain.Base(kind: kind, hook: hook, priority: priority, policy: .accept)
        ruleset.chains.append(NftablesChain(NftablesName(ruleset.table.name, name), base: base))
    }

    /// In the chain that was begun last.
    private mutating func rule(_ parts: [NftablesExpression]...) {
        guard let chain = ruleset.chains.last else { return }
        ruleset.rules.append(NftablesRule(in: chain.name, parts.flatMap(\.self)))
    }

    private func to(_ prefix: IPPrefix) -> [NftablesExpression] {
        Self.address(prefix, prefix.isV4 ? .ipDestination : .ip6Destination)
    }

    private func from(_ prefix: IPPrefix) -> [NftablesExpression] {
        Self.address(prefix, prefix.isV4 ? .ipSource : .ip6Source)
    }

    private static func address(_ prefix: IPPrefix, _ field: NftablesField) -> [NftablesExpression] {
        let family: [NftablesExpression] = .match(.nfproto, [prefix.isV4 ? v4 : v6])
        guard prefix.length > 0 else { return family }
        let bytes = prefix.network.address.bytes
        guard !prefix.isHost else { return family + .match(field, bytes) }
        let mask = bytes.indices.map { index in
            UInt8(truncatingIfNeeded: 0xff00 >> min(max(prefix.length - index * 8, 0), 8))
        }
        let none = [UInt8](repeating: 0, count: bytes.count)
        return family + [
            field.load(), .bitwise(.word(0), into: .word(0), mask: mask, xor: none),
            .compare(.word(0), .equal, bytes),
        ]
    }

    private static func interfaceName(_ name: String) -> [UInt8] {
        Array((Array(name.utf8) + [UInt8](repeating: 0, count: interfaceNameBytes)).prefix(interfaceNameBytes))
    }

    /// `IFNAMSIZ`.
    private static let interfaceNameBytes = 16
    /// `NF_IP_PRI_MANGLE`: behind connection tracking, before any filter.
    private static let mangle: Int32 = -150
    private static let filter: Int32 = 0
    /// Just before other programs' source NAT (100).
    private static let beforeSourceNAT: Int32 = 99
    private static let v4 = NftablesFamily.ip.rawValue
    private static let v6 = NftablesFamily.ip6.rawValue
    private static let icmp: UInt8 = 1
    private static let icmpv6: UInt8 = 58
    private static let icmpHeaderBytes: UInt32 = 8
    private static let tcp: UInt8 = 6
    private static let syn: UInt8 = 0x02
}

extension [NftablesExpression] {
    fileprivate static func match(_ field: NftablesField, anyOfByte bits: UInt8) -> [NftablesExpression] {
        [
            field.load(), .bitwise(.word(0), into: .word(0), mask: [bits], xor: [0]),
            .compare(.word(0), .notEqual, [0]),
        ]
    }
}
