import CNetlink
import NetlinkWire

/// One rule: expressions that are tried in order until one does not match.
public struct NftablesRule: Hashable, Sendable {
    public var chain: NftablesName
    public var expressions: [NftablesExpression]
    /// At most 127 bytes; `nil`: none.
    public var comment: String?
    /// The kernel's number, unique in the table; 0: not read from the kernel.
    public var handle: UInt64

    public init(
        in chain: NftablesName,
        _ expressions: [NftablesExpression],
        comment: String? = nil,
        handle: UInt64 = 0
    ) {
        self.chain = chain
        self.expressions = expressions
        self.comment = comment
        self.handle = handle
    }
}

extension NftablesRule {
    /// - Parameter position: the handle of the rule to put it next to; `nil`: at an end of the chain.
    func encode(position: UInt64? = nil) -> [UInt8] {
        var message = AttributeEncoder(header: NftablesWire.header(chain.table.family))
        message.append(Int(NFTA_RULE_TABLE.rawValue), string: chain.table.name)
        message.append(Int(NFTA_RULE_CHAIN.rawValue), string: chain.name)
        if handle != 0 { message.append(Int(NFTA_RULE_HANDLE.rawValue), bigEndian: handle) }
        if let position { message.append(Int(NFTA_RULE_POSITION.rawValue), bigEndian: position) }
        message.nest(Int(NFTA_RULE_EXPRESSIONS.rawValue)) { list in
            for expression in expressions { expression.append(to: &list) }
        }
        if let comment {
            message.append(Int(NFTA_RULE_USERDATA.rawValue), bytes: NftablesUserData.encode(comment: comment))
        }
        return message.bytes
    }

    /// - Parameter payload: begins with `struct nfgenmsg`.
    /// - Returns: `nil` for a family we do not know.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> NftablesRule? {
        guard let (family, attributes) = try NftablesWire.decodeHeader(payload) else { return nil }
        var rule = NftablesRule(in: NftablesName(NftablesTableName(family, ""), ""), [])
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_RULE_TABLE.rawValue: rule.chain.table.name = try attribute.string("NFTA_RULE_TABLE")
            case NFTA_RULE_CHAIN.rawValue: rule.chain.name = try attribute.string("NFTA_RULE_CHAIN")
            case NFTA_RULE_HANDLE.rawValue: rule.handle = try attribute.bigEndian("NFTA_RULE_HANDLE")
            case NFTA_RULE_EXPRESSIONS.rawValue:
                rule.expressions = try NftablesExpression.decodeList(attribute, "NFTA_RULE_EXPRESSIONS")
            case NFTA_RULE_USERDATA.rawValue:
                rule.comment = NftablesUserData.decodeComment(attribute.payload)
            default: break
            }
        }
        guard !rule.chain.name.isEmpty else { throw DecodeError("missing", path: ["NFTA_RULE_CHAIN"]) }
        return rule
    }
}
