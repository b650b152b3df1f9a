public import MeshModel

/// Which addresses a 1:1 translator shows the world in place of ours: what the user knows and no STUN server needs to tell.
///
/// Peers are told the outside address in place of the host candidate's own; checks leave from that one as ever. Source:
/// spec/wire/ice.md 3, spec/agent/cli-and-status.md 1.
public struct ExternalAddressMap: Hashable, Sendable {
    /// What an outside address stands for.
    public enum Inside: Hashable, Sendable {
        /// Every address of its family that no other entry speaks of.
        case others
        case address(IPAddress)
        /// The addresses of its family on a link.
        case link(String)
    }

    public struct Entry: Hashable, Sendable {
        public var outside: IPAddress
        public var inside: Inside
    }

    public var entries: [Entry] = []

    /// More than any host has uplinks.
    static let mostEntries = 64

    public init() {}

    /// Reads `OUTSIDE[/INSIDE]`, separated by commas, INSIDE an address or the name of a link; nothing: no map.
    ///
    /// - Returns: `nil` for anything else, for addresses of two families in one entry, and for two entries of one family that
    ///   speak of the same.
    public init?(_ text: String) {
        let words = text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false)
        guard words.count <= Self.mostEntries else { return nil }
        for word in words {
            guard let entry = Self.entry(word) else { return nil }
            let isTaken = entries.contains {
                $0.inside == entry.inside && $0.outside.isV4 == entry.outside.isV4
            }
            if isTaken { return nil }
            entries.append(entry)
        }
    }

    private static func entry(_ word: Substring) -> Entry? {
        let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
        guard let outside = IPAddress(parts[0]), isUsable(outside) else { return nil }
        guard parts.count == 2 else { return Entry(outside: outside, inside: .others) }
        if let address = IPAddress(parts[1]) {
            return address.isV4 == outside.isV4 ? Entry(outside: outside, inside: .address(address)) : nil
        }
        return isLinkName(parts[1]) ? Entry(outside: outside, inside: .link(parts[1])) : nil
    }

    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isLoopback && !address.isLinkLocal && !address.isMulticast && !address.isUnspecified
    }

    /// - Parameter addresses: ours, each with the name of its link.
    /// - Returns: the outside address of each that has one. An entry for the address itself goes before one for its link,
    ///   and that before one for the others.
    public func outsides(of addresses: some Collection<(address: IPAddress, link: String)>) -> [IPAddress: IPAddress] {
        var outsides: [IPAddress: IPAddress] = [:]
        for (address, link) in addresses {
            let order: [Inside] = [.address(address), .link(link), .others]
            let entry = order.lazy.compactMap { inside in
                entries.first { $0.inside == inside && $0.outside.isV4 == address.isV4 }
            }.first
            outsides[address] = entry?.outside
        }
        return outsides
    }
}

/// Whether the kernel could have a link of that name: 1 to 15 bytes without white space, slash or colon (`dev_valid_name`).
public func isLinkName(_ text: String) -> Bool {
    let isAllowed = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3a }
    return isAllowed && (1...15).contains(text.utf8.count) && text != "." && text != ".."
}

extension AgentCore {
    /// What STUN servers see of us and the map does not say already.
    var reflexiveCandidates: [Endpoint] {
        if outsides.isEmpty { return reflexive.reflexive }
        let known = Set(outsides.values.map { Endpoint(address: $0, port: listenPort) })
        return reflexive.reflexive.filter { !known.contains($0) }
    }

    /// The map, for the addresses we have: peers are told of what changed.
    mutating func setOutsides(_ outsides: [IPAddress: IPAddress]) -> [Effect] {
        let changed = Set(outsides.keys).union(self.outsides.keys).filter { outsides[$0] != self.outsides[$0] }
        self.outsides = outsides
        if changed.isEmpty { return [] }
        return sessions.keys.sorted().flatMap { peer in
            drive(peer) { session, context, _ in session.tellAgain(changed, context) }
        }
    }
}
