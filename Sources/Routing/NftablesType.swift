import MeshModel

/// What a value in a register, set or map means: nft(8)'s types, whose numbers the kernel stores but does not use.
///
/// Source: `enum datatypes`, include/datatype.h of nftables.
public enum NftablesType: UInt32, Hashable, Sendable {
    case verdict = 1
    case nfproto = 2
    case integer = 4
    case ipv4Address = 7
    case ipv6Address = 8
    case etherAddress = 9
    case etherType = 10
    case inetProtocol = 12
    case inetService = 13
    case icmpType = 14
    case tcpFlags = 15
    case mark = 19
    case interfaceIndex = 20
    case ctState = 26
    case ctDirection = 27
    case ctStatus = 28
    case icmpv6Type = 29
    case packetType = 31
    case fibAddressType = 38
    case boolean = 39
    case interfaceName = 41

    public var name: String {
        switch self {
        case .verdict: "verdict"
        case .nfproto: "nf_proto"
        case .integer: "integer"
        case .ipv4Address: "ipv4_addr"
        case .ipv6Address: "ipv6_addr"
        case .etherAddress: "ether_addr"
        case .etherType: "ether_type"
        case .inetProtocol: "inet_proto"
        case .inetService: "inet_service"
        case .icmpType: "icmp_type"
        case .tcpFlags: "tcp_flag"
        case .mark: "mark"
        case .interfaceIndex: "iface_index"
        case .ctState: "ct_state"
        case .ctDirection: "ct_dir"
        case .ctStatus: "ct_status"
        case .icmpv6Type: "icmpv6_type"
        case .packetType: "pkt_type"
        case .fibAddressType: "fib_addrtype"
        case .boolean: "boolean"
        case .interfaceName: "ifname"
        }
    }

    public var lengthBytes: Int {
        switch self {
        case .verdict, .integer, .ipv4Address, .mark, .interfaceIndex, .ctState, .ctStatus, .fibAddressType: 4
        case .ipv6Address, .interfaceName: 16
        case .etherAddress: 6
        case .etherType, .inetService: 2
        case .nfproto, .inetProtocol, .icmpType, .icmpv6Type, .tcpFlags, .ctDirection, .packetType, .boolean: 1
        }
    }

    /// In the byte order of this machine; otherwise, as in packets, big endian.
    var isHostOrder: Bool {
        switch self {
        case .mark, .interfaceIndex, .ctState, .ctStatus, .fibAddressType: true
        default: false
        }
    }

    /// The bytes of a number of this type.
    public func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        let value = UInt64(truncatingIfNeeded: number)
        let bigEndian = (0..<lengthBytes).map { UInt8(truncatingIfNeeded: value >> (8 * (lengthBytes - 1 - $0))) }
        return isHostOrder && isLittleEndian ? bigEndian.reversed() : bigEndian
    }

    /// As nft(8) writes a value of this type; unknown lengths in hexadecimal.
    public func text(_ value: some Collection<UInt8>) -> String {
        let bytes = Array(value)
        if self == .interfaceName { return interfaceText(bytes) }
        guard bytes.count == lengthBytes else { return hexadecimal(bytes) }
        let ordered = isHostOrder && isLittleEndian ? bytes.reversed() : bytes
        let number = ordered.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        switch self {
        case .ipv4Address, .ipv6Address: return IPAddress(bytes: bytes)?.description ?? hexadecimal(bytes)
        case .etherAddress: return bytes.map { twoDigits($0) }.joined(separator: ":")
        case .mark: return "0x" + eightDigits(number)
        case .ctState: return flagText(number, names: Self.ctStates)
        case .ctStatus: return flagText(number, names: Self.ctStatuses)
        case .tcpFlags: return flagText(number, names: Self.tcpFlagNames)
        case .inetProtocol: return Self.protocols[number] ?? "\(number)"
        case .nfproto: return Self.nfprotos[number] ?? "\(number)"
        case .etherType: return Self.etherTypes[number] ?? "0x" + String(number, radix: 16)
        case .fibAddressType: return Self.addressTypes[number] ?? "\(number)"
        case .packetType: return Self.packetTypes[number] ?? "\(number)"
        case .ctDirection: return number == 0 ? "original" : "reply"
        case .boolean: return number == 0 ? "missing" : "exists"
        default: return "\(number)"
        }
    }

    /// `NF_CT_STATE_BIT`, net/netfilter/nf_tables; names as in nft(8).
    private static let ctStates: [(UInt64, String)] = [
        (1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked"),
    ]
    /// `enum ip_conntrack_status`, linux/netfilter/nf_conntrack_common.h.
    private static let ctStatuses: [(UInt64, String)] = [
        (1, "expected"), (2, "seen-reply"), (4, "assured"), (8, "confirmed"), (16, "snat"), (32, "dnat"),
        (512, "dying"),
    ]
    private static let tcpFlagNames: [(UInt64, String)] = [
        (1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr"),
    ]
    private static let protocols: [UInt64: String] = [
        1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp",
        136: "udplite",
    ]
    private static let nfprotos: [UInt64: String] = [2: "ipv4", 10: "ipv6"]
    private static let etherTypes: [UInt64: String] = [0x0800: "ip", 0x0806: "arp", 0x86dd: "ip6", 0x8100: "vlan"]
    /// `RTN_*`, linux/rtnetlink.h.
    private static let addressTypes: [UInt64: String] = [
        0: "unspec", 1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole",
        7: "unreachable", 8: "prohibit",
    ]
    /// `PACKET_*`, linux/if_packet.h; nft(8) calls PACKET_OTHERHOST other.
    private static let packetTypes: [UInt64: String] = [0: "host", 1: "broadcast", 2: "multicast", 3: "other"]
}

/// The type of a set's keys or a map's values: one type, or several joined.
public struct NftablesKeyType: Hashable, Sendable, CustomStringConvertible {
    /// nft(8)'s number: six bits for each part, the first part highest.
    public var number: UInt32
    public var lengthBytes: Int
    /// Lengths of the parts without their padding to 4 bytes, if there are several; the kernel wants them for
    /// intervals.
    public var partLengthsBytes: [Int]

    init(number: UInt32, lengthBytes: Int, partLengthsBytes: [Int]) {
        self.number = number
        self.lengthBytes = lengthBytes
        self.partLengthsBytes = partLengthsBytes
    }

    /// - Parameter parts: 1 to 5; each is padded to 4 bytes where there are several.
    public init(_ parts: NftablesType...) {
        precondition((1...5).contains(parts.count), "\(parts.count) types in one key")
        number = parts.reduce(0) { $0 << 6 | $1.rawValue }
        guard parts.count > 1 else {
            lengthBytes = parts[0].lengthBytes
            partLengthsBytes = []
            return
        }
        partLengthsBytes = parts.map(\.lengthBytes)
        lengthBytes = partLengthsBytes.reduce(0) { $0 + paddedToWord($1) }
    }

    /// In order; empty if the number is none of ours.
    public var parts: [NftablesType] {
        var rest = number
        var parts: [NftablesType] = []
        while rest != 0 {
            guard let part = NftablesType(rawValue: rest & 0x3f) else { return [] }
            parts.insert(part, at: 0)
            rest >>= 6
        }
        return parts
    }

    /// Joins the values of the parts to a key; each is padded to 4 bytes where there are several.
    public static func join(_ values: [UInt8]...) -> [UInt8] {
        guard values.count > 1 else { return values.first ?? [] }
        return values.flatMap { $0 + [UInt8](repeating: 0, count: paddedToWord($0.count) - $0.count) }
    }

    /// `ipv4_addr . inet_service`.
    public var description: String {
        let parts = parts
        return parts.isEmpty ? "type \(number)" : parts.map(\.name).joined(separator: " . ")
    }

    /// A key as nft(8) writes it: `10.0.0.1 . 22`.
    public func text(_ key: some Collection<UInt8>) -> String { pieces(key).joined(separator: " . ") }

    /// The text of each part.
    func pieces(_ key: some Collection<UInt8>) -> [String] {
        let parts = parts
        guard parts.count > 1, key.count == lengthBytes else {
            guard let only = parts.first, parts.count == 1 else { return [hexadecimal(Array(key))] }
            return [only.text(key)]
        }
        var rest = Array(key)[...]
        return parts.map { part in
            let value = rest.prefix(part.lengthBytes)
            rest = rest.dropFirst(paddedToWord(part.lengthBytes))
            return part.text(value)
        }
    }
}

func paddedToWord(_ count: Int) -> Int { (count + 3) & ~3 }

/// A link name as the kernel compares it: 16 bytes with NULs behind.
public func nftablesInterfaceName(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8.prefix(16))
    return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
}

/// A comparison without the final NUL fits every name that begins so.
private func interfaceText(_ bytes: [UInt8]) -> String {
    let name = bytes.prefix { $0 != 0 }
    let isPrefix = !bytes.contains(0) && bytes.count < 16
    let text = String(validating: name, as: UTF8.self) ?? hexadecimal(bytes)
    return nftablesQuoted(isPrefix ? text + "*" : text)
}

private func flagText(_ value: UInt64, names: [(bit: UInt64, name: String)]) -> String {
    var rest = value
    var words: [String] = []
    for (bit, name) in names where rest & bit != 0 {
        words.append(name)
        rest &= ~bit
    }
    if rest != 0 || words.isEmpty { words.append("0x" + String(rest, radix: 16)) }
    return words.joined(separator: ",")
}

func hexadecimal(_ bytes: [UInt8]) -> String { "0x" + bytes.map { twoDigits($0) }.joined() }

private func twoDigits(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

private func eightDigits(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
}

private let isLittleEndian = UInt16(1).littleEndian == 1
