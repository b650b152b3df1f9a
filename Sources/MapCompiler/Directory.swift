package import MeshModel

/// One consistent snapshot of an account: everything a network map is made of.
///
/// A value: two directories with equal content give equal maps, however they were filled.
package struct Directory: Hashable, Sendable {
    /// Grows with every change of the account.
    package var serial: UInt64
    package var network: OverlayNetwork
    /// Domain of the peers' names, without dots at its ends, such as `mesh.example`.
    package var domain: String
    package var settings: AccountSettings
    package var peers: [PeerID: Peer]
    package var groups: [GroupID: Group]
    package var policies: [PolicyID: Policy]
    package var routes: [RouteID: Route]
    package var networks: [NetworkID: Network]
    package var dns: DNSSettings

    package init(
        serial: UInt64,
        network: OverlayNetwork,
        domain: String,
        settings: AccountSettings = AccountSettings(),
        peers: [PeerID: Peer] = [:],
        groups: [GroupID: Group] = [:],
        policies: [PolicyID: Policy] = [:],
        routes: [RouteID: Route] = [:],
        networks: [NetworkID: Network] = [:],
        dns: DNSSettings = DNSSettings()
    ) {
        self.serial = serial
        self.network = network
        self.domain = domain
        self.settings = settings
        self.peers = peers
        self.groups = groups
        self.policies = policies
        self.routes = routes
        self.networks = networks
        self.dns = dns
    }
}

/// The account's overlay networks.
package struct OverlayNetwork: Hashable, Sendable {
    /// A /16 of 100.64.0.0/10 unless configured.
    package var v4: IPPrefix
    /// A /64 of fd00::/8.
    package var v6: IPPrefix

    package init(v4: IPPrefix, v6: IPPrefix) {
        self.v4 = v4
        self.v6 = v6
    }
}

/// Switches of the account that reach its agents.
package struct AccountSettings: Hashable, Sendable {
    package var isLazyConnectionEnabled: Bool
    package var isRoutingPeerResolutionEnabled: Bool

    package init(isLazyConnectionEnabled: Bool = false, isRoutingPeerResolutionEnabled: Bool = true) {
        self.isLazyConnectionEnabled = isLazyConnectionEnabled
        self.isRoutingPeerResolutionEnabled = isRoutingPeerResolutionEnabled
    }
}

/// The store's identifier of a peer.
package struct PeerID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// The store's identifier of a group.
package struct GroupID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// The store's identifier of a policy.
package struct PolicyID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { rawValue }
}

/// A registered peer. Whether it is connected does not matter to anybody's map, so that is not here.
package struct Peer: Hashable, Sendable {
    package var publicKey: PublicKey
    /// Overlay address within `OverlayNetwork.v4`.
    package var address: IPAddress
    /// Overlay address within `OverlayNetwork.v6`; `nil`: it was given none.
    package var addressV6: IPAddress?
    /// First label of its name; unique in the account.
    package var label: String
    /// Further names of the peer; several peers may share one.
    package var extraLabels: [String]
    /// What its agent said last.
    package var meta: PeerMeta
    /// SSH host key as a line of `authorized_keys`; empty if unknown.
    package var sshPublicKey: String
    /// The administrator wants an SSH server on it.
    package var isSSHEnabled: Bool
    /// `false`: waiting for approval. It sees nobody and nobody sees it.
    package var isValidated: Bool
    /// Its user must log in again. Others know of it, with rules and a name, but are not to connect with it.
    package var isLoginExpired: Bool

    package init(
        publicKey: PublicKey,
        address: IPAddress,
        addressV6: IPAddress?,
        label: String,
        extraLabels: [String] = [],
        meta: PeerMeta,
        sshPublicKey: String = "",
        isSSHEnabled: Bool = false,
        isValidated: Bool = true,
        isLoginExpired: Bool = false
    ) {
        self.publicKey = publicKey
        self.address = address
        self.addressV6 = addressV6
        self.label = label
        self.extraLabels = extraLabels
        self.meta = meta
        self.sshPublicKey = sshPublicKey
        self.isSSHEnabled = isSSHEnabled
        self.isValidated = isValidated
        self.isLoginExpired = isLoginExpired
    }

    /// Whether it uses overlay IPv6: it has an address and its agent takes it.
    package var usesIPv6: Bool { addressV6 != nil && meta.supportsIPv6 }
}

/// A named set of peers, and of resources that policies lead to by it.
package struct Group: Hashable, Sendable {
    /// The one group that holds every peer.
    package var isAll: Bool
    package var members: Set<PeerID>
    package var resources: Set<ResourceID>

    package init(isAll: Bool = false, members: Set<PeerID>, resources: Set<ResourceID> = []) {
        self.isAll = isAll
        self.members = members
        self.resources = resources
    }
}

/// Access rules that are switched together.
package struct Policy: Hashable, Sendable {
    package var isEnabled: Bool
    package var rules: [PolicyRule]

    package init(isEnabled: Bool = true, rules: [PolicyRule]) {
        self.isEnabled = isEnabled
        self.rules = rules
    }
}

/// Who may (or may not) open connections to whom.
package struct PolicyRule: Hashable, Sendable {
    /// Travels to the agents as `FirewallRule.policyID`.
    package var id: String
    package var isEnabled: Bool
    package var sources: PeerSelection
    package var destinations: PeerSelection
    /// Destinations may open connections to sources as well.
    package var isBidirectional: Bool
    package var action: FirewallRule.Action
    package var transport: FirewallRule.Transport
    /// Destination ports of TCP and UDP; empty: see `portRanges`.
    package var ports: [UInt16]
    /// Counts only while `ports` is empty; both empty: any port.
    package var portRanges: [ClosedRange<UInt16>]

    package init(
        id: String,
        isEnabled: Bool = true,
        sources: PeerSelection,
        destinations: PeerSelection,
        isBidirectional: Bool = true,
        action: FirewallRule.Action = .accept,
        transport: FirewallRule.Transport = .all,
        ports: [UInt16] = [],
        portRanges: [ClosedRange<UInt16>] = []
    ) {
        self.id = id
        self.isEnabled = isEnabled
        self.sources = sources
        self.destinations = destinations
        self.isBidirectional = isBidirectional
        self.action = action
        self.transport = transport
        self.ports = ports
        self.portRanges = portRanges
    }
}

/// One side of a rule.
package enum PeerSelection: Hashable, Sendable {
    case peer(PeerID)
    case groups(Set<GroupID>)
    /// As a destination only.
    case resource(ResourceID)
}
