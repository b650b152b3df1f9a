import CNetlink
import NetlinkWire

/// A named counter, which rules and maps can share.
public struct NftablesCounter: Hashable, Sendable {
    public var name: NftablesName
    public var packets: UInt64
    public var bytes: UInt64
    /// At most 127 bytes; `nil`: none.
    public var comment: String?
    /// The kernel's number; 0: not read from the kernel.
    public var handle: UInt64

    public init(
        _ name: NftablesName,
        packets: UInt64 = 0,
        bytes: UInt64 = 0,
        comment: String? = nil,
        handle: UInt64 = 0
    ) {
        self.name = name
        self.packets = packets
        self.bytes = bytes
        self.comment = comment
        self.handle = handle
    }

    /// The type of counters among named objects: `NFT_OBJECT_COUNTER`.
    public static let objectType = UInt32(NFT_OBJECT_COUNTER)
}

extension NftablesCounter {
    func encode() -> [UInt8] {
        var message = Self.reference(to: name)
        message.nest(Int(NFTA_OBJ_DATA.rawValue)) { data in
            data.append(Int(NFTA_COUNTER_BYTES.rawValue), bigEndian: bytes)
            data.append(Int(NFTA_COUNTER_PACKETS.rawValue), bigEndian: packets)
        }
        if let comment {
            message.append(Int(NFTA_OBJ_USERDATA.rawValue), bytes: NftablesUserData.encode(comment: comment))
        }
        return message.bytes
    }

    static func reference(to name: NftablesName) -> AttributeEncoder {
        var message = AttributeEncoder(header: NftablesWire.header(name.table.family))
        message.append(Int(NFTA_OBJ_TABLE.rawValue), string: name.table.name)
        message.append(Int(NFTA_OBJ_NAME.rawValue), string: name.name)
        message.append(Int(NFTA_OBJ_TYPE.rawValue), bigEndian: objectType)
        return message
    }

    /// - Parameter payload: begins with `struct nfgenmsg`.
    /// - Returns: `nil` for other objects, and for a family we do not know.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> NftablesCounter? {
        guard let (family, attributes) = try NftablesWire.decodeHeader(payload) else { return nil }
        var counter = NftablesCounter(NftablesName(NftablesTableName(family, ""), ""))
        var type: UInt32?
        var data: Attribute?
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_OBJ_TABLE.rawValue: counter.name.table.name = try attribute.string("NFTA_OBJ_TABLE")
            case NFTA_OBJ_NAME.rawValue: counter.name.name = try attribute.string("NFTA_OBJ_NAME")
            case NFTA_OBJ_TYPE.rawValue: type = try attribute.bigEndian("NFTA_OBJ_TYPE")
            case NFTA_OBJ_HANDLE.rawValue: counter.handle = try attribute.bigEndian("NFTA_OBJ_HANDLE")
            case NFTA_OBJ_USERDATA.rawValue: counter.comment = NftablesUserData.decodeComment(attribute.payload)
            case NFTA_OBJ_DATA.rawValue: data = attribute
            default: break
            }
        }
        guard type == objectType else { return nil }
        guard !counter.name.name.isEmpty else { throw DecodeError("missing", path: ["NFTA_OBJ_NAME"]) }
        guard let data else { throw DecodeError("missing", path: ["NFTA_OBJ_DATA"]) }
        try data.forEachNested("NFTA_OBJ_DATA") { value throws(DecodeError) in
            switch UInt32(value.type) {
            case NFTA_COUNTER_PACKETS.rawValue: counter.packets = try value.bigEndian("NFTA_COUNTER_PACKETS")
            case NFTA_COUNTER_BYTES.rawValue: counter.bytes = try value.bigEndian("NFTA_COUNTER_BYTES")
            default: break
            }
        }
        return counter
    }
}
