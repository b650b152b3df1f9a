import CNetlink
import NetlinkWire

/// Which packets a table sees. Source: `NFPROTO_*`, linux/netfilter.h.
public enum NftablesFamily: UInt8, Hashable, Sendable, CustomStringConvertible {
    /// IPv4 and IPv6.
    case inet = 1
    case ip = 2
    case arp = 3
    case netdev = 5
    case bridge = 7
    case ip6 = 10

    public var description: String {
        switch self {
        case .inet: "inet"
        case .ip: "ip"
        case .arp: "arp"
        case .netdev: "netdev"
        case .bridge: "bridge"
        case .ip6: "ip6"
        }
    }
}

/// The name of a table: `inet wgmesh`.
public struct NftablesTableName: Hashable, Sendable, CustomStringConvertible {
    public var family: NftablesFamily
    public var name: String

    public init(_ family: NftablesFamily, _ name: String) {
        self.family = family
        self.name = name
    }

    public var description: String { "\(family) \(name)" }
}

/// The name of a chain, set or named object in a table: `inet wgmesh input`.
public struct NftablesName: Hashable, Sendable, CustomStringConvertible {
    public var table: NftablesTableName
    public var name: String

    public init(_ table: NftablesTableName, _ name: String) {
        self.table = table
        self.name = name
    }

    public var description: String { "\(table) \(name)" }
}

/// A table: the unit of ownership, and what a firewall is made of.
public struct NftablesTable: Hashable, Sendable {
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Its chains are not hooked in: no packet sees it.
        public static let dormant = Flags(rawValue: NFT_TABLE_F_DORMANT.rawValue)
        /// Only the socket that made it may change it, and it goes away with that socket.
        public static let owner = Flags(rawValue: NFT_TABLE_F_OWNER.rawValue)
    }

    public var name: NftablesTableName
    public var flags: Flags
    /// At most 127 bytes; `nil`: none.
    public var comment: String?
    /// The kernel's number; 0: not read from the kernel.
    public var handle: UInt64
    /// The netlink port of the owner; `nil`: none.
    public var ownerPort: UInt32?

    public init(
        _ name: NftablesTableName,
        flags: Flags = [],
        comment: String? = nil,
        handle: UInt64 = 0,
        ownerPort: UInt32? = nil
    ) {
        self.name = name
        self.flags = flags
        self.comment = comment
        self.handle = handle
        self.ownerPort = ownerPort
    }
}

extension NftablesTable {
    func encode() -> [UInt8] {
        var message = AttributeEncoder(header: NftablesWire.header(name.family))
        message.append(Int(NFTA_TABLE_NAME.rawValue), string: name.name)
        message.append(Int(NFTA_TABLE_FLAGS.rawValue), bigEndian: flags.rawValue)
        if let comment {
            message.append(Int(NFTA_TABLE_USERDATA.rawValue), bytes: NftablesUserData.encode(comment: comment))
        }
        return message.bytes
    }

    /// - Parameter payload: begins with `struct nfgenmsg`.
    /// - Returns: `nil` for a family we do not know.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> NftablesTable? {
        guard let (family, attributes) = try NftablesWire.decodeHeader(payload) else { return nil }
        var table = NftablesTable(NftablesTableName(family, ""))
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_TABLE_NAME.rawValue: table.name.name = try attribute.string("NFTA_TABLE_NAME")
            case NFTA_TABLE_FLAGS.rawValue:
                table.flags = Flags(rawValue: try attribute.bigEndian("NFTA_TABLE_FLAGS"))
            case NFTA_TABLE_HANDLE.rawValue: table.handle = try attribute.bigEndian("NFTA_TABLE_HANDLE")
            case NFTA_TABLE_OWNER.rawValue: table.ownerPort = try attribute.bigEndian("NFTA_TABLE_OWNER")
            case NFTA_TABLE_USERDATA.rawValue:
                table.comment = NftablesUserData.decodeComment(attribute.payload)
            default: break
            }
        }
        guard !table.name.name.isEmpty else { throw DecodeError("missing", path: ["NFTA_TABLE_NAME"]) }
        return table
    }
}
