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

extension LinkSnapshot {
    /// Whether the link belongs to the instance with this alias.
    func isOwned(alias ours: String) -> Bool {
        guard kind == LinkMessage.wireGuardKind else { return false }
        return alias == ours || (alias == nil && group == unfinishedLinkGroup)
    }
}
