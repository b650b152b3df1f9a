public import MeshModel

/// Prefixes that left one gateway for another; for the log.
public struct CarrierMove: Hashable, Sendable {
    /// Sorted.
    public var prefixes: [IPPrefix]
    /// `nil`: nobody carried them.
    public var from: PublicKey?
    /// `nil`: nobody can.
    public var to: PublicKey?

    private struct Pair: Hashable {
        var from: PublicKey?
        var to: PublicKey?
    }

    /// Prefixes that both choices hold, grouped by who loses and who gets them.
    static func between(_ old: RouteChoice, _ new: RouteChoice) -> [CarrierMove] {
        var prefixes: [Pair: [IPPrefix]] = [:]
        for (prefix, to) in new.carriers {
            guard let from = old.carriers[prefix], from != to else { continue }
            prefixes[Pair(from: from, to: to), default: []].append(prefix)
        }
        return prefixes.map { CarrierMove(prefixes: $0.value.sorted(), from: $0.key.from, to: $0.key.to) }
            .sorted { ($0.prefixes.first?.description ?? "") < ($1.prefixes.first?.description ?? "") }
    }
}
