import CNetlink
import NetlinkWire

extension NftablesExpression {
    /// The elements of `NFTA_RULE_EXPRESSIONS`.
    static func decodeList(_ attribute: Attribute, _ name: String) throws(DecodeError) -> [NftablesExpression] {
        var expressions: [NftablesExpression] = []
        try attribute.forEachElement(name) { element throws(DecodeError) in
            expressions.append(try decode(element))
        }
        return expressions
    }

    /// One expression: its name and its data.
    static func decode(_ attributes: ArraySlice<UInt8>) throws(DecodeError) -> NftablesExpression {
        var name = ""
        var data: ArraySlice<UInt8> = []
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_EXPR_NAME.rawValue: name = try attribute.string("NFTA_EXPR_NAME")
            case NFTA_EXPR_DATA.rawValue: data = attribute.payload
            default: break
            }
        }
        do throws(DecodeError) {
            let fields = try Fields(data)
            return try decode(name, fields) ?? .other(name: name, attributes: Array(data))
        } catch {
            // Errors are one line: a name that is no word, which the kernel never has, stays out of them.
            let isWord = name.utf8.count <= 32 && name.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            throw error.inside("NFTA_EXPR_DATA(\(isWord ? name : "?"))")
        }
    }

    /// - Returns: `nil` for what we have no case for.
    private static func decode(_ name: String, _ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        switch name {
        case "payload": try decodePayload(fields)
        case "meta", "ct", "rt": try decodeKey(name, fields)
        case "cmp":
            .compare(
                try fields.register(NFTA_CMP_SREG, "NFTA_CMP_SREG"),
                try fields.choice(NFTA_CMP_OP, "NFTA_CMP_OP"),
                try fields.value(NFTA_CMP_DATA, "NFTA_CMP_DATA")
            )
        case "range":
            .range(
                try fields.register(NFTA_RANGE_SREG, "NFTA_RANGE_SREG"),
                isNegated: try fields.number(NFTA_RANGE_OP, "NFTA_RANGE_OP") == NFT_RANGE_NEQ.rawValue,
                from: try fields.value(NFTA_RANGE_FROM_DATA, "NFTA_RANGE_FROM_DATA"),
                through: try fields.value(NFTA_RANGE_TO_DATA, "NFTA_RANGE_TO_DATA")
            )
        case "bitwise": try decodeBitwise(fields)
        case "byteorder":
            .byteorder(
                try fields.register(NFTA_BYTEORDER_SREG, "NFTA_BYTEORDER_SREG"),
                into: try fields.register(NFTA_BYTEORDER_DREG, "NFTA_BYTEORDER_DREG"),
                toNetwork: try fields.number(NFTA_BYTEORDER_OP, "NFTA_BYTEORDER_OP") == NFT_BYTEORDER_HTON.rawValue,
                lengthBytes: try fields.number(NFTA_BYTEORDER_LEN, "NFTA_BYTEORDER_LEN"),
                sizeBytes: try fields.number(NFTA_BYTEORDER_SIZE, "NFTA_BYTEORDER_SIZE")
            )
        case "immediate": try decodeImmediate(fields)
        case "lookup", "objref", "dynset": try decodeReference(name, fields)
        case "counter":
            .counter(
                packets: try fields.number(NFTA_COUNTER_PACKETS, "NFTA_COUNTER_PACKETS"),
                bytes: try fields.number(NFTA_COUNTER_BYTES, "NFTA_COUNTER_BYTES")
            )
        case "limit": .limit(try NftablesLimit(fields))
        case "log": try NftablesLog(fields).map { .log($0) }
        case "nat": .nat(try NftablesNAT(fields))
        case "masq": try decodeMasquerade(fields)
        case "redir": try decodeRedirect(fields)
        case "fib":
            .fib(
                result: try fields.choice(NFTA_FIB_RESULT, "NFTA_FIB_RESULT"),
                flags: try fields.number(NFTA_FIB_FLAGS, "NFTA_FIB_FLAGS"),
                into: try fields.register(NFTA_FIB_DREG, "NFTA_FIB_DREG")
            )
        case "reject": try decodeReject(fields)
        case "notrack": .notrack
        case "queue": try decodeQueue(fields)
        case "exthdr": try decodeOption(fields)
        default: nil
        }
    }

    private static func decodePayload(_ fields: Fields) throws(DecodeError) -> NftablesExpression {
        let field = NftablesPayload(
            try fields.choice(NFTA_PAYLOAD_BASE, "NFTA_PAYLOAD_BASE"),
            offsetBytes: try fields.number(NFTA_PAYLOAD_OFFSET, "NFTA_PAYLOAD_OFFSET"),
            lengthBytes: try fields.number(NFTA_PAYLOAD_LEN, "NFTA_PAYLOAD_LEN")
        )
        if fields[NFTA_PAYLOAD_DREG] != nil {
            return .payload(field, into: try fields.register(NFTA_PAYLOAD_DREG, "NFTA_PAYLOAD_DREG"))
        }
        var write = NftablesPayloadWrite(field)
        write.checksumType = try fields.numberIfAny(NFTA_PAYLOAD_CSUM_TYPE, "NFTA_PAYLOAD_CSUM_TYPE") ?? 0
        write.checksumOffsetBytes = try fields.numberIfAny(NFTA_PAYLOAD_CSUM_OFFSET, "NFTA_PAYLOAD_CSUM_OFFSET") ?? 0
        write.checksumFlags = try fields.numberIfAny(NFTA_PAYLOAD_CSUM_FLAGS, "NFTA_PAYLOAD_CSUM_FLAGS") ?? 0
        return .payloadSet(write, from: try fields.register(NFTA_PAYLOAD_SREG, "NFTA_PAYLOAD_SREG"))
    }

    private static func decodeKey(_ name: String, _ fields: Fields) throws(DecodeError) -> NftablesExpression {
        switch name {
        case "meta":
            let key = try fields.number(NFTA_META_KEY, "NFTA_META_KEY") as UInt32
            if fields[NFTA_META_DREG] == nil {
                return .metaSet(key: key, from: try fields.register(NFTA_META_SREG, "NFTA_META_SREG"))
            }
            return .meta(key: key, into: try fields.register(NFTA_META_DREG, "NFTA_META_DREG"))
        case "ct":
            let key = try fields.number(NFTA_CT_KEY, "NFTA_CT_KEY") as UInt32
            if fields[NFTA_CT_DREG] == nil {
                return .ctSet(key: key, from: try fields.register(NFTA_CT_SREG, "NFTA_CT_SREG"))
            }
            let direction = try fields.numberIfAny(NFTA_CT_DIRECTION, "NFTA_CT_DIRECTION") as UInt8?
            return .ct(key: key, direction: direction, into: try fields.register(NFTA_CT_DREG, "NFTA_CT_DREG"))
        default:
            let key = try fields.number(NFTA_RT_KEY, "NFTA_RT_KEY") as UInt32
            return .route(key: key, into: try fields.register(NFTA_RT_DREG, "NFTA_RT_DREG"))
        }
    }

    private static func decodeBitwise(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        let operation = try fields.numberIfAny(NFTA_BITWISE_OP, "NFTA_BITWISE_OP") ?? NFT_BITWISE_MASK_XOR.rawValue
        guard operation == NFT_BITWISE_MASK_XOR.rawValue else { return nil }
        return .bitwise(
            try fields.register(NFTA_BITWISE_SREG, "NFTA_BITWISE_SREG"),
            into: try fields.register(NFTA_BITWISE_DREG, "NFTA_BITWISE_DREG"),
            mask: try fields.value(NFTA_BITWISE_MASK, "NFTA_BITWISE_MASK"),
            xor: try fields.value(NFTA_BITWISE_XOR, "NFTA_BITWISE_XOR")
        )
    }

    private static func decodeImmediate(_ fields: Fields) throws(DecodeError) -> NftablesExpression {
        let attribute = try fields.required(NFTA_IMMEDIATE_DATA, "NFTA_IMMEDIATE_DATA")
        switch try NftablesData.decode(attribute, "NFTA_IMMEDIATE_DATA") {
        case .verdict(let verdict): return .verdict(verdict)
        case .value(let value):
            return .immediate(
                Array(value),
                into: try fields.register(NFTA_IMMEDIATE_DREG, "NFTA_IMMEDIATE_DREG")
            )
        }
    }

    private static func decodeReference(_ name: String, _ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        switch name {
        case "lookup":
            let flags = try fields.numberIfAny(NFTA_LOOKUP_FLAGS, "NFTA_LOOKUP_FLAGS") ?? 0 as UInt32
            return .lookup(
                set: try fields.string(NFTA_LOOKUP_SET, "NFTA_LOOKUP_SET"),
                key: try fields.register(NFTA_LOOKUP_SREG, "NFTA_LOOKUP_SREG"),
                into: try fields.registerIfAny(NFTA_LOOKUP_DREG, "NFTA_LOOKUP_DREG"),
                isNegated: flags & NFT_LOOKUP_F_INV.rawValue != 0
            )
        case "objref":
            if fields[NFTA_OBJREF_IMM_NAME] != nil {
                return .object(
                    type: try fields.number(NFTA_OBJREF_IMM_TYPE, "NFTA_OBJREF_IMM_TYPE"),
                    name: try fields.string(NFTA_OBJREF_IMM_NAME, "NFTA_OBJREF_IMM_NAME")
                )
            }
            return .objectMap(
                set: try fields.string(NFTA_OBJREF_SET_NAME, "NFTA_OBJREF_SET_NAME"),
                key: try fields.register(NFTA_OBJREF_SET_SREG, "NFTA_OBJREF_SET_SREG")
            )
        default:
            let flags = try fields.numberIfAny(NFTA_DYNSET_FLAGS, "NFTA_DYNSET_FLAGS") ?? 0 as UInt32
            guard flags == 0, fields[NFTA_DYNSET_EXPR] == nil else { return nil }
            var update = NftablesSetUpdate(
                set: try fields.string(NFTA_DYNSET_SET_NAME, "NFTA_DYNSET_SET_NAME"),
                try fields.choice(NFTA_DYNSET_OP, "NFTA_DYNSET_OP"),
                key: try fields.register(NFTA_DYNSET_SREG_KEY, "NFTA_DYNSET_SREG_KEY")
            )
            update.value = try fields.registerIfAny(NFTA_DYNSET_SREG_DATA, "NFTA_DYNSET_SREG_DATA")
            update.timeoutMilliseconds = try fields.numberIfAny(NFTA_DYNSET_TIMEOUT, "NFTA_DYNSET_TIMEOUT")
            if update.timeoutMilliseconds == 0 { update.timeoutMilliseconds = nil }
            return .setUpdate(update)
        }
    }

    private static func decodeMasquerade(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        guard fields[NFTA_MASQ_REG_PROTO_MIN] == nil else { return nil }
        return .masquerade(flags: try fields.numberIfAny(NFTA_MASQ_FLAGS, "NFTA_MASQ_FLAGS") ?? 0)
    }

    private static func decodeRedirect(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        let port = try fields.registerIfAny(NFTA_REDIR_REG_PROTO_MIN, "NFTA_REDIR_REG_PROTO_MIN")
        let last = try fields.registerIfAny(NFTA_REDIR_REG_PROTO_MAX, "NFTA_REDIR_REG_PROTO_MAX")
        guard last == nil || last == port else { return nil }
        let flags = try fields.numberIfAny(NFTA_REDIR_FLAGS, "NFTA_REDIR_FLAGS") ?? 0 as UInt32
        // The kernel sets NF_NAT_RANGE_PROTO_SPECIFIED itself when a port is given.
        return .redirect(port: port, flags: port == nil ? flags : flags & ~protocolIsSpecified)
    }

    private static func decodeReject(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        let type = try fields.number(NFTA_REJECT_TYPE, "NFTA_REJECT_TYPE") as UInt32
        if type == NFT_REJECT_TCP_RST.rawValue { return .reject(.tcpReset) }
        let code = try fields.required(NFTA_REJECT_ICMP_CODE, "NFTA_REJECT_ICMP_CODE")
        let number = try code.integer("NFTA_REJECT_ICMP_CODE") as UInt8
        switch type {
        case NFT_REJECT_ICMP_UNREACH.rawValue: return .reject(.icmp(code: number))
        case NFT_REJECT_ICMPX_UNREACH.rawValue: return .reject(.icmpx(code: number))
        default: return nil
        }
    }

    private static func decodeQueue(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        guard fields[NFTA_QUEUE_SREG_QNUM] == nil else { return nil }
        return .queue(
            NftablesQueue(
                first: try fields.number(NFTA_QUEUE_NUM, "NFTA_QUEUE_NUM"),
                count: try fields.numberIfAny(NFTA_QUEUE_TOTAL, "NFTA_QUEUE_TOTAL") ?? 1,
                flags: try fields.numberIfAny(NFTA_QUEUE_FLAGS, "NFTA_QUEUE_FLAGS") ?? 0
            )
        )
    }

    private static func decodeOption(_ fields: Fields) throws(DecodeError) -> NftablesExpression? {
        let operation = try fields.numberIfAny(NFTA_EXTHDR_OP, "NFTA_EXTHDR_OP") ?? 0 as UInt32
        let flags = try fields.numberIfAny(NFTA_EXTHDR_FLAGS, "NFTA_EXTHDR_FLAGS") ?? 0 as UInt32
        guard operation == NFT_EXTHDR_OP_TCPOPT.rawValue, flags == 0 else { return nil }
        let type = try fields.required(NFTA_EXTHDR_TYPE, "NFTA_EXTHDR_TYPE").integer("NFTA_EXTHDR_TYPE") as UInt8
        let offset = try fields.number(NFTA_EXTHDR_OFFSET, "NFTA_EXTHDR_OFFSET") as UInt32
        let length = try fields.number(NFTA_EXTHDR_LEN, "NFTA_EXTHDR_LEN") as UInt32
        if fields[NFTA_EXTHDR_DREG] != nil {
            let register = try fields.register(NFTA_EXTHDR_DREG, "NFTA_EXTHDR_DREG")
            return .tcpOption(type: type, offsetBytes: offset, lengthBytes: length, into: register)
        }
        guard fields[NFTA_EXTHDR_SREG] != nil else { return nil }
        let register = try fields.register(NFTA_EXTHDR_SREG, "NFTA_EXTHDR_SREG")
        return .tcpOptionSet(type: type, offsetBytes: offset, lengthBytes: length, from: register)
    }
}

/// `NF_NAT_RANGE_PROTO_SPECIFIED`, linux/netfilter/nf_nat.h.
private let protocolIsSpecified: UInt32 = 1 << 1
/// `NF_NAT_RANGE_MAP_IPS`.
private let addressIsSpecified: UInt32 = 1 << 0

extension NftablesLimit {
    fileprivate init(_ fields: Fields) throws(DecodeError) {
        let flags = try fields.numberIfAny(NFTA_LIMIT_FLAGS, "NFTA_LIMIT_FLAGS") ?? 0 as UInt32
        let type = try fields.numberIfAny(NFTA_LIMIT_TYPE, "NFTA_LIMIT_TYPE") ?? 0 as UInt32
        self.init(
            rate: try fields.number(NFTA_LIMIT_RATE, "NFTA_LIMIT_RATE"),
            perSeconds: try fields.number(NFTA_LIMIT_UNIT, "NFTA_LIMIT_UNIT"),
            burst: try fields.numberIfAny(NFTA_LIMIT_BURST, "NFTA_LIMIT_BURST") ?? 0,
            countsBytes: type == NFT_LIMIT_PKT_BYTES.rawValue,
            isOver: flags & NFT_LIMIT_F_INV.rawValue != 0
        )
    }
}

extension NftablesLog {
    /// `nil`: with flags that we have no place for.
    fileprivate init?(_ fields: Fields) throws(DecodeError) {
        guard try fields.numberIfAny(NFTA_LOG_FLAGS, "NFTA_LOG_FLAGS") ?? 0 as UInt32 == 0 else { return nil }
        let prefix = fields[NFTA_LOG_PREFIX] == nil ? nil : try fields.string(NFTA_LOG_PREFIX, "NFTA_LOG_PREFIX")
        guard let group = try fields.numberIfAny(NFTA_LOG_GROUP, "NFTA_LOG_GROUP") as UInt16? else {
            let level = try fields.numberIfAny(NFTA_LOG_LEVEL, "NFTA_LOG_LEVEL") ?? NFT_LOGLEVEL_WARNING.rawValue
            self.init(prefix: prefix, target: .kernel(level: level))
            return
        }
        self.init(
            prefix: prefix,
            target: .group(
                group,
                snapLengthBytes: try fields.numberIfAny(NFTA_LOG_SNAPLEN, "NFTA_LOG_SNAPLEN"),
                threshold: try fields.numberIfAny(NFTA_LOG_QTHRESHOLD, "NFTA_LOG_QTHRESHOLD")
            )
        )
    }
}

extension NftablesNAT {
    fileprivate init(_ fields: Fields) throws(DecodeError) {
        let family = try fields.number(NFTA_NAT_FAMILY, "NFTA_NAT_FAMILY") as UInt32
        self.init(
            try fields.choice(NFTA_NAT_TYPE, "NFTA_NAT_TYPE"),
            isV4: family == UInt32(NftablesFamily.ip.rawValue),
            address: try fields.registerIfAny(NFTA_NAT_REG_ADDR_MIN, "NFTA_NAT_REG_ADDR_MIN"),
            lastAddress: try fields.registerIfAny(NFTA_NAT_REG_ADDR_MAX, "NFTA_NAT_REG_ADDR_MAX"),
            port: try fields.registerIfAny(NFTA_NAT_REG_PROTO_MIN, "NFTA_NAT_REG_PROTO_MIN"),
            lastPort: try fields.registerIfAny(NFTA_NAT_REG_PROTO_MAX, "NFTA_NAT_REG_PROTO_MAX"),
            flags: try fields.numberIfAny(NFTA_NAT_FLAGS, "NFTA_NAT_FLAGS") ?? 0
        )
        // The kernel reports a single address or port as a range, and the flags that follow from the registers.
        if lastAddress == address { lastAddress = nil }
        if lastPort == port { lastPort = nil }
        if address != nil { flags &= ~addressIsSpecified }
        if port != nil { flags &= ~protocolIsSpecified }
    }
}
