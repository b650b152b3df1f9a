import CNetlink
public import NetlinkWire

/// nftables: reads what there is, and changes it in transactions. All of it needs `CAP_NET_ADMIN`.
extension HostNetwork {
    /// The number of the last transaction of anybody, for `commit`.
    ///
    /// - Throws: `NetlinkError`, `EPERM` without the privilege, `EPROTONOSUPPORT` or `EINVAL` without nf_tables.
    public func nftablesGeneration() async throws(NetlinkError) -> UInt32 {
        let operation = "read the nftables generation"
        let target = NftablesWire.target(NFT_MSG_GETGEN)
        let payload: [UInt8] = [UInt8(CNETLINK_AF_UNSPEC), 0, 0, 0]
        let request = NetlinkRequest(operation: operation, target: target, payload: payload)
        for message in try await transport.execute(request)
        where message.type == NftablesWire.messageType(NFT_MSG_NEWGEN) {
            do throws(DecodeError) {
                var generation: UInt32?
                try AttributeDecoder.forEach(message.payload.dropFirst(NftablesWire.headerBytes)) {
                    attribute throws(DecodeError) in
                    guard UInt32(attribute.type) == NFTA_GEN_ID.rawValue else { return }
                    generation = try attribute.bigEndian("NFTA_GEN_ID")
                }
                if let generation { return generation }
            } catch {
                throw NetlinkError(operation: operation, malformed: error)
            }
        }
        throw NetlinkError(operation: operation, malformed: DecodeError("missing", path: ["NFTA_GEN_ID"]))
    }

    /// Every table of the network namespace, whoever made it.
    public func nftablesTables() async throws(NetlinkError) -> [NftablesTable] {
        try await nftablesDump(
            "list nftables tables",
            NFT_MSG_GETTABLE,
            reply: NFT_MSG_NEWTABLE,
            payload: [UInt8(CNETLINK_AF_UNSPEC), 0, 0, 0],
            NftablesTable.decode
        )
    }

    /// Every chain of every table, whoever made it.
    public func nftablesChains() async throws(NetlinkError) -> [NftablesChain] {
        try await nftablesDump(
            "list nftables chains",
            NFT_MSG_GETCHAIN,
            reply: NFT_MSG_NEWCHAIN,
            payload: [UInt8(CNETLINK_AF_UNSPEC), 0, 0, 0],
            NftablesChain.decode
        )
    }

    /// One table with everything in it; `nil`: there is none of that name.
    ///
    /// - Throws: `NetlinkError`; `EBUSY` if somebody changed tables during each of many attempts.
    public func nftablesRuleset(_ name: NftablesTableName) async throws(NetlinkError) -> NftablesRuleset? {
        for _ in 0..<Self.rulesetAttempts {
            let generation = try await nftablesGeneration()
            guard let table = try await nftablesTables().first(where: { $0.name == name }) else {
                // Absence, too, is only certain if nothing changed meanwhile.
                if try await nftablesGeneration() == generation { return nil }
                continue
            }
            do throws(NetlinkError) {
                let ruleset = try await readRuleset(table, generation: generation)
                if try await nftablesGeneration() == generation { return ruleset }
            } catch {
                // A table or set that goes away between two dumps is another change under way.
                guard error.code == ENOENT else { throw error }
            }
        }
        let detail = "tables changed during each of \(Self.rulesetAttempts) attempts"
        throw NetlinkError(operation: "read nftables table \(name)", code: EBUSY, detail: detail)
    }

    /// Makes all changes in one transaction, or none.
    ///
    /// - Parameters:
    ///   - generation: what the changes were planned for; `nil`: whatever there is.
    ///   - operation: for errors that are about no single change.
    /// - Throws: `NetlinkError` of the first change that the kernel refused; `isGenerationMismatch` if somebody was
    ///   faster.
    public func commit(
        _ changes: [NftablesChange],
        generation: UInt32? = nil,
        operation: String = "change nftables"
    ) async throws(NetlinkError) {
        try await commit(NftablesBatch(changes), generation: generation, operation: operation)
    }

    /// As above.
    public func commit(
        _ batch: NftablesBatch,
        generation: UInt32? = nil,
        operation: String = "change nftables"
    ) async throws(NetlinkError) {
        try await transport.commit(
            NetlinkTransaction(
                operation: operation,
                subsystem: UInt8(NFNL_SUBSYS_NFTABLES),
                generation: generation,
                changes: batch.requests
            )
        )
    }

    private func readRuleset(
        _ table: NftablesTable,
        generation: UInt32
    ) async throws(NetlinkError) -> NftablesRuleset {
        var ruleset = NftablesRuleset(generation: generation, table: table)
        let name = table.name
        // Kernels before 6.3 list the chains of every table of the family.
        ruleset.chains = try await nftablesDump(
            "list nftables chains of \(name)",
            NFT_MSG_GETCHAIN,
            reply: NFT_MSG_NEWCHAIN,
            payload: filter(name, Int(NFTA_CHAIN_TABLE.rawValue)),
            NftablesChain.decode
        ).filter { $0.name.table == name }
        ruleset.rules = try await nftablesDump(
            "list nftables rules of \(name)",
            NFT_MSG_GETRULE,
            reply: NFT_MSG_NEWRULE,
            payload: filter(name, Int(NFTA_RULE_TABLE.rawValue)),
            NftablesRule.decode
        ).filter { $0.chain.table == name }
        ruleset.sets = try await nftablesDump(
            "list nftables sets of \(name)",
            NFT_MSG_GETSET,
            reply: NFT_MSG_NEWSET,
            payload: filter(name, Int(NFTA_SET_TABLE.rawValue)),
            NftablesSet.decode
        ).filter { $0.name.table == name }
        ruleset.counters = try await nftablesDump(
            "list nftables counters of \(name)",
            NFT_MSG_GETOBJ,
            reply: NFT_MSG_NEWOBJ,
            payload: filter(name, Int(NFTA_OBJ_TABLE.rawValue)),
            NftablesCounter.decode
        ).filter { $0.name.table == name }
        for set in ruleset.sets {
            var payload = AttributeEncoder(header: filter(name, Int(NFTA_SET_ELEM_LIST_TABLE.rawValue)))
            payload.append(Int(NFTA_SET_ELEM_LIST_SET.rawValue), string: set.name.name)
            let lists = try await nftablesDump(
                "list elements of nftables set \(set.name)",
                NFT_MSG_GETSETELEM,
                reply: NFT_MSG_NEWSETELEM,
                payload: payload.bytes,
                NftablesElement.decodeList
            )
            ruleset.elements[set.name] = lists.flatMap(\.self)
        }
        return ruleset
    }

    private func filter(_ table: NftablesTableName, _ type: Int) -> [UInt8] {
        var message = AttributeEncoder(header: NftablesWire.header(table.family))
        message.append(type, string: table.name)
        return message.bytes
    }

    private func nftablesDump<Object>(
        _ operation: String,
        _ type: nf_tables_msg_types,
        reply: nf_tables_msg_types,
        payload: [UInt8],
        _ decode: (ArraySlice<UInt8>) throws(DecodeError) -> Object?
    ) async throws(NetlinkError) -> [Object] {
        let target = NftablesWire.target(type)
        let request = NetlinkRequest(operation: operation, target: target, flags: .dump, payload: payload)
        return try await objects(request, reply: NftablesWire.messageType(reply), decode)
    }

    /// Somebody who reloads a firewall does it in a few transactions.
    private static var rulesetAttempts: Int { 10 }
}
