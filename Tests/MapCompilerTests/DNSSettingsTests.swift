import MapCompiler
import MeshModel
import TestSupport
import Testing

/// Peers 1 and 2, of which 1 is in the group `A`.
struct DNSSettingsTests {
    private static let server = NameServerGroup(
        servers: [Endpoint("100.64.0.2:53")!],
        isPrimary: true,
        domains: [],
        areSearchDomains: false
    )
    private static let records = [
        DNSRecord(name: "a.zone.example", data: .address(IPAddress("192.0.2.1")!), ttlSeconds: 60),
        DNSRecord(name: "c.zone.example", data: .alias("a.zone.example"), ttlSeconds: 60),
    ]

    private func directory(_ change: (inout DNSSettings) -> Void) -> Directory {
        var directory = Directory.sample(peers: 2, groups: ["A": [1]], policies: [:])
        change(&directory.dns)
        return directory
    }

    private func dns(_ directory: Directory, _ number: Int) throws -> DNSConfiguration {
        try #require(compile(directory, for: .number(number))?.dns)
    }

    private func zone(_ group: String, isEnabled: Bool = true, records: [DNSRecord] = records) -> DistributedZone {
        DistributedZone(
            isEnabled: isEnabled,
            domain: "zone.example",
            isSearchDomain: false,
            records: records,
            distributionGroups: [.named(group)]
        )
    }

    @Test func `a zone goes to its groups, with absolute names, beside the peers' own`() throws {
        let directory = directory { $0.zones["z"] = zone("A") }
        let zones = try dns(directory, 1).zones
        #expect(zones.map(\.domain) == ["mesh.example.", "zone.example."])
        let received = try #require(zones.last)
        #expect(received.isSearchDomainDisabled && received.isNonAuthoritative)
        #expect(received.records.map(\.name) == ["a.zone.example.", "c.zone.example."])
        #expect(received.records.last?.data == .alias("a.zone.example."))
        #expect(try dns(directory, 2).zones.count == 1)
    }

    @Test func `a zone that is switched off or empty is nobody's`() throws {
        let directory = directory {
            $0.zones = ["off": zone("All", isEnabled: false), "empty": zone("All", records: [])]
        }
        #expect(try dns(directory, 1).zones.count == 1)
    }

    @Test func `resolvers go to their groups, but not to themselves`() throws {
        let directory = directory {
            $0.nameServers["on"] = DistributedNameServers(
                group: Self.server,
                distributionGroups: [.named("All")]
            )
            $0.nameServers["off"] = DistributedNameServers(
                isEnabled: false,
                group: Self.server,
                distributionGroups: [.named("All")]
            )
        }
        #expect(try dns(directory, 1).nameServerGroups == [Self.server])
        #expect(try dns(directory, 2).nameServerGroups.isEmpty)
    }

    @Test func `who is in an unmanaged group hears nothing of names`() throws {
        let directory = directory {
            $0.unmanagedGroups = [.named("A")]
            $0.zones["z"] = zone("All")
        }
        let silent = try dns(directory, 1)
        #expect(!silent.isEnabled && silent.zones.isEmpty && silent.forwarderPort == 22054)
        #expect(try dns(directory, 2).isEnabled)
    }

    @Test func `a change touches those who get it`() {
        let before = directory { $0.zones["z"] = zone("A") }
        func affected(_ change: (inout Directory) -> Void) -> Set<PeerID> {
            var after = before
            change(&after)
            return affectedPeers(from: before, to: after)
        }
        #expect(affected { $0.dns.zones["z"]?.isSearchDomain = true } == [.number(1)])
        #expect(affected { $0.dns.zones["z"]?.distributionGroups = [.named("All")] } == [.number(2)])
        #expect(affected { $0.groups[.named("A")]?.members = [.number(2)] } == [.number(1), .number(2)])
        #expect(affected { $0.dns.unmanagedGroups = [.named("A")] } == [.number(1)])
    }
}
