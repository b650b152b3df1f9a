import CNetlink

/// What a rule can look at, by nft(8)'s name: how it is read into a register, and what type it has.
public struct NftablesField: Hashable, Sendable {
    /// `ip saddr`, `meta l4proto`.
    public var name: String
    public var type: NftablesType
    private var source: Source

    private enum Source: Hashable {
        case payload(NftablesPayload)
        case meta(UInt32)
        case ct(UInt32)
    }

    /// The expression that reads it.
    public func load(into register: NftablesRegister = .word(0)) -> NftablesExpression {
        switch source {
        case .payload(let payload): .payload(payload, into: register)
        case .meta(let key): .meta(key: key, into: register)
        case .ct(let key): .ct(key: key, into: register)
        }
    }

    private init(_ name: String, _ type: NftablesType, _ base: NftablesPayload.Base, _ offsetBytes: UInt32) {
        self.name = name
        self.type = type
        let length = UInt32(type.lengthBytes)
        source = .payload(NftablesPayload(base, offsetBytes: offsetBytes, lengthBytes: length))
    }

    private init(meta name: String, _ type: NftablesType, _ key: nft_meta_keys) {
        self.name = name
        self.type = type
        source = .meta(key.rawValue)
    }

    private init(ct name: String, _ type: NftablesType, _ key: nft_ct_keys) {
        self.name = name
        self.type = type
        source = .ct(key.rawValue)
    }

    // Offsets: RFC 791, RFC 8200; ports stand first in TCP, UDP, SCTP, DCCP and UDP-Lite alike.
    public static let ipProtocol = NftablesField("ip protocol", .inetProtocol, .network, 9)
    public static let ipSource = NftablesField("ip saddr", .ipv4Address, .network, 12)
    public static let ipDestination = NftablesField("ip daddr", .ipv4Address, .network, 16)
    public static let ip6NextHeader = NftablesField("ip6 nexthdr", .inetProtocol, .network, 6)
    public static let ip6Source = NftablesField("ip6 saddr", .ipv6Address, .network, 8)
    public static let ip6Destination = NftablesField("ip6 daddr", .ipv6Address, .network, 24)
    public static let sourcePort = NftablesField("th sport", .inetService, .transport, 0)
    public static let destinationPort = NftablesField("th dport", .inetService, .transport, 2)
    /// After `meta l4proto icmp`, or `ipv6-icmp` (the text says icmp either way; both have it in the first byte).
    public static let icmpType = NftablesField("icmp type", .icmpType, .transport, 0)
    public static let tcpFlags = NftablesField("tcp flags", .tcpFlags, .transport, 13)

    public static let inputName = NftablesField(meta: "iifname", .interfaceName, NFT_META_IIFNAME)
    public static let outputName = NftablesField(meta: "oifname", .interfaceName, NFT_META_OIFNAME)
    public static let inputIndex = NftablesField(meta: "iif", .interfaceIndex, NFT_META_IIF)
    public static let outputIndex = NftablesField(meta: "oif", .interfaceIndex, NFT_META_OIF)
    public static let mark = NftablesField(meta: "meta mark", .mark, NFT_META_MARK)
    public static let nfproto = NftablesField(meta: "meta nfproto", .nfproto, NFT_META_NFPROTO)
    /// Behind all extension headers.
    public static let l4Protocol = NftablesField(meta: "meta l4proto", .inetProtocol, NFT_META_L4PROTO)
    public static let etherType = NftablesField(meta: "meta protocol", .etherType, NFT_META_PROTOCOL)
    public static let packetType = NftablesField(meta: "meta pkttype", .packetType, NFT_META_PKTTYPE)

    public static let ctState = NftablesField(ct: "ct state", .ctState, NFT_CT_STATE)
    public static let ctStatus = NftablesField(ct: "ct status", .ctStatus, NFT_CT_STATUS)
    public static let ctMark = NftablesField(ct: "ct mark", .mark, NFT_CT_MARK)

    static let all = [
        ipProtocol, ipSource, ipDestination, ip6NextHeader, ip6Source, ip6Destination, sourcePort, destinationPort,
        tcpFlags, inputName, outputName, inputIndex, outputIndex, mark, nfproto, l4Protocol, etherType, packetType,
        ctState, ctStatus, ctMark,
    ]

    /// The field that `expression` reads; `nil`: none that has a name here.
    static func read(by expression: NftablesExpression) -> NftablesField? {
        switch expression {
        case .payload(_, let register), .meta(_, let register), .ct(_, nil, let register):
            all.first { $0.load(into: register) == expression }
        default: nil
        }
    }
}

/// The steps of common matches. They use word 0 unless they say otherwise.
extension [NftablesExpression] {
    public static func match(
        _ field: NftablesField,
        _ value: [UInt8],
        is comparison: NftablesComparison = .equal
    ) -> [NftablesExpression] {
        [field.load(), .compare(.word(0), comparison, value)]
    }

    /// A number, such as a port or a mark.
    public static func match(
        _ field: NftablesField,
        _ number: some FixedWidthInteger,
        is comparison: NftablesComparison = .equal
    ) -> [NftablesExpression] {
        match(field, field.type.bytes(number), is: comparison)
    }

    /// Whether any of the bits is set, such as connection tracking states.
    public static func match(_ field: NftablesField, anyOf bits: UInt32) -> [NftablesExpression] {
        let none = [UInt8](repeating: 0, count: field.type.lengthBytes)
        return [
            field.load(), .bitwise(.word(0), into: .word(0), mask: field.type.bytes(bits), xor: none),
            .compare(.word(0), .notEqual, none),
        ]
    }

    /// Whether the fields, joined, are a key of the set.
    public static func match(
        _ fields: NftablesField...,
        in set: String,
        isNegated: Bool = false
    ) -> [NftablesExpression] {
        load(fields) + [.lookup(set: set, key: .word(0), isNegated: isNegated)]
    }

    /// The verdict that the map has for the fields, joined; none: on with the next rule.
    public static func verdictMap(_ fields: NftablesField..., map: String) -> [NftablesExpression] {
        load(fields) + [.lookup(set: map, key: .word(0), into: .verdict)]
    }

    /// Reads the fields into one register after the other, as keys of several parts are laid out.
    public static func load(_ fields: [NftablesField]) -> [NftablesExpression] {
        var word = 0
        return fields.map { field in
            defer { word += paddedToWord(field.type.lengthBytes) / 4 }
            return field.load(into: .word(word))
        }
    }
}

/// Bits of `ct state`.
public enum NftablesCTState {
    public static let invalid: UInt32 = 1
    public static let established: UInt32 = 2
    public static let related: UInt32 = 4
    public static let new: UInt32 = 8
    public static let untracked: UInt32 = 64
}
