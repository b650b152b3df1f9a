import MeshModel

/// Record types of RFC 1035 and RFC 3596.
private enum RecordType {
    static let a: Int64 = 1
    static let cname: Int64 = 5
    static let aaaa: Int64 = 28
}

/// `NSType`: plain DNS over UDP, the only one there is.
private let udpNameServer: Int64 = 1

extension DNSConfiguration {
    /// Records and name servers that cannot be read are left out one by one.
    init(wire: Management_DNSConfig, skipped: inout [WireError]) {
        var zones: [DNSZone] = []
        for (index, zone) in wire.customZones.enumerated() {
            guard displayable(zone.domain) != nil else {
                skipped.append(WireError("NetworkMap.DNSConfig.CustomZones[\(index)].Domain", "no name"))
                continue
            }
            let path = "DNSConfig.CustomZones[\(index)].Records"
            let records = readable(zone.records, at: path, skipped: &skipped) { record throws(WireError) in
                try DNSRecord(wire: record)
            }
            zones.append(
                DNSZone(
                    domain: zone.domain,
                    records: records,
                    isSearchDomainDisabled: zone.searchDomainDisabled,
                    isNonAuthoritative: zone.nonAuthoritative
                )
            )
        }
        var groups: [NameServerGroup] = []
        for (index, group) in wire.nameServerGroups.enumerated() {
            let path = "DNSConfig.NameServerGroups[\(index)].NameServers"
            let servers = readable(group.nameServers, at: path, skipped: &skipped) { server throws(WireError) in
                try Endpoint(nameServer: server)
            }
            groups.append(
                NameServerGroup(
                    servers: servers,
                    isPrimary: group.primary,
                    domains: group.domains.filter { displayable($0) != nil },
                    areSearchDomains: group.searchDomainsEnabled
                )
            )
        }
        let forwarderPort = UInt16(exactly: wire.forwarderPort) ?? 0
        self.init(
            isEnabled: wire.serviceEnable,
            zones: zones,
            nameServerGroups: groups,
            forwarderPort: forwarderPort == 0 ? Self.legacyForwarderPort : forwarderPort
        )
    }
}

extension DNSRecord {
    fileprivate init(wire: Management_SimpleRecord) throws(WireError) {
        guard displayable(wire.name) != nil else { throw WireError("Name", "\(quoted(wire.name)) is no name") }
        guard wire.class == "IN" else { throw WireError("Class", "\(quoted(wire.class)), expected IN") }
        guard let ttlSeconds = UInt32(exactly: wire.ttl) else { throw WireError("TTL", "\(wire.ttl) is no TTL") }
        let data: Data
        switch wire.type {
        case RecordType.a, RecordType.aaaa:
            guard let address = IPAddress(wire.rdata), address.isV4 == (wire.type == RecordType.a) else {
                throw WireError("RData", "\(quoted(wire.rdata)) is no address for type \(wire.type)")
            }
            data = .address(address)
        case RecordType.cname:
            guard displayable(wire.rdata) != nil else { throw WireError("RData", "\(quoted(wire.rdata)) is no name") }
            data = .alias(wire.rdata)
        default: throw WireError("Type", "record type \(wire.type) is not used here")
        }
        self.init(name: wire.name, data: data, ttlSeconds: ttlSeconds)
    }
}

extension Endpoint {
    fileprivate init(nameServer wire: Management_NameServer) throws(WireError) {
        guard let address = IPAddress(wire.ip) else { throw WireError("IP", "\(quoted(wire.ip)) is no address") }
        guard wire.nstype == udpNameServer else { throw WireError("NSType", "\(wire.nstype), expected 1 (UDP)") }
        guard let port = UInt16(exactly: wire.port), port != 0 else {
            throw WireError("Port", "\(wire.port) is no port")
        }
        self.init(address: address, port: port)
    }
}

extension Management_DNSConfig {
    init(_ dns: DNSConfiguration) {
        self.init()
        serviceEnable = dns.isEnabled
        forwarderPort = Int64(dns.forwarderPort)
        customZones = dns.zones.map { zone in
            var wire = Management_CustomZone()
            wire.domain = zone.domain
            wire.records = zone.records.map { Management_SimpleRecord($0) }
            wire.searchDomainDisabled = zone.isSearchDomainDisabled
            wire.nonAuthoritative = zone.isNonAuthoritative
            return wire
        }
        nameServerGroups = dns.nameServerGroups.map { group in
            var wire = Management_NameServerGroup()
            wire.nameServers = group.servers.map { Management_NameServer($0) }
            wire.primary = group.isPrimary
            wire.domains = group.domains
            wire.searchDomainsEnabled = group.areSearchDomains
            return wire
        }
    }
}

extension Management_SimpleRecord {
    fileprivate init(_ record: DNSRecord) {
        self.init()
        name = record.name
        self.class = "IN"
        ttl = Int64(record.ttlSeconds)
        switch record.data {
        case .address(let address):
            type = address.isV4 ? RecordType.a : RecordType.aaaa
            rdata = address.description
        case .alias(let target):
            type = RecordType.cname
            rdata = target
        }
    }
}

extension Management_NameServer {
    fileprivate init(_ endpoint: Endpoint) {
        self.init()
        ip = endpoint.address.description
        nstype = udpNameServer
        port = Int64(endpoint.port)
    }
}
