import CNetlink
public import NetlinkWire

/// Rules, routes without a link, and nftables: kept as the bytes that came in, which is what the real kernel gives back.
extension FakeKernel {
    // MARK: - Rules and guards

    /// - Returns: whether it was one of these messages.
    func changePolicy(type: Int, payload: ArraySlice<UInt8>) throws(Refusal) -> Bool {
        switch type {
        case RTM_NEWRULE:
            guard !rules.contains(Array(payload)) else { throw Refusal(EEXIST) }
            rules.append(Array(payload))
        case RTM_DELRULE:
            guard let index = rules.firstIndex(of: Array(payload)) else { throw Refusal(ENOENT) }
            rules.remove(at: index)
        case RTM_NEWROUTE where isGuard(payload):
            guard !guards.contains(Array(payload)) else { throw Refusal(EEXIST) }
            guards.append(Array(payload))
        case RTM_DELROUTE where isGuard(payload):
            guard let index = guards.firstIndex(of: Array(payload)) else { throw Refusal(ESRCH) }
            guards.remove(at: index)
        default: return false
        }
        return true
    }

    func dumpRules(_ payload: ArraySlice<UInt8>) -> [NetlinkMessage] {
        rules.filter { $0.first == payload.first }.map { message(UInt16(RTM_NEWRULE), $0) }
    }

    func dumpGuards(_ payload: ArraySlice<UInt8>) -> [NetlinkMessage] {
        guards.filter { $0.first == payload.first }.map { message(UInt16(RTM_NEWROUTE), $0) }
    }

    /// `rtm_type` is none that leads anywhere.
    private func isGuard(_ payload: ArraySlice<UInt8>) -> Bool {
        guard payload.count > 7 else { return false }
        return Array(payload)[7] == UInt8(RTN_UNREACHABLE)
    }

    // MARK: - nftables

    /// One object: the type of its `NEW` message, its table with the family before it, and the message.
    struct NftablesObject: Hashable {
        var type: UInt32
        var table: [UInt8]
        var payload: [UInt8]
    }

    public func commit(_ transaction: NetlinkTransaction) async throws(NetlinkError) {
        begin(transaction.operation)
        do throws(Refusal) {
            try beginWrite()
            guard traits.isPrivileged else { throw Refusal(EPERM) }
            if let wanted = transaction.generation, wanted != generation { throw Refusal(ERESTART) }
            var objects = nftables
            for change in transaction.changes {
                guard case .netfilter(let type) = change.target else { throw Refusal(EINVAL) }
                try Self.apply(UInt32(type & 0xff), change.payload, to: &objects)
            }
            nftables = objects
            generation += 1
        } catch {
            throw NetlinkError(operation: transaction.operation, code: error.code, detail: error.detail)
        }
    }

    private static func apply(
        _ type: UInt32,
        _ payload: [UInt8],
        to objects: inout [NftablesObject]
    ) throws(Refusal) {
        let table = try tableKey(payload)
        let exists = objects.contains { $0.type == NFT_MSG_NEWTABLE.rawValue && $0.table == table }
        switch type {
        case NFT_MSG_NEWTABLE.rawValue:
            if !exists { objects.append(NftablesObject(type: type, table: table, payload: payload)) }
        case NFT_MSG_DELTABLE.rawValue:
            guard exists else { throw Refusal(ENOENT) }
            objects.removeAll { $0.table == table }
        case NFT_MSG_NEWCHAIN.rawValue, NFT_MSG_NEWRULE.rawValue, NFT_MSG_NEWSET.rawValue,
            NFT_MSG_NEWSETELEM.rawValue:
            guard exists else { throw Refusal(ENOENT) }
            objects.append(NftablesObject(type: type, table: table, payload: payload))
        default: throw Refusal(EOPNOTSUPP)
        }
    }

    func dumpNftables(_ type: UInt32, _ payload: ArraySlice<UInt8>) throws(Refusal) -> [NetlinkMessage] {
        if type == NFT_MSG_GETGEN.rawValue {
            var encoder = AttributeEncoder(header: [0, 0, 0, 0])
            encoder.append(Int(NFTA_GEN_ID.rawValue), integer: generation.bigEndian)
            return [message(netfilter(NFT_MSG_NEWGEN.rawValue), encoder.bytes)]
        }
        let replies = [
            NFT_MSG_GETTABLE.rawValue: NFT_MSG_NEWTABLE.rawValue, NFT_MSG_GETCHAIN.rawValue: NFT_MSG_NEWCHAIN.rawValue,
            NFT_MSG_GETRULE.rawValue: NFT_MSG_NEWRULE.rawValue, NFT_MSG_GETSET.rawValue: NFT_MSG_NEWSET.rawValue,
            NFT_MSG_GETOBJ.rawValue: NFT_MSG_NEWOBJ.rawValue,
        ]
        if type == NFT_MSG_GETSETELEM.rawValue {
            // Both messages begin with the family, the table and the set.
            let lists = nftables.filter { $0.type == NFT_MSG_NEWSETELEM.rawValue && $0.payload.starts(with: payload) }
            return lists.map { message(netfilter($0.type), $0.payload) }
        }
        guard let reply = replies[type] else { throw Refusal(EOPNOTSUPP) }
        return nftables.filter { $0.type == reply }.map { message(netfilter(reply), $0.payload) }
    }

    /// Family and name: attribute 1 of every message is the table's name.
    private static func tableKey(_ payload: [UInt8]) throws(Refusal) -> [UInt8] {
        var name: [UInt8] = []
        try Refusal.reading { () throws(DecodeError) in
            try AttributeDecoder.forEach(payload.dropFirst(4)) { attribute in
                if attribute.type == 1 { name = Array(attribute.payload) }
            }
        }
        guard let family = payload.first, !name.isEmpty else { throw Refusal(EINVAL) }
        return [family] + name
    }

    /// What `nft flush ruleset` does.
    public func flushNftables() {
        nftables = []
        generation += 1
    }

    /// What `ip rule flush` does to the rules that user space made.
    public func flushRules() { rules = [] }
}

private func netfilter(_ type: UInt32) -> UInt16 { UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type) }

private func message(_ type: UInt16, _ payload: [UInt8]) -> NetlinkMessage {
    NetlinkMessage(type: type, flags: UInt16(NLM_F_MULTI), payload: payload)
}
