import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import TestSupport
import Testing
import WGKernel

/// Ring 4: what each kind of change does to a peer on a real kernel, with `wg` as the witness.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct WireGuardChangeKernelTests {
    @Test func `an update changes a peer that is there and makes none`() async throws {
        let (namespace, device) = try await makeDevice()
        let (known, unknown) = (try key(1), try key(2))
        try await device.apply([
            .setPeer(PeerChange(publicKey: known, addedAllowedIPs: [try prefix("10.1.0.0/16")])),
            .setPeer(PeerChange(publicKey: known, updateOnly: true, persistentKeepaliveSeconds: 9)),
            .setPeer(
                PeerChange(publicKey: unknown, updateOnly: true, addedAllowedIPs: [try prefix("10.1.0.0/16")])
            ),
        ])
        let peers = try await device.snapshot().peers
        #expect(peers.map(\.publicKey) == [known])
        #expect(peers.first?.persistentKeepaliveSeconds == 9)
        #expect(peers.first?.allowedIPs.map(\.description) == ["10.1.0.0/16"])
        #expect(try namespace.run("wg", "show", "wg0", "peers") == "\(known)\n")
    }

    @Test func `keys go to the kernel and come back, and leave nothing on the heap`() async throws {
        let (namespace, device) = try await makeDevice()
        let secret = SecretHunt(randomBytes: 32)
        // Several messages and datagrams, each with many of them.
        try await device.apply(
            (1...200).map { number in
                let presharedKey = secret.withBytes { PresharedKey(bytes: $0) }
                return .setPeer(
                    PeerChange(publicKey: try key(UInt8(number)), presharedKey: presharedKey.map { .set($0) })
                )
            }
        )
        #expect(secret.placesOnHeap() == 0)
        var snapshot: DeviceSnapshot? = try await device.snapshot()
        #expect(snapshot?.peers.count == 200)
        #expect(secret.placesOnHeap() == 200)
        snapshot = nil
        #expect(secret.placesOnHeap() == 0)
        let shown = try namespace.run("wg", "show", "wg0", "preshared-keys").split(separator: "\n")
        #expect(shown.count == 200 && shown.allSatisfy { $0.hasSuffix("=") })
    }

    @Test func `a list is added to, replaced, and emptied`() async throws {
        let (namespace, device) = try await makeDevice()
        let key = try key(1)
        var change = PeerChange(publicKey: key, addedAllowedIPs: [try prefix("10.1.0.0/16")])
        try await device.apply([.setPeer(change)])
        change.addedAllowedIPs = [try prefix("10.2.0.0/16"), try prefix("fd00::/64")]
        try await device.apply([.setPeer(change)])
        let listed = { try namespace.run("wg", "show", "wg0", "allowed-ips").dropFirst(45) }
        #expect(try Set(listed().split { $0.isWhitespace }) == ["10.1.0.0/16", "10.2.0.0/16", "fd00::/64"])
        change.replaceAllowedIPs = true
        change.addedAllowedIPs = [try prefix("10.3.0.0/16")]
        try await device.apply([.setPeer(change)])
        #expect(try listed() == "10.3.0.0/16\n")
        change.addedAllowedIPs = []
        try await device.apply([.setPeer(change)])
        #expect(try listed() == "(none)\n")
    }

    @Test func `a prefix belongs to the peer that claims it last, and peers are removed one by one and all`()
        async throws
    {
        let (namespace, device) = try await makeDevice()
        let disputed = try prefix("10.0.0.0/8")
        let keys = try (1...3).map { try key($0) }
        try await device.apply(keys.map { .setPeer(PeerChange(publicKey: $0, addedAllowedIPs: [disputed])) })
        #expect(try await device.snapshot().peers.map(\.allowedIPs) == [[], [], [disputed]])
        // The one that is not there is no failure.
        try await device.apply([.removePeer(keys[2]), .removePeer(try key(9))])
        #expect(try namespace.run("wg", "show", "wg0", "peers") == "\(keys[0])\n\(keys[1])\n")
        let newcomer = try key(4)
        try await device.apply([.removeAllPeers, .setPeer(PeerChange(publicKey: newcomer))])
        #expect(try namespace.run("wg", "show", "wg0", "peers") == "\(newcomer)\n")
    }

    @Test func `a link-local endpoint keeps its scope both ways`() async throws {
        let (namespace, device) = try await makeDevice()
        try namespace.run("ip", "link", "add", "lan0", "type", "dummy")
        let host = HostNetwork(transport: namespace.transport)
        let scope = try #require(try await host.link(named: "lan0")).index
        let endpoint = try #require(Endpoint("[fe80::7]:51820"))
        let ours = try key(1)
        try await device.apply([.setPeer(PeerChange(publicKey: ours, endpoint: endpoint, endpointScope: scope))])
        #expect(try namespace.run("wg", "show", "wg0", "endpoints") == "\(ours)\t[fe80::7%lan0]:51820\n")
        let theirs = try key(2)
        try namespace.run("wg", "set", "wg0", "peer", "\(theirs)", "endpoint", "[fe80::8%lan0]:1")
        let peers = try await device.snapshot().peers
        #expect(peers.map(\.endpointScope) == [scope, scope])
        #expect(peers.map(\.endpoint) == [endpoint, Endpoint("[fe80::8]:1")])
    }

    @Test func `a preshared key is set and taken away`() async throws {
        let (namespace, device) = try await makeDevice()
        let key = try key(1)
        let secret = try #require(PresharedKey(bytes: [UInt8](repeating: 7, count: 32)))
        try await device.apply([.setPeer(PeerChange(publicKey: key, presharedKey: .set(secret)))])
        #expect(try await device.snapshot().peers.first?.presharedKey == secret)
        try await device.apply([.setPeer(PeerChange(publicKey: key, updateOnly: true, presharedKey: .clear))])
        #expect(try await device.snapshot().peers.first?.presharedKey == nil)
        #expect(try namespace.run("wg", "show", "wg0", "preshared-keys") == "\(key)\t(none)\n")
    }

    @Test func `single allowed IPs go where the kernel can, and whole lists where it cannot`() async throws {
        let (namespace, device) = try await makeDevice()
        let privateKey = try #require(PrivateKey(bytes: [UInt8](repeating: 0x42, count: 32)))
        let (first, second) = (try key(1), try key(2))
        let kept = try (0..<5).map { try prefix("10.\($0).0.0/16") }
        let (dropped, moved) = (try prefix("10.77.0.0/16"), try prefix("fd00::/64"))
        var desired = DeviceConfiguration(privateKey: privateKey, listenPort: 51820)
        desired.peers[first] = PeerConfiguration(publicKey: first, allowedIPs: Set(kept + [dropped, moved]))
        desired.peers[second] = PeerConfiguration(publicKey: second)
        let empty = try await device.snapshot()
        try await device.reconcile(from: empty, to: desired, endpointLedger: [:])

        var current = try await device.snapshot()
        let peer = try #require(current.peers.first { $0.publicKey == first })
        let isCapable = try await device.removesAllowedIPs(asking: peer)
        #expect(try await device.snapshot() == current, "the question changed something")
        // 6.16 is the first that surely can; an older one may have been taught.
        if try kernelVersion() >= (6, 16) { #expect(isCapable) }
        // A peer that is not there is skipped before the kernel looks at its list.
        #expect(try await device.removesAllowedIPs(asking: PeerSnapshot(publicKey: try key(9))))

        desired.peers[first]?.allowedIPs = Set(kept)
        desired.peers[second]?.allowedIPs = [moved]
        let operations = try await device.reconcile(from: current, to: desired, endpointLedger: [:])
        let change = operations.map(\.description).first { $0.hasPrefix("peer \(first)") }
        let list = kept.map(\.description).joined(separator: ",")
        #expect(change == "peer \(first) allowed-ips \(isCapable ? "-\(dropped)" : list)")
        current = try await device.snapshot()
        #expect(plan(current: current, desired: desired, endpointLedger: [:]).isEmpty)
        let listed = try namespace.run("wg", "show", "wg0", "allowed-ips")
        #expect(listed.contains("\(second)\t\(moved)\n") && !listed.contains("\(dropped)"))
    }

    private func makeDevice() async throws -> (KernelNamespace, WireGuardDevice<NetlinkSocket>) {
        let namespace = try KernelNamespace()
        try await HostNetwork(transport: namespace.transport).apply(links: [.create(LinkCreation(name: "wg0"))])
        return (namespace, WireGuardDevice(name: "wg0", transport: namespace.transport))
    }

    private func key(_ number: UInt8) throws -> PublicKey {
        try #require(PublicKey(bytes: [UInt8](repeating: number, count: 32)))
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}
