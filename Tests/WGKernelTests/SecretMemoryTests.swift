import MeshModel
import NetlinkWire
import TestSupport
import Testing
import WGKernel

/// What a library call leaves of keys on the heap.
@Suite(.enabled(if: SecretHunt.knowsTheHeap, "the address sanitizer has a heap of its own"))
struct SecretMemoryTests {
    private let secret = SecretHunt(randomBytes: 32)

    @Test func `messages with keys are wiped when they were sent, be it in vain`() async throws {
        for error in [nil, NetlinkError(operation: "set wg0", code: 19)] {
            let device = WireGuardDevice(name: "wg0", transport: HuntingNetlink(secret: secret, error: error))
            do throws(NetlinkError) {
                try await device.apply(try operations(peers: 2_000))
            } catch {
                #expect(error.code == 19)
            }
            #expect(secret.placesOnHeap() == 0, "after \(error.map { "\($0)" } ?? "success")")
        }
    }

    @Test func `a snapshot takes its keys with it`() throws {
        var snapshot: DeviceSnapshot? = try snapshot(peers: 3)
        #expect(secret.placesOnHeap() == 4)
        var second = snapshot
        second?.peers.removeLast()
        snapshot = nil
        #expect(secret.placesOnHeap() == 3)
        #expect(second?.peers.count == 2)
        second = nil
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `a plan shares the keys of what is desired`() throws {
        var desired: DeviceConfiguration? = DeviceConfiguration(privateKey: try key(), listenPort: 1, fwmark: 0)
        var operations = desired.map {
            plan(current: DeviceSnapshot(name: "wg0", index: 1), desired: $0, endpointLedger: [:])
        }
        #expect(operations?.isEmpty == false)
        #expect(secret.placesOnHeap() == 1)
        desired = nil
        operations = nil
        #expect(secret.placesOnHeap() == 0)
    }

    private func key() throws -> PrivateKey { try #require(secret.withBytes { PrivateKey(bytes: $0) }) }

    private func snapshot(peers count: Int) throws -> DeviceSnapshot {
        let peers = try (1...count).map { number in
            let name = [UInt8(number >> 8), UInt8(number & 0xff)] + [UInt8](repeating: 1, count: 30)
            let presharedKey = secret.withBytes { PresharedKey(bytes: $0) }
            return PeerSnapshot(publicKey: try #require(PublicKey(bytes: name)), presharedKey: presharedKey)
        }
        return DeviceSnapshot(name: "wg0", index: 1, privateKey: try key(), peers: peers)
    }

    private func operations(peers count: Int) throws(NetlinkError) -> [DeviceOperation] {
        do {
            let device = try snapshot(peers: count)
            let peers = device.peers.map { peer in
                DeviceOperation.setPeer(
                    PeerChange(publicKey: peer.publicKey, presharedKey: peer.presharedKey.map { .set($0) })
                )
            }
            return [.setPrivateKey(try key())] + peers
        } catch {
            Issue.record(error)
            return []
        }
    }
}

/// Takes requests, and sees that they hold the secret, and nothing that went before.
private struct HuntingNetlink: NetlinkTransport {
    let secret: SecretHunt
    let error: NetlinkError?

    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        #expect(secret.placesOnHeap() > 1)
        if let error { throw error }
        return []
    }
}
