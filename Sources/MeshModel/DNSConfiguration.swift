/// What the control plane says about names: which zones the agent answers itself and whom it asks for the rest.
public struct DNSConfiguration: Hashable, Sendable {
    /// `false`: the agent leaves the host's resolver alone; the rest is then empty.
    public var isEnabled: Bool
    public var zones: [DNSZone]
    public var nameServerGroups: [NameServerGroup]
    /// UDP port of the routing peers' DNS forwarders.
    public var forwarderPort: UInt16

    public init(
        isEnabled: Bool,
        zones: [DNSZone] = [],
        nameServerGroups: [NameServerGroup] = [],
        forwarderPort: UInt16
    ) {
        self.isEnabled = isEnabled
        self.zones = zones
        self.nameServerGroups = nameServerGroups
        self.forwarderPort = forwarderPort
    }

    /// Forwarder port when every agent of the mesh knows it (0.59.0 or newer). Source: spec/wire/management.md A10.7.
    public static let currentForwarderPort: UInt16 = 22054
    /// Forwarder port while an older agent is around, and the meaning of 0 on the wire.
    public static let legacyForwarderPort: UInt16 = 5353
}

/// A zone whose records come with the network map.
public struct DNSZone: Hashable, Sendable {
    /// With trailing dot.
    public var domain: String
    public var records: [DNSRecord]
    /// Not to be added to the host's search list.
    public var isSearchDomainDisabled: Bool
    /// Names that are not among `records` are asked elsewhere instead of being denied.
    public var isNonAuthoritative: Bool

    public init(
        domain: String,
        records: [DNSRecord],
        isSearchDomainDisabled: Bool = false,
        isNonAuthoritative: Bool = false
    ) {
        self.domain = domain
        self.records = records
        self.isSearchDomainDisabled = isSearchDomainDisabled
        self.isNonAuthoritative = isNonAuthoritative
    }
}

/// One record of class IN.
public struct DNSRecord: Hashable, Sendable {
    public enum Data: Hashable, Sendable {
        /// A or AAAA, by the address's family.
        case address(IPAddress)
        /// CNAME; target with trailing dot.
        case alias(String)
    }

    /// As sent: records of the peers' zone come without a trailing dot, those of user zones with one.
    public var name: String
    public var data: Data
    public var ttlSeconds: UInt32

    public init(name: String, data: Data, ttlSeconds: UInt32) {
        self.name = name
        self.data = data
        self.ttlSeconds = ttlSeconds
    }
}

/// Resolvers for some domains, or for everything.
public struct NameServerGroup: Hashable, Sendable {
    /// UDP.
    public var servers: [Endpoint]
    /// Asked for every name that no other group matches.
    public var isPrimary: Bool
    /// Match domains; empty for a primary group.
    public var domains: [String]
    /// The match domains also go to the host's search list.
    public var areSearchDomains: Bool

    public init(servers: [Endpoint], isPrimary: Bool, domains: [String], areSearchDomains: Bool) {
        self.servers = servers
        self.isPrimary = isPrimary
        self.domains = domains
        self.areSearchDomains = areSearchDomains
    }
}
