import CNetlink
import NetlinkWire

/// One change to the ruleset. What is to be added and is there already is no failure, save rules, which are added
/// again.
public enum NftablesChange: Hashable, Sendable {
    case addTable(NftablesTable)
    /// With everything in it. `ENOENT` if it is absent: add it before, in the same transaction, to be rid of it anyway.
    case removeTable(NftablesTableName)
    /// Also changes the policy of a chain that is there.
    case addChain(NftablesChain)
    case removeChain(NftablesName)
    /// Removes its rules.
    case flushChain(NftablesName)
    /// At the end of its chain.
    case addRule(NftablesRule)
    /// At the head of its chain, or before the rule with this handle.
    case insertRule(NftablesRule, before: UInt64? = nil)
    /// The rule with the same handle.
    case replaceRule(NftablesRule)
    case removeRule(NftablesName, handle: UInt64)
    case addSet(NftablesSet)
    case removeSet(NftablesName)
    /// Removes its elements.
    case flushSet(NftablesName)
    /// The set is given for its types, which the text needs.
    case addElements(NftablesSet, [NftablesElement])
    case removeElements(NftablesSet, [NftablesElement])
    case addCounter(NftablesCounter)
    case removeCounter(NftablesName)
}

/// Changes for one transaction, in the kernel's form already: of a large set, only the piece that is being added need be
/// in memory.
public struct NftablesBatch: Sendable {
    private(set) var requests: [NetlinkRequest] = []
    /// Changes so far. A set that is made and filled in one transaction is named by its place in it.
    public private(set) var count = 0

    public init(_ changes: [NftablesChange] = []) {
        for change in changes { append(change) }
    }

    public mutating func append(_ change: NftablesChange) {
        count += 1
        change.append(to: &requests, setID: UInt32(truncatingIfNeeded: count))
    }
}

extension NftablesChange {
    /// Appends the messages that make the change; many elements take several messages.
    fileprivate func append(to requests: inout [NetlinkRequest], setID: UInt32) {
        encode(setID: setID) { type, flags, payload in
            requests.append(
                NetlinkRequest(
                    operation: "nft " + summary,
                    target: NftablesWire.target(type),
                    flags: flags,
                    payload: payload,
                    names: names
                )
            )
        }
    }

    private func encode(setID: UInt32, _ emit: (nf_tables_msg_types, NetlinkFlags, [UInt8]) -> Void) {
        switch self {
        case .addTable(let table): emit(NFT_MSG_NEWTABLE, .create, table.encode())
        case .removeTable(let name):
            emit(NFT_MSG_DELTABLE, [], reference(name, Int(NFTA_TABLE_NAME.rawValue)))
        case .addChain(let chain): emit(NFT_MSG_NEWCHAIN, .create, chain.encode())
        case .removeChain(let name):
            emit(NFT_MSG_DELCHAIN, [], reference(name, NFTA_CHAIN_TABLE.rawValue, NFTA_CHAIN_NAME.rawValue))
        case .flushChain(let name):
            emit(NFT_MSG_DELRULE, [], reference(name, NFTA_RULE_TABLE.rawValue, NFTA_RULE_CHAIN.rawValue))
        case .addRule(let rule): emit(NFT_MSG_NEWRULE, [.create, .append], rule.withoutHandle.encode())
        case .insertRule(let rule, let position):
            emit(NFT_MSG_NEWRULE, .create, rule.withoutHandle.encode(position: position))
        case .replaceRule(let rule): emit(NFT_MSG_NEWRULE, .replace, rule.encode())
        case .removeRule(let chain, let handle):
            var message = AttributeEncoder(
                header: reference(chain, NFTA_RULE_TABLE.rawValue, NFTA_RULE_CHAIN.rawValue)
            )
            message.append(Int(NFTA_RULE_HANDLE.rawValue), bigEndian: handle)
            emit(NFT_MSG_DELRULE, [], message.bytes)
        case .addSet(let set): emit(NFT_MSG_NEWSET, .create, set.encode(id: setID))
        case .removeSet(let name):
            emit(NFT_MSG_DELSET, [], reference(name, NFTA_SET_TABLE.rawValue, NFTA_SET_NAME.rawValue))
        case .flushSet(let name):
            emit(NFT_MSG_DELSETELEM, [], Self.elements(of: name).bytes)
        case .addElements(let set, let elements):
            Self.split(elements, of: set.name) { emit(NFT_MSG_NEWSETELEM, .create, $0) }
        case .removeElements(let set, let elements):
            Self.split(elements, of: set.name) { emit(NFT_MSG_DELSETELEM, [], $0) }
        case .addCounter(let counter): emit(NFT_MSG_NEWOBJ, .create, counter.encode())
        case .removeCounter(let name): emit(NFT_MSG_DELOBJ, [], NftablesCounter.reference(to: name).bytes)
        }
    }

    private static func elements(of set: NftablesName, expectedBytes: Int = 128) -> AttributeEncoder {
        let header = NftablesWire.header(set.table.family)
        var message = AttributeEncoder(header: header, expectedBytes: expectedBytes)
        message.append(Int(NFTA_SET_ELEM_LIST_TABLE.rawValue), string: set.table.name)
        message.append(Int(NFTA_SET_ELEM_LIST_SET.rawValue), string: set.name)
        return message
    }

    /// As many elements per message as a nested attribute holds; a range stays in one piece.
    private static func split(_ elements: [NftablesElement], of set: NftablesName, _ emit: ([UInt8]) -> Void) {
        let elements = elements.span
        var next = 0
        while next < elements.count {
            // Most elements are a key and headers.
            let expected = min(elementsLimitBytes, (elements.count - next) * (16 + elements[next].key.count)) + 1024
            var message = Self.elements(of: set, expectedBytes: expected)
            let list = message.open(Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
            while next < elements.count {
                if message.count > list + elementsLimitBytes, !elements[next].isIntervalEnd { break }
                elements[next].append(to: &message)
                next += 1
            }
            message.close(list)
            emit(message.bytes)
        }
    }

    /// A nested attribute ends at 65,535 bytes; one element with comment and values takes less than 1 KiB.
    private static let elementsLimitBytes = 60_000
}

private func reference(_ table: NftablesTableName, _ type: Int) -> [UInt8] {
    var message = AttributeEncoder(header: NftablesWire.header(table.family))
    message.append(type, string: table.name)
    return message.bytes
}

private func reference(_ name: NftablesName, _ tableType: UInt32, _ nameType: UInt32) -> [UInt8] {
    var message = AttributeEncoder(header: NftablesWire.header(name.table.family))
    message.append(Int(tableType), string: name.table.name)
    message.append(Int(nameType), string: name.name)
    return message.bytes
}

extension NftablesRule {
    /// A new rule must not name a handle.
    fileprivate var withoutHandle: NftablesRule {
        var rule = self
        rule.handle = 0
        return rule
    }
}

extension NftablesChange {
    /// What the kernel's errors point at.
    fileprivate var names: AttributeNames {
        switch self {
        case .addTable, .removeTable: Self.tableNames
        case .addChain, .removeChain, .flushChain: Self.chainNames
        case .addRule, .insertRule, .replaceRule, .removeRule: Self.ruleNames
        case .addSet, .removeSet: Self.setNames
        case .flushSet, .addElements, .removeElements: Self.elementNames
        case .addCounter, .removeCounter: Self.objectNames
        }
    }

    private static let tableNames = AttributeNames.table([
        Int(NFTA_TABLE_NAME.rawValue): .init("NFTA_TABLE_NAME"),
        Int(NFTA_TABLE_FLAGS.rawValue): .init("NFTA_TABLE_FLAGS"),
        Int(NFTA_TABLE_USERDATA.rawValue): .init("NFTA_TABLE_USERDATA"),
    ])
    private static let chainNames = AttributeNames.table([
        Int(NFTA_CHAIN_TABLE.rawValue): .init("NFTA_CHAIN_TABLE"),
        Int(NFTA_CHAIN_NAME.rawValue): .init("NFTA_CHAIN_NAME"),
        Int(NFTA_CHAIN_HOOK.rawValue): .init("NFTA_CHAIN_HOOK"),
        Int(NFTA_CHAIN_POLICY.rawValue): .init("NFTA_CHAIN_POLICY"),
        Int(NFTA_CHAIN_TYPE.rawValue): .init("NFTA_CHAIN_TYPE"),
    ])
    private static let ruleNames = AttributeNames.table([
        Int(NFTA_RULE_TABLE.rawValue): .init("NFTA_RULE_TABLE"),
        Int(NFTA_RULE_CHAIN.rawValue): .init("NFTA_RULE_CHAIN"),
        Int(NFTA_RULE_HANDLE.rawValue): .init("NFTA_RULE_HANDLE"),
        Int(NFTA_RULE_POSITION.rawValue): .init("NFTA_RULE_POSITION"),
        Int(NFTA_RULE_EXPRESSIONS.rawValue): .init(
            "NFTA_RULE_EXPRESSIONS",
            .list(
                .table([
                    Int(NFTA_EXPR_NAME.rawValue): .init("NFTA_EXPR_NAME"),
                    Int(NFTA_EXPR_DATA.rawValue): .init("NFTA_EXPR_DATA"),
                ])
            )
        ),
    ])
    private static let setNames = AttributeNames.table([
        Int(NFTA_SET_TABLE.rawValue): .init("NFTA_SET_TABLE"),
        Int(NFTA_SET_NAME.rawValue): .init("NFTA_SET_NAME"),
        Int(NFTA_SET_KEY_TYPE.rawValue): .init("NFTA_SET_KEY_TYPE"),
        Int(NFTA_SET_KEY_LEN.rawValue): .init("NFTA_SET_KEY_LEN"),
        Int(NFTA_SET_DATA_TYPE.rawValue): .init("NFTA_SET_DATA_TYPE"),
        Int(NFTA_SET_DESC.rawValue): .init("NFTA_SET_DESC"),
    ])
    private static let elementNames = AttributeNames.table([
        Int(NFTA_SET_ELEM_LIST_TABLE.rawValue): .init("NFTA_SET_ELEM_LIST_TABLE"),
        Int(NFTA_SET_ELEM_LIST_SET.rawValue): .init("NFTA_SET_ELEM_LIST_SET"),
        Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue): .init(
            "NFTA_SET_ELEM_LIST_ELEMENTS",
            .list(
                .table([
                    Int(NFTA_SET_ELEM_KEY.rawValue): .init("NFTA_SET_ELEM_KEY"),
                    Int(NFTA_SET_ELEM_KEY_END.rawValue): .init("NFTA_SET_ELEM_KEY_END"),
                    Int(NFTA_SET_ELEM_DATA.rawValue): .init("NFTA_SET_ELEM_DATA"),
                    Int(NFTA_SET_ELEM_OBJREF.rawValue): .init("NFTA_SET_ELEM_OBJREF"),
                ])
            )
        ),
    ])
    private static let objectNames = AttributeNames.table([
        Int(NFTA_OBJ_TABLE.rawValue): .init("NFTA_OBJ_TABLE"),
        Int(NFTA_OBJ_NAME.rawValue): .init("NFTA_OBJ_NAME"),
        Int(NFTA_OBJ_TYPE.rawValue): .init("NFTA_OBJ_TYPE"),
    ])
}
