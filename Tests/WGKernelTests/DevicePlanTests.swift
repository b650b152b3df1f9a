import MeshModel
import TestSupport
import Testing
import WGKernel

struct DevicePlanTests {
    @Test(arguments: [false, true])
    func `applying the plan from any state to any other gives that other`(removesAllowedIPs: Bool) async throws {
        var random = RandomStates(seed: 1)
        for round in 0..<300 {
            let old = try random.device()
            let new = try random.device()
            var traits = FakeKernel.Traits()
            traits.removesAllowedIPs = removesAllowedIPs
            let kernel = FakeKernel(traits: traits)
            await kernel.addLink("wg0", kind: "wireguard")
            await kernel.set(device: old.snapshot)
            let device = WireGuardDevice(name: "wg0", transport: kernel)

            let current = try await device.snapshot()
            let operations = plan(
                current: current,
                desired: new,
                endpointLedger: old.endpoints,
                removesAllowedIPs: removesAllowedIPs
            )
            try await device.apply(operations)

            let result = try await device.snapshot()
            #expect(result.privateKey?.bytes.dropFirst().prefix(30) == new.privateKey.bytes.dropFirst().prefix(30))
            #expect(result.listenPort == new.listenPort)
            #expect(result.fwmark == new.fwmark)
            #expect(Set(result.peers.map(\.publicKey)) == Set(new.peers.keys), "round \(round)")
            for peer in result.peers {
                let wanted = try #require(new.peers[peer.publicKey])
                #expect(Set(peer.allowedIPs) == wanted.allowedIPs, "round \(round): \(operations)")
                #expect(peer.presharedKey == wanted.presharedKey)
                #expect(peer.persistentKeepaliveSeconds == wanted.persistentKeepaliveSeconds)
                #expect(peer.endpoint == wanted.endpoint ?? old.peers[peer.publicKey]?.endpoint)
            }
            let ledger = old.endpoints.merging(new.endpoints) { _, new in new }
            let again = plan(
                current: result,
                desired: new,
                endpointLedger: ledger,
                removesAllowedIPs: removesAllowedIPs
            )
            #expect(again.isEmpty, "round \(round): \(again)")
        }
    }

    @Test func `equal states need nothing, whatever the order of peers`() throws {
        var random = RandomStates(seed: 2)
        for _ in 0..<200 {
            let state = try random.device()
            var current = state.snapshot
            current.peers.shuffle(using: &random.generator)
            #expect(plan(current: current, desired: state, endpointLedger: state.endpoints).isEmpty)
        }
    }

    @Test func `the order of peers does not change the plan`() throws {
        var random = RandomStates(seed: 3)
        for _ in 0..<100 {
            let new = try random.device()
            var current = try random.device().snapshot
            let expected = plan(current: current, desired: new, endpointLedger: [:])
            current.peers.shuffle(using: &random.generator)
            #expect(plan(current: current, desired: new, endpointLedger: [:]) == expected)
        }
    }

    @Test func `an allowed IP moves by the claim alone`() throws {
        let first = try RandomStates.key(1)
        let second = try RandomStates.key(2)
        let prefix = try #require(IPPrefix("10.0.0.0/8"))
        var desired = try configuration()
        desired.peers[first] = PeerConfiguration(publicKey: first)
        desired.peers[second] = PeerConfiguration(publicKey: second, allowedIPs: [prefix])
        var current = desired.snapshot
        current.peers = [
            PeerSnapshot(publicKey: first, allowedIPs: [prefix]), PeerSnapshot(publicKey: second),
        ]
        let operations = plan(current: current, desired: desired, endpointLedger: [:])
        #expect(operations.map(\.description) == ["peer \(second) allowed-ips +10.0.0.0/8"])
    }

    @Test func `claims come before losses, and losses before removed peers`() throws {
        let kept = try RandomStates.key(9)
        let gone = try RandomStates.key(1)
        let new = try RandomStates.key(5)
        let moving = try #require(IPPrefix("10.0.0.0/8"))
        let dropped = try #require(IPPrefix("10.1.0.0/16"))
        let staying = try #require(IPPrefix("10.2.0.0/16"))
        var desired = try configuration()
        desired.peers[kept] = PeerConfiguration(publicKey: kept, allowedIPs: [staying])
        desired.peers[new] = PeerConfiguration(publicKey: new, allowedIPs: [moving])
        var current = desired.snapshot
        current.peers = [
            PeerSnapshot(publicKey: gone, allowedIPs: [moving]),
            PeerSnapshot(publicKey: kept, allowedIPs: [staying, dropped]),
        ]
        let operations = plan(current: current, desired: desired, endpointLedger: [:]).map(\.description)
        #expect(
            operations == [
                "peer \(new) allowed-ips +10.0.0.0/8", "peer \(kept) allowed-ips 10.2.0.0/16", "peer \(gone) remove",
            ]
        )
        let precise = plan(current: current, desired: desired, endpointLedger: [:], removesAllowedIPs: true)
        #expect(precise.map(\.description)[1] == "peer \(kept) allowed-ips -10.1.0.0/16")
    }

    @Test func `a roamed endpoint is left alone, a new decision is not`() throws {
        let key = try RandomStates.key(1)
        let decided = try #require(Endpoint("203.0.113.7:51820"))
        let roamed = try #require(Endpoint("198.51.100.9:4242"))
        let changed = try #require(Endpoint("[2001:db8::1]:51820"))
        var desired = try configuration()
        desired.peers[key] = PeerConfiguration(publicKey: key, endpoint: decided)
        var current = desired.snapshot
        current.peers[0].endpoint = roamed
        #expect(plan(current: current, desired: desired, endpointLedger: [key: decided]).isEmpty)

        desired.peers[key]?.endpoint = changed
        let operations = plan(current: current, desired: desired, endpointLedger: [key: decided])
        #expect(operations.map(\.description) == ["peer \(key) endpoint [2001:db8::1]:51820"])

        desired.peers[key]?.endpoint = nil
        #expect(plan(current: current, desired: desired, endpointLedger: [key: decided]).isEmpty)
    }

    @Test func `a hint is given where nothing is known, and never in place of what the kernel has`() throws {
        let key = try RandomStates.key(1)
        let hint = try #require(Endpoint("203.0.113.7:51820"))
        let roamed = try #require(Endpoint("198.51.100.9:4242"))
        var desired = try configuration()
        desired.peers[key] = PeerConfiguration(publicKey: key, endpointHint: hint)
        func operations(_ peers: [PeerSnapshot]) -> [String] {
            var current = desired.snapshot
            current.peers = peers
            return plan(current: current, desired: desired, endpointLedger: [:]).map(\.description)
        }
        let given = ["peer \(key) endpoint 203.0.113.7:51820"]
        #expect(operations([]) == given)
        #expect(operations([PeerSnapshot(publicKey: key)]) == given)
        #expect(operations([PeerSnapshot(publicKey: key, endpoint: hint)]).isEmpty)
        #expect(operations([PeerSnapshot(publicKey: key, endpoint: roamed)]).isEmpty)
        desired.peers[key]?.endpoint = Endpoint("192.0.2.1:1")
        #expect(operations([]) == ["peer \(key) endpoint 192.0.2.1:1"])
    }

    @Test func `a peer that the kernel lost gets its endpoint again, whatever the ledger says`() throws {
        let key = try RandomStates.key(1)
        let endpoint = try #require(Endpoint("203.0.113.7:51820"))
        var desired = try configuration()
        desired.peers[key] = PeerConfiguration(publicKey: key, endpoint: endpoint)
        var current = desired.snapshot
        current.peers = []
        let operations = plan(current: current, desired: desired, endpointLedger: [key: endpoint])
        #expect(operations.map(\.description) == ["peer \(key) endpoint 203.0.113.7:51820"])
    }

    @Test func `two peers that claim one prefix do not make the plan swing`() async throws {
        let prefix = try #require(IPPrefix("10.0.0.0/8"))
        var desired = try configuration()
        for number in [1, 2] as [UInt8] {
            let key = try RandomStates.key(number)
            desired.peers[key] = PeerConfiguration(publicKey: key, allowedIPs: [prefix])
        }
        let kernel = FakeKernel()
        await kernel.addLink("wg0", kind: "wireguard")
        let device = WireGuardDevice(name: "wg0", transport: kernel)
        try await device.apply(plan(current: try await device.snapshot(), desired: desired, endpointLedger: [:]))
        let second = plan(current: try await device.snapshot(), desired: desired, endpointLedger: [:])
        #expect(second.isEmpty)
    }

    @Test func `a private key that the kernel clamped is still the same`() async throws {
        let raw = try #require(PrivateKey(bytes: [UInt8](repeating: 0xff, count: 32)))
        let desired = DeviceConfiguration(privateKey: raw, listenPort: 0)
        let kernel = FakeKernel()
        await kernel.addLink("wg0", kind: "wireguard")
        let device = WireGuardDevice(name: "wg0", transport: kernel)
        try await device.apply(plan(current: try await device.snapshot(), desired: desired, endpointLedger: [:]))
        let held = try await device.snapshot()
        #expect(held.privateKey != raw)
        #expect(plan(current: held, desired: desired, endpointLedger: [:]).isEmpty)
    }

    @Test func `secrets do not show in the text of operations`() throws {
        let secret = try #require(PrivateKey(bytes: [UInt8](repeating: 7, count: 32)))
        let shared = try #require(PresharedKey(bytes: [UInt8](repeating: 8, count: 32)))
        let change = PeerChange(publicKey: try RandomStates.key(1), presharedKey: .set(shared))
        let text = "\(DeviceOperation.setPrivateKey(secret)) \(DeviceOperation.setPeer(change))"
        #expect(text.contains("private-key (hidden)") && text.contains("preshared-key (hidden)"))
        #expect(!text.contains(secret.base64) && !text.contains(shared.base64))
    }

    private func configuration() throws -> DeviceConfiguration {
        let key = try #require(PrivateKey(bytes: [UInt8](repeating: 200, count: 32)))
        return DeviceConfiguration(privateKey: key, listenPort: 51820)
    }
}
