import CNetlink
import NetlinkWire

/// The attributes of one expression, by number.
struct Fields {
    private var attributes: [UInt32: Attribute] = [:]

    init(_ data: ArraySlice<UInt8>) throws(DecodeError) {
        try AttributeDecoder.forEach(data) { attribute throws(DecodeError) in
            attributes[UInt32(attribute.type)] = attribute
        }
    }

    subscript(type: some NftablesAttribute) -> Attribute? { attributes[type.rawValue] }

    func required(_ type: some NftablesAttribute, _ name: String) throws(DecodeError) -> Attribute {
        guard let attribute = self[type] else { throw DecodeError("missing", path: [name]) }
        return attribute
    }

    func number<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: some NftablesAttribute,
        _ name: String
    ) throws(DecodeError) -> T {
        try required(type, name).bigEndian(name)
    }

    func numberIfAny<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: some NftablesAttribute,
        _ name: String
    ) throws(DecodeError) -> T? {
        guard let attribute = self[type] else { return nil }
        return try attribute.bigEndian(name)
    }

    func choice<Choice: RawRepresentable<UInt32>>(
        _ type: some NftablesAttribute,
        _ name: String
    ) throws(DecodeError) -> Choice {
        let number = try number(type, name) as UInt32
        guard let choice = Choice(rawValue: number) else { throw DecodeError("unknown value \(number)", path: [name]) }
        return choice
    }

    func string(_ type: some NftablesAttribute, _ name: String) throws(DecodeError) -> String {
        try required(type, name).string(name)
    }

    func value(_ type: some NftablesAttribute, _ name: String) throws(DecodeError) -> [UInt8] {
        try NftablesData.decodeValue(required(type, name), name)
    }

    func register(_ type: some NftablesAttribute, _ name: String) throws(DecodeError) -> NftablesRegister {
        let number = try number(type, name) as UInt32
        guard let register = NftablesRegister(number: number) else {
            throw DecodeError("no register \(number)", path: [name])
        }
        return register
    }

    func registerIfAny(_ type: some NftablesAttribute, _ name: String) throws(DecodeError) -> NftablesRegister? {
        self[type] == nil ? nil : try register(type, name)
    }
}
