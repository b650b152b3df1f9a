import CNetlink
import NetlinkWire

/// A set, or with `value` a map; without its elements.
public struct NftablesSet: Hashable, Sendable {
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Elements cannot change once a rule uses the set.
        public static let constant = Flags(rawValue: NFT_SET_CONSTANT.rawValue)
        /// Elements are ranges.
        public static let interval = Flags(rawValue: NFT_SET_INTERVAL.rawValue)
        /// Elements may have a time limit.
        public static let timeout = Flags(rawValue: NFT_SET_TIMEOUT.rawValue)
        /// Rules may add elements.
        public static let dynamic = Flags(rawValue: NFT_SET_EVAL.rawValue)
        /// Made for one rule; the kernel picks its number.
        public static let anonymous = Flags(rawValue: NFT_SET_ANONYMOUS.rawValue)

        /// What follows from the other properties.
        static let map = Flags(rawValue: NFT_SET_MAP.rawValue)
        static let object = Flags(rawValue: NFT_SET_OBJECT.rawValue)
        static let concatenation = Flags(rawValue: NFT_SET_CONCAT.rawValue)
        static let derived: Flags = [.map, .object, .concatenation]
    }

    /// What a map gives for a key.
    public enum Value: Hashable, Sendable {
        case verdict
        case data(NftablesKeyType)
        /// A named object. Type 1: counter (`NFT_OBJECT_*`).
        case object(type: UInt32)
    }

    public var name: NftablesName
    public var key: NftablesKeyType
    /// `nil`: a set.
    public var value: Value?
    public var flags: Flags
    /// Of elements without their own; `nil`: they stay.
    public var timeoutMilliseconds: UInt64?
    /// The most elements it takes; `nil`: any number.
    public var size: UInt32?
    /// Whether every element counts its packets and bytes.
    public var hasCounters: Bool
    /// At most 127 bytes; `nil`: none.
    public var comment: String?
    /// The kernel's number; 0: not read from the kernel.
    public var handle: UInt64

    public init(
        _ name: NftablesName,
        key: NftablesKeyType,
        value: Value? = nil,
        flags: Flags = [],
        timeoutMilliseconds: UInt64? = nil,
        size: UInt32? = nil,
        hasCounters: Bool = false,
        comment: String? = nil,
        handle: UInt64 = 0
    ) {
        self.name = name
        self.key = key
        self.value = value
        self.flags = flags
        self.timeoutMilliseconds = timeoutMilliseconds
        self.size = size
        self.hasCounters = hasCounters
        self.comment = comment
        self.handle = handle
    }
}

extension NftablesSet {
    /// - Parameter id: names the set within its transaction; the kernel wants one.
    func encode(id: UInt32) -> [UInt8] {
        var message = AttributeEncoder(header: NftablesWire.header(name.table.family))
        message.append(Int(NFTA_SET_TABLE.rawValue), string: name.table.name)
        message.append(Int(NFTA_SET_NAME.rawValue), string: name.name)
        message.append(Int(NFTA_SET_FLAGS.rawValue), bigEndian: kernelFlags.rawValue)
        message.append(Int(NFTA_SET_KEY_TYPE.rawValue), bigEndian: key.number)
        message.append(Int(NFTA_SET_KEY_LEN.rawValue), bigEndian: UInt32(key.lengthBytes))
        switch value {
        case nil: break
        case .verdict: message.append(Int(NFTA_SET_DATA_TYPE.rawValue), bigEndian: NFT_DATA_VERDICT.rawValue)
        case .data(let type):
            message.append(Int(NFTA_SET_DATA_TYPE.rawValue), bigEndian: type.number)
            message.append(Int(NFTA_SET_DATA_LEN.rawValue), bigEndian: UInt32(type.lengthBytes))
        case .object(let type): message.append(Int(NFTA_SET_OBJ_TYPE.rawValue), bigEndian: type)
        }
        message.append(Int(NFTA_SET_ID.rawValue), bigEndian: id)
        if let timeoutMilliseconds {
            message.append(Int(NFTA_SET_TIMEOUT.rawValue), bigEndian: timeoutMilliseconds)
        }
        message.nest(Int(NFTA_SET_DESC.rawValue)) { appendDescription(to: &$0) }
        if hasCounters {
            message.nest(Int(NFTA_SET_EXPR.rawValue)) { expression in
                expression.append(Int(NFTA_EXPR_NAME.rawValue), string: "counter")
                expression.nest(Int(NFTA_EXPR_DATA.rawValue)) { _ in }
            }
        }
        message.append(Int(NFTA_SET_USERDATA.rawValue), bytes: userData)
        return message.bytes
    }

    /// nft(8) reads elements in the byte order that stands here.
    private var userData: [UInt8] {
        var notes = NftablesUserData.encode(NftablesUserData.keyByteOrder, number: key.byteOrder)
        if case .data(let type) = value {
            notes += NftablesUserData.encode(NftablesUserData.valueByteOrder, number: type.byteOrder)
        }
        guard let comment else { return notes }
        return notes + NftablesUserData.encode(comment: comment, type: NftablesUserData.setComment)
    }

    /// Only a set of ranges over several parts is told the parts: the kernel picks a structure that knows them.
    private var kernelFlags: Flags {
        var all = flags.subtracting(.derived)
        if timeoutMilliseconds != nil { all.insert(.timeout) }
        if flags.contains(.interval), !key.partLengthsBytes.isEmpty { all.insert(.concatenation) }
        switch value {
        case nil: break
        case .verdict, .data: all.insert(.map)
        case .object: all.insert(.object)
        }
        return all
    }

    private func appendDescription(to description: inout AttributeEncoder) {
        if let size { description.append(Int(NFTA_SET_DESC_SIZE.rawValue), bigEndian: size) }
        guard kernelFlags.contains(.concatenation) else { return }
        description.nest(Int(NFTA_SET_DESC_CONCAT.rawValue)) { list in
            for length in key.partLengthsBytes {
                list.nest(Int(NFTA_LIST_ELEM.rawValue)) { field in
                    field.append(Int(NFTA_SET_FIELD_LEN.rawValue), bigEndian: UInt32(length))
                }
            }
        }
    }

    /// - Parameter payload: begins with `struct nfgenmsg`.
    /// - Returns: `nil` for a family we do not know.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> NftablesSet? {
        guard let (family, attributes) = try NftablesWire.decodeHeader(payload) else { return nil }
        let empty = NftablesKeyType(number: 0, lengthBytes: 0, partLengthsBytes: [])
        var set = NftablesSet(NftablesName(NftablesTableName(family, ""), ""), key: empty)
        var dataType: UInt32?
        var dataLength: UInt32 = 0
        var objectType: UInt32?
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_SET_DATA_TYPE.rawValue: dataType = try attribute.bigEndian("NFTA_SET_DATA_TYPE")
            case NFTA_SET_DATA_LEN.rawValue: dataLength = try attribute.bigEndian("NFTA_SET_DATA_LEN")
            case NFTA_SET_OBJ_TYPE.rawValue: objectType = try attribute.bigEndian("NFTA_SET_OBJ_TYPE")
            default: try set.read(attribute)
            }
        }
        guard !set.name.name.isEmpty else { throw DecodeError("missing", path: ["NFTA_SET_NAME"]) }
        set.key = set.key.withPartLengths()
        if set.flags.contains(.object), let objectType {
            set.value = .object(type: objectType)
        } else if set.flags.contains(.map), let dataType {
            let type = NftablesKeyType(number: dataType, lengthBytes: Int(dataLength), partLengthsBytes: [])
            set.value = dataType == NFT_DATA_VERDICT.rawValue ? .verdict : .data(type.withPartLengths())
        }
        set.flags.subtract(.derived)
        return set
    }

    private mutating func read(_ attribute: Attribute) throws(DecodeError) {
        switch UInt32(attribute.type) {
        case NFTA_SET_TABLE.rawValue: name.table.name = try attribute.string("NFTA_SET_TABLE")
        case NFTA_SET_NAME.rawValue: name.name = try attribute.string("NFTA_SET_NAME")
        case NFTA_SET_FLAGS.rawValue: flags = Flags(rawValue: try attribute.bigEndian("NFTA_SET_FLAGS"))
        case NFTA_SET_KEY_TYPE.rawValue: key.number = try attribute.bigEndian("NFTA_SET_KEY_TYPE")
        case NFTA_SET_KEY_LEN.rawValue:
            key.lengthBytes = Int(try attribute.bigEndian("NFTA_SET_KEY_LEN") as UInt32)
        case NFTA_SET_TIMEOUT.rawValue: timeoutMilliseconds = try attribute.bigEndian("NFTA_SET_TIMEOUT")
        case NFTA_SET_HANDLE.rawValue: handle = try attribute.bigEndian("NFTA_SET_HANDLE")
        case NFTA_SET_EXPR.rawValue: hasCounters = try isCounter(attribute, "NFTA_SET_EXPR")
        case NFTA_SET_DESC.rawValue:
            try attribute.forEachNested("NFTA_SET_DESC") { description throws(DecodeError) in
                guard UInt32(description.type) == NFTA_SET_DESC_SIZE.rawValue else { return }
                size = try description.bigEndian("NFTA_SET_DESC_SIZE")
            }
        case NFTA_SET_USERDATA.rawValue:
            comment = NftablesUserData.decodeComment(attribute.payload, type: NftablesUserData.setComment)
        default: break
        }
    }
}

/// Whether an attribute holds the expression `counter`.
private func isCounter(_ attribute: Attribute, _ name: String) throws(DecodeError) -> Bool {
    var isCounter = false
    try attribute.forEachNested(name) { inner throws(DecodeError) in
        guard UInt32(inner.type) == NFTA_EXPR_NAME.rawValue else { return }
        isCounter = try inner.string("NFTA_EXPR_NAME") == "counter"
    }
    return isCounter
}

extension NftablesKeyType {
    /// `enum byteorder`, include/datatype.h of nftables: 0: several parts, each with its own; 1: host; 2: big endian.
    fileprivate var byteOrder: UInt32 {
        guard let only = parts.first, parts.count == 1 else { return 0 }
        return only.isHostOrder || only == .interfaceName ? 1 : 2
    }

    /// The kernel does not report the parts' lengths; nft(8)'s number tells their types.
    fileprivate func withPartLengths() -> NftablesKeyType {
        let parts = parts
        let lengths = parts.map(\.lengthBytes)
        guard parts.count > 1, lengths.reduce(0, { $0 + paddedToWord($1) }) == lengthBytes else { return self }
        return NftablesKeyType(number: number, lengthBytes: lengthBytes, partLengthsBytes: lengths)
    }
}
