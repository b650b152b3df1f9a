import MeshModel
import NetlinkWire
import TestSupport
import Testing
import WGKernel

/// Kernels that take single allowed IPs away, and those before 6.16.
struct AllowedIPRemovalTests {
    @Test(arguments: [false, true])
    func `the kernel is asked, and nothing changes by that`(isCapable: Bool) async throws {
        let (kernel, device) = try await makeDevice(isCapable: isCapable)
        let before = try await device.snapshot()
        let peer = try #require(before.peers.first)
        #expect(try await device.removesAllowedIPs(asking: peer) == isCapable)
        #expect(try await device.snapshot() == before)
        // The question is about a prefix that the peer does not hold, even if it holds the one we would ask for first.
        var full = peer
        full.allowedIPs = try ["255.255.255.255/32", "255.255.255.254/32"].map { try #require(IPPrefix($0)) }
        var other = before
        other.peers = [full]
        await kernel.set(device: other)
        #expect(try await device.removesAllowedIPs(asking: full) == isCapable)
        #expect(try await device.snapshot() == other)
    }

    @Test(arguments: [false, true])
    func `a peer that loses one gets one removal or its whole list`(isCapable: Bool) async throws {
        let (kernel, device) = try await makeDevice(isCapable: isCapable)
        let current = try await device.snapshot()
        var desired = try configuration()
        let key = try RandomStates.key(1)
        desired.peers[key]?.allowedIPs.remove(try prefix("10.1.0.0/16"))
        desired.peers[key]?.persistentKeepaliveSeconds = 25
        let operations = try await device.reconcile(from: current, to: desired, endpointLedger: [:])
        #expect(
            operations.map(\.description) == [
                "peer \(key) persistent-keepalive 25",
                "peer \(key) allowed-ips " + (isCapable ? "-10.1.0.0/16" : "10.2.0.0/16"),
            ]
        )
        let after = try await device.snapshot()
        #expect(plan(current: after, desired: desired, endpointLedger: [:]).isEmpty)
        #expect(await kernel.requests.filter { $0 == "set wg0" }.count == 2, "one question, one change")
    }

    @Test func `nothing is asked where nothing is taken away`() async throws {
        let (kernel, device) = try await makeDevice(isCapable: false)
        let current = try await device.snapshot()
        var desired = try configuration()
        desired.fwmark = 9
        #expect(try await device.reconcile(from: current, to: desired, endpointLedger: [:]).count == 1)
        #expect(await kernel.writes == 1)
    }

    @Test func `another refusal is no answer`() async throws {
        let (kernel, device) = try await makeDevice(isCapable: true)
        let peer = try #require(try await device.snapshot().peers.first)
        await kernel.failNext(1)
        let error = await #expect(throws: NetlinkError.self) { try await device.removesAllowedIPs(asking: peer) }
        #expect(error?.isNotPermitted == true)
    }

    private func makeDevice(isCapable: Bool) async throws -> (FakeKernel, WireGuardDevice<FakeKernel>) {
        var traits = FakeKernel.Traits()
        traits.removesAllowedIPs = isCapable
        let kernel = FakeKernel(traits: traits)
        await kernel.addLink("wg0", kind: "wireguard")
        await kernel.set(device: try configuration().snapshot)
        return (kernel, WireGuardDevice(name: "wg0", transport: kernel))
    }

    private func configuration() throws -> DeviceConfiguration {
        let privateKey = try #require(PrivateKey(bytes: [UInt8](repeating: 0x42, count: 32)))
        let key = try RandomStates.key(1)
        var desired = DeviceConfiguration(privateKey: privateKey, listenPort: 51820)
        desired.peers[key] = PeerConfiguration(
            publicKey: key,
            allowedIPs: [try prefix("10.1.0.0/16"), try prefix("10.2.0.0/16")]
        )
        return desired
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}
