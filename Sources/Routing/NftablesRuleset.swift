/// One table with everything in it, as the kernel held it at one moment.
public struct NftablesRuleset: Hashable, Sendable {
    /// Changes with every transaction of anybody.
    public var generation: UInt32
    public var table: NftablesTable
    /// In the kernel's order, as everything below.
    public var chains: [NftablesChain]
    public var rules: [NftablesRule]
    public var sets: [NftablesSet]
    /// By set.
    public var elements: [NftablesName: [NftablesElement]]
    public var counters: [NftablesCounter]

    public init(
        generation: UInt32,
        table: NftablesTable,
        chains: [NftablesChain] = [],
        rules: [NftablesRule] = [],
        sets: [NftablesSet] = [],
        elements: [NftablesName: [NftablesElement]] = [:],
        counters: [NftablesCounter] = []
    ) {
        self.generation = generation
        self.table = table
        self.chains = chains
        self.rules = rules
        self.sets = sets
        self.elements = elements
        self.counters = counters
    }

    public func rules(in chain: String) -> [NftablesRule] { rules.filter { $0.chain.name == chain } }
    public func set(_ name: String) -> NftablesSet? { sets.first { $0.name.name == name } }
    public func elements(of set: String) -> [NftablesElement] { elements[NftablesName(table.name, set)] ?? [] }

    /// The changes that make this table where there is none, in an order that the kernel takes.
    public var changes: [NftablesChange] {
        [.addTable(table)] + counters.map { .addCounter($0) } + chains.map { .addChain($0) }
            + sets.map { .addSet($0) }
            + sets.compactMap { set in
                elements[set.name].flatMap { $0.isEmpty ? nil : .addElements(set, $0) }
            }
            + rules.map { .addRule($0) }
    }
}

/// The commands of nft(8) that make it, one a line.
extension NftablesRuleset: CustomStringConvertible {
    public var description: String { changes.map { "\($0)\n" }.joined() }
}
