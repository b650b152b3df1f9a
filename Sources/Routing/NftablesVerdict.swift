import CNetlink
import NetlinkWire

/// What becomes of a packet.
public enum NftablesVerdict: Hashable, Sendable {
    case accept
    case drop
    /// On with the next rule.
    case `continue`
    /// Back to the chain that jumped here, or to the policy.
    case `return`
    case jump(chain: String)
    case goto(chain: String)
}

extension NftablesVerdict: CustomStringConvertible {
    public var description: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .continue: "continue"
        case .return: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        }
    }
}

extension NftablesVerdict {
    /// `NF_DROP` and `NF_ACCEPT` of linux/netfilter.h, or `enum nft_verdicts`.
    var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .continue: NFT_CONTINUE.rawValue
        case .return: NFT_RETURN.rawValue
        case .jump: NFT_JUMP.rawValue
        case .goto: NFT_GOTO.rawValue
        }
    }

    private var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        case .accept, .drop, .continue, .return: nil
        }
    }

    /// `NFTA_DATA_VERDICT`, inside an attribute of the given type.
    func append(to message: inout AttributeEncoder, as type: Int) {
        message.nest(type) { data in
            data.nest(Int(NFTA_DATA_VERDICT.rawValue)) { verdict in
                verdict.append(Int(NFTA_VERDICT_CODE.rawValue), bigEndian: code)
                if let chain { verdict.append(Int(NFTA_VERDICT_CHAIN.rawValue), string: chain) }
            }
        }
    }

    /// - Parameter attribute: `NFTA_DATA_VERDICT`.
    /// - Throws: `DecodeError`, also for a code that is none of ours.
    static func decode(_ attribute: Attribute) throws(DecodeError) -> NftablesVerdict {
        var code: Int32?
        var chain: String?
        try attribute.forEachNested("NFTA_DATA_VERDICT") { verdict throws(DecodeError) in
            switch UInt32(verdict.type) {
            case NFTA_VERDICT_CODE.rawValue: code = try verdict.bigEndian("NFTA_VERDICT_CODE")
            case NFTA_VERDICT_CHAIN.rawValue: chain = try verdict.string("NFTA_VERDICT_CHAIN")
            default: break
            }
        }
        let path = ["NFTA_DATA_VERDICT", "NFTA_VERDICT_CODE"]
        guard let code else { throw DecodeError("missing", path: path) }
        switch (code, chain) {
        case (Self.drop.code, _): return .drop
        case (Self.accept.code, _): return .accept
        case (NFT_CONTINUE.rawValue, _): return .continue
        case (NFT_RETURN.rawValue, _): return .return
        case (NFT_JUMP.rawValue, let chain?): return .jump(chain: chain)
        case (NFT_GOTO.rawValue, let chain?): return .goto(chain: chain)
        default: throw DecodeError("verdict \(code)", path: path)
        }
    }
}

/// The content of `NFTA_*_DATA`: a value or a verdict.
enum NftablesData: Hashable {
    case value(ArraySlice<UInt8>)
    case verdict(NftablesVerdict)

    static func decode(_ attribute: Attribute, _ name: String) throws(DecodeError) -> NftablesData {
        var data: NftablesData?
        try attribute.forEachNested(name) { inner throws(DecodeError) in
            switch UInt32(inner.type) {
            case NFTA_DATA_VALUE.rawValue: data = .value(inner.payload)
            case NFTA_DATA_VERDICT.rawValue: data = .verdict(try NftablesVerdict.decode(inner))
            default: break
            }
        }
        guard let data else { throw DecodeError("neither value nor verdict", path: [name]) }
        return data
    }

    static func decodeValue(_ attribute: Attribute, _ name: String) throws(DecodeError) -> [UInt8] {
        guard case .value(let bytes) = try decode(attribute, name) else {
            throw DecodeError("a verdict, expected a value", path: [name])
        }
        return Array(bytes)
    }
}

extension AttributeEncoder {
    /// `NFTA_DATA_VALUE`, inside an attribute of the given type.
    mutating func append(_ type: Int, value: [UInt8]) {
        nest(type) { $0.append(Int(NFTA_DATA_VALUE.rawValue), bytes: value) }
    }
}
