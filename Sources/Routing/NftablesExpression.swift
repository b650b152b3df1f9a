/// Where an expression puts its result: 16 words of 4 bytes, or the verdict.
public enum NftablesRegister: Hashable, Sendable {
    case verdict
    /// 0 to 15; what is longer than 4 bytes takes the words after it too.
    case word(Int)
}

/// One step of a rule. The first that does not match ends the rule.
///
/// Source: net/netfilter/nft_*.c and linux/netfilter/nf_tables.h.
public enum NftablesExpression: Hashable, Sendable {
    /// Reads from the packet.
    case payload(NftablesPayload, into: NftablesRegister)
    /// Writes to the packet.
    case payloadSet(NftablesPayloadWrite, from: NftablesRegister)
    /// `NFT_META_*`.
    case meta(key: UInt32, into: NftablesRegister)
    case metaSet(key: UInt32, from: NftablesRegister)
    /// `NFT_CT_*`. Direction 0: original, 1: reply; `nil`: the packet's own.
    case ct(key: UInt32, direction: UInt8? = nil, into: NftablesRegister)
    case ctSet(key: UInt32, from: NftablesRegister)
    /// `NFT_RT_*`.
    case route(key: UInt32, into: NftablesRegister)
    case compare(NftablesRegister, NftablesComparison, [UInt8])
    case range(NftablesRegister, isNegated: Bool = false, from: [UInt8], through: [UInt8])
    /// `into = (from & mask) ^ xor`; both have the length of the value.
    case bitwise(NftablesRegister, into: NftablesRegister, mask: [UInt8], xor: [UInt8])
    case byteorder(NftablesRegister, into: NftablesRegister, toNetwork: Bool, lengthBytes: UInt32, sizeBytes: UInt32)
    case immediate([UInt8], into: NftablesRegister)
    case verdict(NftablesVerdict)
    /// - Parameter into: the map's value; `.verdict` for a verdict map; `nil`: only look whether it is there.
    case lookup(set: String, key: NftablesRegister, into: NftablesRegister? = nil, isNegated: Bool = false)
    case counter(packets: UInt64 = 0, bytes: UInt64 = 0)
    /// A named object. Type 1: counter (`NFT_OBJECT_*`).
    case object(type: UInt32, name: String)
    /// The named object that a map of objects has for a key.
    case objectMap(set: String, key: NftablesRegister)
    case limit(NftablesLimit)
    case log(NftablesLog)
    case nat(NftablesNAT)
    case masquerade(flags: UInt32 = 0)
    case redirect(port: NftablesRegister?, flags: UInt32 = 0)
    case fib(result: NftablesFIBResult, flags: UInt32, into: NftablesRegister)
    case reject(NftablesReject)
    /// Leaves the packet out of connection tracking.
    case notrack
    case queue(NftablesQueue)
    /// Reads a TCP option, such as 2: maximum segment size.
    case tcpOption(type: UInt8, offsetBytes: UInt32, lengthBytes: UInt32, into: NftablesRegister)
    case tcpOptionSet(type: UInt8, offsetBytes: UInt32, lengthBytes: UInt32, from: NftablesRegister)
    /// Adds what is in `key` to a set, or with `updates` renews its time too.
    case setUpdate(NftablesSetUpdate)
    /// Any other, or a form that we do not use: kept as it was read.
    case other(name: String, attributes: [UInt8])
}

public enum NftablesComparison: UInt32, Hashable, Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
}

/// A field of the packet.
public struct NftablesPayload: Hashable, Sendable {
    /// `NFT_PAYLOAD_*_HEADER`.
    public enum Base: UInt32, Hashable, Sendable { case link, network, transport, inner }

    public var base: Base
    public var offsetBytes: UInt32
    public var lengthBytes: UInt32

    public init(_ base: Base, offsetBytes: UInt32, lengthBytes: UInt32) {
        self.base = base
        self.offsetBytes = offsetBytes
        self.lengthBytes = lengthBytes
    }
}

/// A field to write, and the checksum to mend.
public struct NftablesPayloadWrite: Hashable, Sendable {
    public var field: NftablesPayload
    /// `NFT_PAYLOAD_CSUM_*`; 0: none.
    public var checksumType: UInt32
    /// From the start of the same header.
    public var checksumOffsetBytes: UInt32
    /// 1: the checksum of the next header covers this field too (`NFT_PAYLOAD_L4CSUM_PSEUDOHDR`).
    public var checksumFlags: UInt32

    public init(
        _ field: NftablesPayload,
        checksumType: UInt32 = 0,
        checksumOffsetBytes: UInt32 = 0,
        checksumFlags: UInt32 = 0
    ) {
        self.field = field
        self.checksumType = checksumType
        self.checksumOffsetBytes = checksumOffsetBytes
        self.checksumFlags = checksumFlags
    }
}

/// Matches while no more than `rate` come in a unit of time; with `isOver`, from then on.
public struct NftablesLimit: Hashable, Sendable {
    /// Packets or bytes per unit.
    public var rate: UInt64
    public var perSeconds: UInt64
    /// Packets, or bytes with `countsBytes`, that may come at once.
    public var burst: UInt32
    public var countsBytes: Bool
    public var isOver: Bool

    public init(
        rate: UInt64,
        perSeconds: UInt64 = 1,
        burst: UInt32 = 5,
        countsBytes: Bool = false,
        isOver: Bool = false
    ) {
        self.rate = rate
        self.perSeconds = perSeconds
        self.burst = burst
        self.countsBytes = countsBytes
        self.isOver = isOver
    }
}

/// To the kernel log, or with a group to the listeners of nfnetlink_log.
public struct NftablesLog: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// Syslog level 0 to 7; 4: warning.
        case kernel(level: UInt32 = 4)
        /// - Parameters:
        ///   - snapLengthBytes: how much of the packet; `nil`: all.
        ///   - threshold: packets per message; `nil`: the default, 1.
        case group(UInt16, snapLengthBytes: UInt32? = nil, threshold: UInt16? = nil)
    }

    /// At most 127 bytes; `nil`: none.
    public var prefix: String?
    public var target: Target

    public init(prefix: String? = nil, target: Target) {
        self.prefix = prefix
        self.target = target
    }
}

/// Address translation; registers hold what to translate to.
public struct NftablesNAT: Hashable, Sendable {
    public enum Kind: UInt32, Hashable, Sendable { case source, destination }

    public var kind: Kind
    public var isV4: Bool
    public var address: NftablesRegister?
    /// The last of a range; `nil`: `address` alone.
    public var lastAddress: NftablesRegister?
    public var port: NftablesRegister?
    public var lastPort: NftablesRegister?
    /// `NF_NAT_RANGE_*`; the kernel adds those that follow from the registers.
    public var flags: UInt32

    public init(
        _ kind: Kind,
        isV4: Bool,
        address: NftablesRegister?,
        lastAddress: NftablesRegister? = nil,
        port: NftablesRegister? = nil,
        lastPort: NftablesRegister? = nil,
        flags: UInt32 = 0
    ) {
        self.kind = kind
        self.isV4 = isV4
        self.address = address
        self.lastAddress = lastAddress
        self.port = port
        self.lastPort = lastPort
        self.flags = flags
    }
}

/// What a look-up in the routing tables is to give.
public enum NftablesFIBResult: UInt32, Hashable, Sendable {
    /// The link's index.
    case outputIndex = 1
    case outputName = 2
    /// `RTN_*`, such as local.
    case addressType = 3
}

/// What `fib` looks at.
public enum NftablesFIBFlags {
    /// `NFTA_FIB_F_*`.
    public static let sourceAddress: UInt32 = 1
    public static let destinationAddress: UInt32 = 2
    public static let mark: UInt32 = 4
    public static let inputLink: UInt32 = 8
    public static let outputLink: UInt32 = 16
}

/// Drops the packet and tells the sender.
public enum NftablesReject: Hashable, Sendable {
    case tcpReset
    /// By ICMP or ICMPv6 with their own code; in family inet the packet's family must be matched before.
    case icmp(code: UInt8)
    /// By the one that fits the packet. 0: no route, 1: port, 2: host unreachable, 3: prohibited
    /// (`NFT_REJECT_ICMPX_*`).
    case icmpx(code: UInt8)
}

/// To programs that listen on queues.
public struct NftablesQueue: Hashable, Sendable {
    public var first: UInt16
    /// How many queues share the load.
    public var count: UInt16
    /// 1: accept while nobody listens (`NFT_QUEUE_FLAG_BYPASS`), 2: by processor (`NFT_QUEUE_FLAG_CPU_FANOUT`).
    public var flags: UInt16

    public init(first: UInt16, count: UInt16 = 1, flags: UInt16 = 0) {
        self.first = first
        self.count = count
        self.flags = flags
    }
}

/// Puts what is in a register into a set while a packet passes.
public struct NftablesSetUpdate: Hashable, Sendable {
    /// `NFT_DYNSET_OP_*`.
    public enum Operation: UInt32, Hashable, Sendable { case add, update, delete }

    public var set: String
    public var operation: Operation
    public var key: NftablesRegister
    /// The map's value.
    public var value: NftablesRegister?
    /// `nil`: that of the set.
    public var timeoutMilliseconds: UInt64?

    public init(
        set: String,
        _ operation: Operation,
        key: NftablesRegister,
        value: NftablesRegister? = nil,
        timeoutMilliseconds: UInt64? = nil
    ) {
        self.set = set
        self.operation = operation
        self.key = key
        self.value = value
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}
