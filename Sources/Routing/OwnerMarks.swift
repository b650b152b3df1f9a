import MeshModel

/// `rtm_protocol` of our routes: 77.
///
/// Our own choice: not in the kernel's list (linux/rtnetlink.h) nor in iproute2's rt_protos, and below 80 (`RTPROT_` values
/// from there on are taken by routing daemons in groups). The kernel only stores it.
public let ownRouteProtocol: UInt8 = 77

/// `IFLA_GROUP` of a link between its creation and its alias: 77, as above.
///
/// The kernel takes a group, but no alias, when it makes a link. So a link of an agent that was killed between the two
/// is still known as ours.
let unfinishedLinkGroup: UInt32 = 77

/// The link alias that marks a link as belonging to an instance of this program.
///
/// - Parameter instance: `nil`: the default instance.
public func linkAlias(instance: String?) -> String { instance.map { "wgmesh:\($0)" } ?? "wgmesh" }

/// Everything that tells objects of one instance of this program from all others in the kernel.
public struct OwnerMarks: Hashable, Sendable {
    /// Of the link.
    public var alias: String
    /// `rtm_protocol` of routes and `FRA_PROTOCOL` of rules; the same for every instance.
    public var routeProtocol: UInt8
    /// The routing table that holds the map's routes.
    public var table: UInt32
    /// Of the first of our rules; see `PolicyRouting`.
    public var rulePriority: UInt32
    /// Of WireGuard's own packets and the agent's sockets.
    public var fwmark: UInt32
    /// The only nftables table we touch; its comment repeats the alias.
    public var nftablesTable: NftablesTableName

    /// The defaults, which differ from instance to instance, from NetBird's (7120, 105, 0x1bd00) and from Tailscale's
    /// (52, 5210, 0x80000).
    ///
    /// - Parameter instance: `nil`: the default instance.
    public init(instance: String?) {
        let number = instance.map(instanceNumber) ?? 0
        alias = linkAlias(instance: instance)
        routeProtocol = ownRouteProtocol
        table = Self.defaultTable + number
        rulePriority = Self.defaultRulePriority + number * PolicyRouting.rulesPerFamily
        fwmark = Self.defaultFwmark + number
        let suffix = instance.map { "_" + $0.replacing("-", with: "_") } ?? ""
        nftablesTable = NftablesTableName(.inet, "wgmesh" + suffix)
    }

    /// Whether a rule is of this instance: our mark, and our place, table or packets.
    public func own(_ rule: RoutingRule) -> Bool {
        guard rule.ruleProtocol == routeProtocol else { return false }
        if rule.action == .lookUp(table: table) || rule.fwmark == fwmark { return true }
        return (rulePriority..<rulePriority + PolicyRouting.rulesPerFamily).contains(rule.priority)
    }

    /// Whether a table of our name is of this instance: the comment says so.
    public func own(_ table: NftablesTable) -> Bool { table.comment == nftablesComment }

    var nftablesComment: String { "\(alias): made by wgmesh-agent, which repairs it" }

    /// Spells "wgm" on a telephone keypad (946) after a digit of our own, as the mark and the priority do.
    static let defaultTable: UInt32 = 7946
    static let defaultRulePriority: UInt32 = 7946
    static let defaultFwmark: UInt32 = 0x7946
}

/// 1 to 499, the same on every host: FNV-1a of the name. Two instances of one host that fall together are told so by the
/// agent's preflight, and are given numbers by hand.
private func instanceNumber(_ name: String) -> UInt32 {
    let hash = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    return 1 + hash % 499
}

extension HostSnapshot {
    /// Takes the link `linkName` for ours, whatever its alias says: the caller knows that this very link was ours a moment
    /// ago, so that another program has changed the alias since, and not made another link. A plan then mends the alias.
    public mutating func claimLink() {
        for position in links.indices where links[position].name == linkName {
            links[position].alias = nil
            links[position].group = unfinishedLinkGroup
        }
    }
}

extension LinkSnapshot {
    /// Whether the link belongs to the instance with this alias.
    func isOwned(alias ours: String) -> Bool {
        guard kind == LinkMessage.wireGuardKind else { return false }
        return alias == ours || (alias == nil && group == unfinishedLinkGroup)
    }
}
