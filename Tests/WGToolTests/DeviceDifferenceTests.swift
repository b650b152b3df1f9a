import MeshModel
import TestSupport
import Testing
import WGKernel

@testable import WGTool

struct DeviceDifferenceTests {
    @Test(arguments: 0..<300)
    func `a difference makes one device the other, on the model and on the kernel in memory`(seed: UInt64) async throws
    {
        var generator = SeededGenerator(seed: seed)
        let old = randomDevice(using: &generator)
        var new = randomDevice(using: &generator)
        new.name = old.name
        // An endpoint cannot be taken away.
        for index in new.peers.indices where new.peers[index].endpoint == nil {
            let former = old.peers.first { $0.publicKey == new.peers[index].publicKey }
            new.peers[index].endpoint = former?.endpoint
            new.peers[index].endpointScope = former?.endpointScope ?? 0
        }
        let operations = difference(from: old, to: new)
        var model = DeviceModel(old)
        for operation in operations { model.apply(operation) }
        #expect(sorted(model.snapshot) == sorted(new))
        #expect(difference(from: new, to: new).isEmpty)

        // Private keys cannot be taken away from the kernel in memory, and it numbers links itself.
        let kernel = FakeKernel()
        await kernel.addLink("wg0", kind: "wireguard")
        let device = WireGuardDevice(name: "wg0", transport: kernel)
        try await device.apply(difference(from: DeviceSnapshot(name: "wg0", index: 0), to: old))
        try await device.apply(operations)
        let held = try await device.snapshot()
        #expect(sorted(held).peers.map(stripped) == sorted(new).peers.map(stripped))
        #expect(held.fwmark == new.fwmark)
    }

    @Test(arguments: 0..<200)
    func `syncconf ends where setconf does, but for what the file does not name`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let current = randomDevice(using: &generator)
        let target = randomDevice(using: &generator)
        var text = ByteText()
        text.appendConfiguration(of: target) { String($0) }
        let change = try ConfigParser.parse(text.bytes, surroundings: OfflineSurroundings())
        var model = DeviceModel(current)
        for operation in syncPlan(current: current, configuration: change) { model.apply(operation) }
        var expected = target
        for index in expected.peers.indices {
            guard let former = current.peers.first(where: { $0.publicKey == expected.peers[index].publicKey }) else {
                continue
            }
            let peer = expected.peers[index]
            expected.peers[index].presharedKey = peer.presharedKey ?? former.presharedKey
            if peer.endpoint == nil {
                expected.peers[index].endpoint = former.endpoint
                expected.peers[index].endpointScope = former.endpointScope
            }
            if peer.persistentKeepaliveSeconds == 0 {
                expected.peers[index].persistentKeepaliveSeconds = former.persistentKeepaliveSeconds
            }
        }
        #expect(sorted(model.snapshot) == sorted(expected))
        #expect(syncPlan(current: model.snapshot, configuration: change).isEmpty)
    }

    @Test func `one changed peer is one operation`() {
        var new = sampleDevice()
        new.peers[1].allowedIPs.append(contentsOf: prefixes("10.9.0.0/16"))
        let operations = difference(from: sampleDevice(), to: new)
        #expect(operations.map(\.description) == ["peer \(keyQ) allowed-ips +10.9.0.0/16"])
    }

    @Test func `a secret that is not clamped is the one that the kernel holds clamped`() throws {
        let change = DeviceChange(privateKey: PrivateKey(bytes: [UInt8](repeating: 0xff, count: 32)))
        let device = DeviceSnapshot(name: "wg0", index: 2, privateKey: change.privateKey?.clamped)
        #expect(syncPlan(current: device, configuration: change).isEmpty)
    }

    @Test func `an allowed IP moves in one step`() {
        var new = sampleDevice()
        new.peers[0].allowedIPs = prefixes("10.0.0.0/8")
        new.peers[1].allowedIPs = prefixes("fd00::/64")
        let operations = difference(from: sampleDevice(), to: new)
        #expect(operations.map(\.description) == ["peer \(keyP) allowed-ips +10.0.0.0/8"])
    }

    @Test func `a kernel that cannot remove single allowed IPs gets whole lists`() throws {
        let first = ["peer", keyQ, "allowed-ips", "-10.0.0.0/8,+10.1.0.0/16"]
        let arguments = first + ["peer", keyP, "allowed-ips", "-1.1.1.1"]
        let change = try SetArguments.parse(arguments, surroundings: OfflineSurroundings(), files: FakeKeyFiles())
        #expect(change.removesSingleAllowedIPs)
        let whole = sampleDevice().withoutSingleRemovals(change)
        #expect(!whole.removesSingleAllowedIPs)
        #expect(
            whole.operations.map(\.description)
                == ["peer \(keyQ) allowed-ips fd00::/64,10.1.0.0/16", "peer \(keyP) allowed-ips \"\""]
        )
    }

    private func sorted(_ device: DeviceSnapshot) -> DeviceSnapshot {
        var device = device
        device.peers.sort { $0.publicKey < $1.publicKey }
        for index in device.peers.indices { device.peers[index].allowedIPs.sort() }
        return device
    }

    /// The kernel in memory reports a version, and knows no scopes.
    private func stripped(_ peer: PeerSnapshot) -> PeerSnapshot {
        var peer = peer
        peer.protocolVersion = 0
        peer.endpointScope = 0
        return peer
    }
}
