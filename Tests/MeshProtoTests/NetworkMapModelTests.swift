import FoundationEssentials
import MeshModel
import MeshProto
import SwiftProtobuf
import Testing

private let keyA = PublicKey(bytes: [UInt8](repeating: 1, count: 32))!
private let keyB = PublicKey(bytes: [UInt8](repeating: 2, count: 32))!
private func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }

/// A map that uses every field of the model.
private let fullMap = NetworkMap(
    serial: 42,
    own: SelfConfiguration(
        address: prefix("100.92.10.5/16"),
        addressV6: prefix("fd00:1:2:3::5/64"),
        fqdn: "a.mesh.example",
        mtuBytes: 1280,
        isLazyConnectionEnabled: true,
        isRoutingPeerResolutionEnabled: true
    ),
    peers: [
        RemotePeer(
            publicKey: keyA,
            allowedIPs: [prefix("100.92.1.1/32"), prefix("fd00:1:2:3::1/128")],
            fqdn: "b.mesh.example",
            agentVersion: "0.60.1",
            sshPublicKey: "ssh-ed25519 AAAA"
        )
    ],
    offlinePeers: [RemotePeer(publicKey: keyB, allowedIPs: [prefix("100.92.1.2/32")], fqdn: "c.mesh.example")],
    routes: [
        NetworkRoute(
            id: "r1",
            networkID: "office",
            prefix: prefix("10.0.0.0/8"),
            routingPeer: keyA,
            metric: 100,
            masquerade: true
        ),
        NetworkRoute(
            id: "r2",
            networkID: "site",
            prefix: nil,
            domains: ["site.example"],
            routingPeer: keyA,
            metric: 9999,
            masquerade: false,
            keepRoute: true,
            skipAutoApply: true
        ),
    ],
    firewallRules: [
        FirewallRule(peer: prefix("100.92.1.1/32"), direction: .inbound, policyID: "p1"),
        FirewallRule(
            peer: prefix("fd00:1:2:3::1/128"),
            direction: .outbound,
            action: .drop,
            transport: .tcp,
            ports: .one(22),
            policyID: "p2"
        ),
        FirewallRule(peer: prefix("100.92.1.1/32"), direction: .inbound, transport: .udp, policyID: "p3"),
        FirewallRule(
            peer: prefix("0.0.0.0/0"),
            direction: .inbound,
            transport: .tcp,
            ports: .range(8000...8010),
            policyID: "p4"
        ),
        FirewallRule(peer: prefix("100.92.1.1/32"), direction: .inbound, transport: .number(47), policyID: "p5"),
        FirewallRule(peer: prefix("100.92.1.1/32"), direction: .inbound, transport: .icmp, policyID: "p6"),
    ],
    routeFirewallRules: [
        RouteFirewallRule(sources: [prefix("0.0.0.0/0")], destination: prefix("10.0.0.0/8"), routeID: "r1"),
        RouteFirewallRule(
            sources: [prefix("100.92.1.1/32"), prefix("100.92.1.2/32")],
            action: .drop,
            destination: prefix("10.0.0.0/8"),
            transport: .tcp,
            ports: .one(22),
            policyID: "p1",
            routeID: "r1"
        ),
        RouteFirewallRule(
            sources: [],
            destination: nil,
            domains: ["site.example"],
            transport: .udp,
            ports: .range(1...65535),
            policyID: "p2",
            routeID: "r2"
        ),
    ],
    dns: DNSConfiguration(
        isEnabled: true,
        zones: [
            DNSZone(
                domain: "mesh.example.",
                records: [
                    DNSRecord(name: "b.mesh.example", data: .address(IPAddress("100.92.1.1")!), ttlSeconds: 300),
                    DNSRecord(name: "b.mesh.example", data: .address(IPAddress("fd00::1")!), ttlSeconds: 300),
                    DNSRecord(name: "w.mesh.example.", data: .alias("b.mesh.example."), ttlSeconds: 60),
                ],
                isSearchDomainDisabled: true,
                isNonAuthoritative: true
            )
        ],
        nameServerGroups: [
            NameServerGroup(
                servers: [Endpoint("9.9.9.9:53")!],
                isPrimary: false,
                domains: ["corp"],
                areSearchDomains: true
            )
        ],
        forwarderPort: 22054
    )
)

private let services = ServiceConfiguration(
    signal: SignalServer(address: HostPort("mesh.example:443")!, usesTLS: true),
    stunServers: [HostPort("mesh.example:3478")!, HostPort("[2001:db8::1]:3479")!],
    relay: RelayAccess(urls: ["rels://mesh.example:443"], tokenPayload: "1893456000", tokenSignature: "c2ln")
)

private func receiver(_ version: String = "0.60.1", _ capabilities: Set<PeerCapability> = [.sourcePrefixes])
    -> PeerMeta
{
    PeerMeta(hostname: "h", agentVersion: version, capabilities: capabilities)
}

private func wireMap(_ map: NetworkMap = fullMap) -> Management_SyncResponse {
    Management_SyncResponse(map: map, services: services, receiver: receiver())
}

struct NetworkMapModelTests {
    @Test(arguments: [[PeerCapability.sourcePrefixes], []]) func `a whole map survives`(capabilities: [PeerCapability])
        throws
    {
        let receiver = receiver("0.60.1", Set(capabilities))
        let wire = Management_SyncResponse(map: fullMap, services: services, receiver: receiver)
        let update = try SyncUpdate(wire: Management_SyncResponse(serializedBytes: wire.serializedBytes() as [UInt8]))
        #expect(update.skipped == [])
        #expect(update.map == fullMap)
        #expect(update.services == services)
        #expect(wire.networkMap.firewallRules.allSatisfy { $0.sourcePrefixes.isEmpty == capabilities.isEmpty })
        #expect(wire.networkMap.firewallRules.allSatisfy { !$0.peerIp.isEmpty })
    }

    @Test func `an update without a map leaves map and services alone`() throws {
        let update = try SyncUpdate(wire: Management_SyncResponse())
        #expect(update.map == nil)
        #expect(update.services == nil)
    }

    @Test func `empty lists are flagged, since receivers take them for an old server's otherwise`() throws {
        let own = fullMap.own
        let wire = wireMap(NetworkMap(serial: 1, own: own, peers: []))
        #expect(wire.remotePeersIsEmpty)
        #expect(wire.networkMap.remotePeersIsEmpty)
        #expect(wire.networkMap.firewallRulesIsEmpty)
        #expect(wire.networkMap.routesFirewallRulesIsEmpty)
        #expect(try SyncUpdate(wire: wire).skipped == [])
        #expect(!wireMap().networkMap.remotePeersIsEmpty)
        #expect(!wireMap().networkMap.firewallRulesIsEmpty)
    }

    @Test func `no rules without the flag open nothing and are reported`() throws {
        var wire = wireMap()
        wire.networkMap.firewallRules = []
        let update = try SyncUpdate(wire: wire)
        #expect(update.map?.firewallRules == [])
        #expect(update.skipped.map(\.path) == ["NetworkMap.firewallRulesIsEmpty"])
    }

    @Test func `what stock clients need is present even where it is off`() {
        let wire = wireMap()
        for config in [wire.peerConfig, wire.networkMap.peerConfig] {
            #expect(config.hasSshConfig)
            #expect(config.autoUpdate.version == "disabled")
        }
        #expect(wire.hasSessionExpiresAt && wire.sessionExpiresAt == .init())
        #expect(wire.networkMap.sshAuth.userIdclaim == "sub")
        #expect(wire.netbirdConfig.hasMetrics)
    }

    @Test func `a rule for any port of TCP or UDP carries the range 0 to 0, others no range`() {
        let rules = wireMap().networkMap.firewallRules
        #expect(rules.map(\.hasPortInfo) == [false, false, true, true, false, false])
        #expect(rules[1].port == "22")
        #expect(rules[2].portInfo.portSelection == .range(.init()))
        #expect(rules[4].customProtocol == 47)
    }

    @Test func `agents before 0.29.3 find the peers at the top as well`() {
        for (version, isLegacy) in [("0.29.2", true), ("", true), ("0.29.3", false), ("development", false)] {
            let wire = Management_SyncResponse(map: fullMap, services: nil, receiver: receiver(version))
            #expect(!wire.remotePeers.isEmpty == isLegacy, "\(version)")
            #expect(!wire.hasNetbirdConfig)
        }
    }

    @Test func `the deletion notice has no address in it`() throws {
        let update = try SyncUpdate(wire: .deletionNotice(serial: 9))
        let map = try #require(update.map)
        #expect(map.serial == 9 && map.own == nil && map.peers.isEmpty)
        #expect(update.skipped == [])
    }

    @Test func `the own address of the older place counts if the newer is absent`() throws {
        var wire = wireMap()
        wire.networkMap.clearPeerConfig()
        #expect(try SyncUpdate(wire: wire).map?.own == fullMap.own)
    }

    @Test(arguments: ["", "100.92.10.5/33", "fd00::1/64", "100.92.10/16"])
    func `an own address that is none refuses the message`(address: String) {
        var wire = wireMap()
        wire.networkMap.peerConfig.address = address
        #expect(throws: WireError.self) { try SyncUpdate(wire: wire) }
    }

    @Test func `an own IPv6 address of odd length refuses the message`() {
        var wire = wireMap()
        wire.networkMap.peerConfig.addressV6 = Data(repeating: 1, count: 16)
        #expect(throws: WireError("peerConfig.address_v6", "16 bytes that are no IPv6 prefix")) {
            try SyncUpdate(wire: wire)
        }
    }

    @Test func `a map in the form we never ask for is refused`() {
        var wire = wireMap()
        wire.version = 1
        #expect(throws: WireError.self) { try SyncUpdate(wire: wire) }
    }

    @Test func `bad entries cost themselves alone`() throws {
        var wire = wireMap()
        let goodPeer = wire.networkMap.remotePeers[0]
        wire.networkMap.remotePeers = [goodPeer, goodPeer, goodPeer, goodPeer]
        wire.networkMap.remotePeers[0].wgPubKey = "short"
        wire.networkMap.remotePeers[1].allowedIps[0] = "10.0.0.0/33"
        wire.networkMap.remotePeers[2].fqdn = "a\u{1b}[2J"
        wire.networkMap.routes[0].network = "nonsense"
        wire.networkMap.firewallRules[0].protocol = .unknown
        wire.networkMap.firewallRules[1].port = "70000"
        wire.networkMap.dnsconfig.customZones[0].records[0].rdata = "fd00::1"
        let update = try SyncUpdate(wire: wire)
        #expect(
            update.skipped.map(\.description) == [
                "NetworkMap.remotePeers[0].wgPubKey: \"short\" is no key",
                "NetworkMap.remotePeers[1].allowedIps[0]: \"10.0.0.0/33\" is no prefix",
                "NetworkMap.remotePeers[2].fqdn: \"a?[2J\" is no name",
                "NetworkMap.Routes[0].Network: \"nonsense\" is no prefix",
                "NetworkMap.FirewallRules[0].Protocol: unknown protocol 0",
                "NetworkMap.FirewallRules[1].Port: \"70000\" is no port",
                "NetworkMap.DNSConfig.CustomZones[0].Records[0].RData: \"fd00::1\" is no address for type 1",
            ]
        )
        let map = try #require(update.map)
        #expect(map.peers == fullMap.peers)
        #expect(map.routes == [fullMap.routes[1]])
        #expect(map.firewallRules == Array(fullMap.firewallRules.dropFirst(2)))
    }

    @Test func `a key listed twice counts once`() throws {
        var wire = wireMap()
        wire.networkMap.remotePeers.append(wire.networkMap.remotePeers[0])
        let update = try SyncUpdate(wire: wire)
        #expect(update.map?.peers == fullMap.peers)
        #expect(update.skipped == [WireError("NetworkMap.remotePeers[1].wgPubKey", "\(keyA) is listed twice")])
    }

    @Test func `a rule reads its peer from the first prefix, by its address alone`() throws {
        var wire = wireMap()
        wire.networkMap.firewallRules = Array(repeating: wire.networkMap.firewallRules[0], count: 4)
        wire.networkMap.firewallRules[0].sourcePrefixes = [Data([10, 1, 2, 3, 8])]
        wire.networkMap.firewallRules[1].sourcePrefixes = [Data(repeating: 0, count: 17)]
        wire.networkMap.firewallRules[2].sourcePrefixes = []
        wire.networkMap.firewallRules[3].sourcePrefixes = [
            Data([UInt8](repeating: 0, count: 10) + [0xff, 0xff, 10, 1, 2, 4, 128])
        ]
        let rules = try #require(try SyncUpdate(wire: wire).map?.firewallRules)
        #expect(rules.map(\.peer.description) == ["10.1.2.3/32", "::/0", "100.92.1.1/32", "10.1.2.4/32"])
    }
}

struct LoginModelTests {
    private let meta = PeerMeta(
        hostname: "host",
        distribution: "Debian GNU/Linux",
        distributionVersion: "12",
        kernel: "Linux",
        kernelVersion: "6.1.0",
        machine: "x86_64",
        agentVersion: LoginAttempt.wireVersion,
        networkAddresses: [HostAddress(prefix: "192.168.1.5/24", hardwareAddress: "02:00:00:00:00:01")],
        capabilities: [.sourcePrefixes, .ipv6Overlay],
        isIPv6Disabled: true,
        allowsSSHServer: true
    )

    @Test func `a login survives both ways`() throws {
        let attempt = LoginAttempt(
            setupKey: "a2c8e62b-38f5-4553-b31e-dd66c696cebb",
            token: "t",
            meta: meta,
            sshPublicKey: "ssh-ed25519 AAAA",
            extraLabels: ["www"]
        )
        #expect(try LoginAttempt(wire: Management_LoginRequest(attempt, publicKey: keyA)) == attempt)
    }

    @Test func `a login without meta is refused by name`() {
        #expect(throws: WireError("meta", "absent")) { try LoginAttempt(wire: Management_LoginRequest()) }
    }

    @Test func `a host name with control characters is refused`() {
        var wire = Management_LoginRequest(LoginAttempt(meta: meta), publicKey: keyA)
        wire.meta.hostname = "a\nb"
        #expect(throws: WireError("meta.hostname", "\"a?b\" is no host name")) { try LoginAttempt(wire: wire) }
    }

    @Test func `what a login puts into everybody's map is bounded`() throws {
        let wire = Management_LoginRequest(LoginAttempt(meta: meta), publicKey: keyA)
        var bad = wire
        bad.peerKeys.sshPubKey = Data(repeating: 65, count: 8193)
        #expect(throws: WireError("peerKeys.sshPubKey", "8193 bytes, allowed are 8192")) { try LoginAttempt(wire: bad) }
        bad = wire
        bad.dnsLabels = Array(repeating: "www", count: 33)
        #expect(throws: WireError("dnsLabels", "33 labels, allowed are 32")) { try LoginAttempt(wire: bad) }
        for label in ["", "-a", "a-", "a.b", "a b", "ä", String(repeating: "a", count: 64)] {
            bad.dnsLabels = ["www", label]
            #expect(throws: WireError.self) { try LoginAttempt(wire: bad) }
        }
    }

    @Test func `an unknown capability is nothing to us`() throws {
        var wire = Management_PeerSystemMeta(meta)
        wire.capabilities.append(.componentNetworkMap)
        wire.capabilities.append(.UNRECOGNIZED(99))
        #expect(try PeerMeta(wire: wire) == meta)
    }

    @Test func `we ask for the expanded map`() {
        #expect(Management_PeerSystemMeta(meta).syncMessageVersion == 0)
    }

    @Test(arguments: [
        ("A2C8E62B-38F5-4553-B31E-DD66C696CEBB", "a2c8e62b-38f5-4553-b31e-dd66c696cebb"),
        (" a2c8e62b-38f5-4553-b31e-dd66c696cebb\n", "a2c8e62b-38f5-4553-b31e-dd66c696cebb"),
        ("a2c8e62b38f54553b31edd66c696cebb", nil),
        ("g2c8e62b-38f5-4553-b31e-dd66c696cebb", nil),
        ("a2c8e62b-38f5-4553-b31e-dd66c696ceb b", nil),
        ("", nil),
        ("   ", nil),
    ])
    func `setup keys travel in lower case`(text: String, canonical: String?) {
        #expect(LoginAttempt.canonicalSetupKey(text) == canonical)
    }

    @Test func `a grant survives both ways`() throws {
        let grant = LoginGrant(own: try #require(fullMap.own), services: services)
        #expect(try LoginGrant(wire: Management_LoginResponse(grant)) == grant)
    }

    @Test func `a grant without signal server or own address is refused`() throws {
        let wire = Management_LoginResponse(LoginGrant(own: try #require(fullMap.own), services: services))
        var bad = wire
        bad.netbirdConfig.clearSignal()
        #expect(throws: WireError("netbirdConfig.signal", "absent")) { try LoginGrant(wire: bad) }
        bad = wire
        bad.netbirdConfig.signal.uri = "https://mesh.example:443"
        #expect(throws: WireError.self) { try LoginGrant(wire: bad) }
        bad = wire
        bad.clearPeerConfig()
        #expect(throws: WireError("peerConfig", "absent")) { try LoginGrant(wire: bad) }
        bad = wire
        bad.clearNetbirdConfig()
        #expect(throws: WireError("netbirdConfig", "absent")) { try LoginGrant(wire: bad) }
    }

    @Test func `secrets of a login stay out of print`() {
        let attempt = LoginAttempt(setupKey: "a2c8e62b-38f5-4553-b31e-dd66c696cebb", token: "tok", meta: meta)
        var text = "\(attempt) \(services)"
        dump(attempt, to: &text)
        dump(services, to: &text)
        #expect(!text.contains("a2c8e62b") && !text.contains("tok\"") && !text.contains("c2ln"))
    }

    @Test(arguments: [
        ("mesh.example:443", "mesh.example", 443), ("[2001:db8::1]:80", "2001:db8::1", 80),
        ("10.0.0.1:1", "10.0.0.1", 1),
    ])
    func `a host and port are read and printed`(text: String, host: String, port: UInt16) throws {
        let parsed = try #require(HostPort(text))
        #expect(parsed == HostPort(host: host, port: port))
        #expect(parsed.description == text)
    }

    @Test(arguments: [
        "mesh.example", ":443", "mesh.example:", "mesh.example:0", "mesh.example:65536", "2001:db8::1:80",
        "https://mesh.example:443", "mesh.example:443/x", "mesh example:1", "[]:1", "a:+1", "[mesh.example]:1",
        "[10.0.0.1]:1",
    ])
    func `texts that are no host and port are refused`(text: String) {
        #expect(HostPort(text) == nil)
    }

    @Test func `a STUN server without a port has the usual one`() throws {
        var wire = Management_LoginResponse(LoginGrant(own: try #require(fullMap.own), services: services))
        wire.netbirdConfig.stuns[0].uri = "stun:stun.example"
        wire.netbirdConfig.stuns[1].uri = "http://stun.example"
        let grant = try LoginGrant(wire: wire)
        #expect(grant.services.stunServers == [HostPort(host: "stun.example", port: 3478)])
        #expect(grant.skipped.map(\.path) == ["netbirdConfig.stuns[1].uri"])
    }
}
