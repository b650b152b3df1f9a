import CNetlink
import NetlinkWire

extension NftablesExpression {
    /// Appends one element of `NFTA_RULE_EXPRESSIONS`.
    func append(to list: inout AttributeEncoder) {
        list.nest(Int(NFTA_LIST_ELEM.rawValue)) { element in
            element.append(Int(NFTA_EXPR_NAME.rawValue), string: kernelName)
            element.nest(Int(NFTA_EXPR_DATA.rawValue)) { appendAttributes(to: &$0) }
        }
    }

    /// What the kernel calls it.
    var kernelName: String {
        switch self {
        case .payload, .payloadSet: "payload"
        case .meta, .metaSet: "meta"
        case .ct, .ctSet: "ct"
        case .route: "rt"
        case .compare: "cmp"
        case .range: "range"
        case .bitwise: "bitwise"
        case .byteorder: "byteorder"
        case .immediate, .verdict: "immediate"
        case .lookup: "lookup"
        case .counter: "counter"
        case .object, .objectMap: "objref"
        case .limit: "limit"
        case .log: "log"
        case .nat: "nat"
        case .masquerade: "masq"
        case .redirect: "redir"
        case .fib: "fib"
        case .reject: "reject"
        case .notrack: "notrack"
        case .queue: "queue"
        case .tcpOption, .tcpOptionSet: "exthdr"
        case .setUpdate: "dynset"
        case .other(let name, _): name
        }
    }

    private func appendAttributes(to data: inout AttributeEncoder) {
        switch self {
        case .payload(let field, let register):
            data.append(NFTA_PAYLOAD_DREG, register)
            data.append(field)
        case .payloadSet(let write, let register):
            data.append(NFTA_PAYLOAD_SREG, register)
            data.append(write.field)
            data.append(NFTA_PAYLOAD_CSUM_TYPE, write.checksumType)
            data.append(NFTA_PAYLOAD_CSUM_OFFSET, write.checksumOffsetBytes)
            data.append(NFTA_PAYLOAD_CSUM_FLAGS, write.checksumFlags)
        case .meta(let key, let register):
            data.append(NFTA_META_DREG, register)
            data.append(NFTA_META_KEY, key)
        case .metaSet(let key, let register):
            data.append(NFTA_META_KEY, key)
            data.append(NFTA_META_SREG, register)
        case .ct(let key, let direction, let register):
            data.append(NFTA_CT_DREG, register)
            data.append(NFTA_CT_KEY, key)
            if let direction { data.append(Int(NFTA_CT_DIRECTION.rawValue), integer: direction) }
        case .ctSet(let key, let register):
            data.append(NFTA_CT_KEY, key)
            data.append(NFTA_CT_SREG, register)
        case .route(let key, let register):
            data.append(NFTA_RT_DREG, register)
            data.append(NFTA_RT_KEY, key)
        case .compare, .range, .bitwise, .byteorder: appendOperation(to: &data)
        case .immediate(let value, let register):
            data.append(NFTA_IMMEDIATE_DREG, register)
            data.append(Int(NFTA_IMMEDIATE_DATA.rawValue), value: value)
        case .verdict(let verdict):
            data.append(NFTA_IMMEDIATE_DREG, .verdict)
            verdict.append(to: &data, as: Int(NFTA_IMMEDIATE_DATA.rawValue))
        case .lookup, .object, .objectMap, .setUpdate: appendReference(to: &data)
        case .counter(let packets, let bytes):
            data.append(Int(NFTA_COUNTER_BYTES.rawValue), bigEndian: bytes)
            data.append(Int(NFTA_COUNTER_PACKETS.rawValue), bigEndian: packets)
        case .limit(let limit): data.append(limit)
        case .log(let log): data.append(log)
        case .nat(let nat): data.append(nat)
        case .masquerade(let flags): if flags != 0 { data.append(NFTA_MASQ_FLAGS, flags) }
        case .redirect(let port, let flags):
            if let port { data.append(NFTA_REDIR_REG_PROTO_MIN, port) }
            if flags != 0 { data.append(NFTA_REDIR_FLAGS, flags) }
        case .fib(let result, let flags, let register):
            data.append(NFTA_FIB_DREG, register)
            data.append(NFTA_FIB_RESULT, result.rawValue)
            data.append(NFTA_FIB_FLAGS, flags)
        case .reject(let reject): data.append(reject)
        case .notrack: break
        case .queue(let queue):
            data.append(Int(NFTA_QUEUE_NUM.rawValue), bigEndian: queue.first)
            data.append(Int(NFTA_QUEUE_TOTAL.rawValue), bigEndian: queue.count)
            data.append(Int(NFTA_QUEUE_FLAGS.rawValue), bigEndian: queue.flags)
        case .tcpOption(let type, let offset, let length, let register):
            data.append(NFTA_EXTHDR_DREG, register)
            data.appendOption(type: type, offsetBytes: offset, lengthBytes: length)
        case .tcpOptionSet(let type, let offset, let length, let register):
            data.append(NFTA_EXTHDR_SREG, register)
            data.appendOption(type: type, offsetBytes: offset, lengthBytes: length)
        case .other(_, let attributes): data.append(encoded: attributes)
        }
    }

    private func appendOperation(to data: inout AttributeEncoder) {
        switch self {
        case .compare(let register, let comparison, let value):
            data.append(NFTA_CMP_SREG, register)
            data.append(NFTA_CMP_OP, comparison.rawValue)
            data.append(Int(NFTA_CMP_DATA.rawValue), value: value)
        case .range(let register, let isNegated, let first, let last):
            data.append(NFTA_RANGE_SREG, register)
            data.append(NFTA_RANGE_OP, (isNegated ? NFT_RANGE_NEQ : NFT_RANGE_EQ).rawValue)
            data.append(Int(NFTA_RANGE_FROM_DATA.rawValue), value: first)
            data.append(Int(NFTA_RANGE_TO_DATA.rawValue), value: last)
        case .bitwise(let source, let destination, let mask, let xor):
            data.append(NFTA_BITWISE_SREG, source)
            data.append(NFTA_BITWISE_DREG, destination)
            data.append(NFTA_BITWISE_LEN, UInt32(mask.count))
            data.append(NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR.rawValue)
            data.append(Int(NFTA_BITWISE_MASK.rawValue), value: mask)
            data.append(Int(NFTA_BITWISE_XOR.rawValue), value: xor)
        case .byteorder(let source, let destination, let toNetwork, let length, let size):
            data.append(NFTA_BYTEORDER_SREG, source)
            data.append(NFTA_BYTEORDER_DREG, destination)
            data.append(NFTA_BYTEORDER_OP, (toNetwork ? NFT_BYTEORDER_HTON : NFT_BYTEORDER_NTOH).rawValue)
            data.append(NFTA_BYTEORDER_LEN, length)
            data.append(NFTA_BYTEORDER_SIZE, size)
        default: preconditionFailure("\(self) is no operation")
        }
    }

    private func appendReference(to data: inout AttributeEncoder) {
        switch self {
        case .lookup(let set, let key, let destination, let isNegated):
            data.append(Int(NFTA_LOOKUP_SET.rawValue), string: set)
            data.append(NFTA_LOOKUP_SREG, key)
            if let destination { data.append(NFTA_LOOKUP_DREG, destination) }
            if isNegated { data.append(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV.rawValue) }
        case .object(let type, let name):
            data.append(NFTA_OBJREF_IMM_TYPE, type)
            data.append(Int(NFTA_OBJREF_IMM_NAME.rawValue), string: name)
        case .objectMap(let set, let key):
            data.append(NFTA_OBJREF_SET_SREG, key)
            data.append(Int(NFTA_OBJREF_SET_NAME.rawValue), string: set)
        case .setUpdate(let update):
            data.append(Int(NFTA_DYNSET_SET_NAME.rawValue), string: update.set)
            data.append(NFTA_DYNSET_OP, update.operation.rawValue)
            data.append(NFTA_DYNSET_SREG_KEY, update.key)
            if let value = update.value { data.append(NFTA_DYNSET_SREG_DATA, value) }
            if let timeout = update.timeoutMilliseconds {
                data.append(Int(NFTA_DYNSET_TIMEOUT.rawValue), bigEndian: timeout)
            }
        default: preconditionFailure("\(self) refers to nothing")
        }
    }
}

/// An enumeration of attribute numbers in linux/netfilter/nf_tables.h.
protocol NftablesAttribute {
    var rawValue: UInt32 { get }
}

extension nft_payload_attributes: NftablesAttribute {}
extension nft_meta_attributes: NftablesAttribute {}
extension nft_ct_attributes: NftablesAttribute {}
extension nft_rt_attributes: NftablesAttribute {}
extension nft_cmp_attributes: NftablesAttribute {}
extension nft_range_attributes: NftablesAttribute {}
extension nft_bitwise_attributes: NftablesAttribute {}
extension nft_byteorder_attributes: NftablesAttribute {}
extension nft_immediate_attributes: NftablesAttribute {}
extension nft_lookup_attributes: NftablesAttribute {}
extension nft_objref_attributes: NftablesAttribute {}
extension nft_dynset_attributes: NftablesAttribute {}
extension nft_counter_attributes: NftablesAttribute {}
extension nft_limit_attributes: NftablesAttribute {}
extension nft_log_attributes: NftablesAttribute {}
extension nft_nat_attributes: NftablesAttribute {}
extension nft_masq_attributes: NftablesAttribute {}
extension nft_redir_attributes: NftablesAttribute {}
extension nft_fib_attributes: NftablesAttribute {}
extension nft_reject_attributes: NftablesAttribute {}
extension nft_queue_attributes: NftablesAttribute {}
extension nft_exthdr_attributes: NftablesAttribute {}

extension NftablesRegister {
    /// A multiple of four words has the number of the older, 16-byte registers: so the kernel itself reports it.
    var number: UInt32 {
        switch self {
        case .verdict: NFT_REG_VERDICT.rawValue
        case .word(let word) where word.isMultiple(of: 4): NFT_REG_1.rawValue + UInt32(word / 4)
        case .word(let word): NFT_REG32_00.rawValue + UInt32(word)
        }
    }

    /// - Returns: `nil` for a number the kernel does not have.
    init?(number: UInt32) {
        switch number {
        case NFT_REG_VERDICT.rawValue: self = .verdict
        case NFT_REG_1.rawValue...NFT_REG_4.rawValue: self = .word(Int(number - NFT_REG_1.rawValue) * 4)
        case NFT_REG32_00.rawValue...NFT_REG32_15.rawValue: self = .word(Int(number - NFT_REG32_00.rawValue))
        default: return nil
        }
    }
}

extension AttributeEncoder {
    fileprivate mutating func append(_ type: some NftablesAttribute, _ number: UInt32) {
        append(Int(type.rawValue), bigEndian: number)
    }

    fileprivate mutating func append(_ type: some NftablesAttribute, _ register: NftablesRegister) {
        append(Int(type.rawValue), bigEndian: register.number)
    }

    fileprivate mutating func append(_ field: NftablesPayload) {
        append(NFTA_PAYLOAD_BASE, field.base.rawValue)
        append(NFTA_PAYLOAD_OFFSET, field.offsetBytes)
        append(NFTA_PAYLOAD_LEN, field.lengthBytes)
    }

    fileprivate mutating func append(_ limit: NftablesLimit) {
        append(Int(NFTA_LIMIT_RATE.rawValue), bigEndian: limit.rate)
        append(Int(NFTA_LIMIT_UNIT.rawValue), bigEndian: limit.perSeconds)
        append(NFTA_LIMIT_BURST, limit.burst)
        append(NFTA_LIMIT_TYPE, (limit.countsBytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS).rawValue)
        if limit.isOver { append(NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV.rawValue) }
    }

    fileprivate mutating func append(_ log: NftablesLog) {
        if let prefix = log.prefix { append(Int(NFTA_LOG_PREFIX.rawValue), string: prefix) }
        switch log.target {
        case .kernel(let level): append(NFTA_LOG_LEVEL, level)
        case .group(let group, let snapLength, let threshold):
            append(Int(NFTA_LOG_GROUP.rawValue), bigEndian: group)
            if let snapLength { append(NFTA_LOG_SNAPLEN, snapLength) }
            if let threshold { append(Int(NFTA_LOG_QTHRESHOLD.rawValue), bigEndian: threshold) }
        }
    }

    fileprivate mutating func append(_ nat: NftablesNAT) {
        append(NFTA_NAT_TYPE, nat.kind.rawValue)
        append(NFTA_NAT_FAMILY, UInt32((nat.isV4 ? NftablesFamily.ip : .ip6).rawValue))
        if let register = nat.address { append(NFTA_NAT_REG_ADDR_MIN, register) }
        if let register = nat.lastAddress { append(NFTA_NAT_REG_ADDR_MAX, register) }
        if let register = nat.port { append(NFTA_NAT_REG_PROTO_MIN, register) }
        if let register = nat.lastPort { append(NFTA_NAT_REG_PROTO_MAX, register) }
        if nat.flags != 0 { append(NFTA_NAT_FLAGS, nat.flags) }
    }

    fileprivate mutating func append(_ reject: NftablesReject) {
        switch reject {
        case .tcpReset:
            append(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST.rawValue)
        case .icmp(let code):
            append(NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH.rawValue)
            append(Int(NFTA_REJECT_ICMP_CODE.rawValue), integer: code)
        case .icmpx(let code):
            append(NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH.rawValue)
            append(Int(NFTA_REJECT_ICMP_CODE.rawValue), integer: code)
        }
    }

    fileprivate mutating func appendOption(type: UInt8, offsetBytes: UInt32, lengthBytes: UInt32) {
        append(Int(NFTA_EXTHDR_TYPE.rawValue), integer: type)
        append(NFTA_EXTHDR_OFFSET, offsetBytes)
        append(NFTA_EXTHDR_LEN, lengthBytes)
        append(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT.rawValue)
    }
}
