import MeshModel
import NetlinkWire
import TestSupport
import Testing
import WGKernel

struct DeviceSnapshotDecodingTests {
    @Test func `a peer continued in the next message is one peer`() async throws {
        var traits = FakeKernel.Traits()
        traits.dumpItems = 3
        let kernel = FakeKernel(traits: traits)
        await kernel.addLink("wg0", kind: "wireguard")
        var random = RandomStates(seed: 5)
        for _ in 0..<100 {
            let state = try random.device().snapshot
            await kernel.set(device: state)
            let read = try await WireGuardDevice(name: "wg0", transport: kernel).snapshot()
            #expect(read == state)
        }
    }

    @Test func `an error names the attribute and the peer`() async throws {
        let kernel = FakeKernel()
        await kernel.addLink("wg0", kind: "wireguard")
        var encoder = AttributeEncoder(header: [0, 1, 0, 0])
        encoder.append(2, string: "wg0")
        encoder.nest(8) { peers in
            for number in 0..<4 as Range<UInt8> {
                peers.nest(0) { peer in
                    peer.append(1, bytes: [UInt8](repeating: number, count: 32))
                    if number == 3 { peer.append(4, bytes: [UInt8](repeating: 0, count: 7)) }
                }
            }
        }
        let reply = NetlinkMessage(type: 0x1d, payload: encoder.bytes)
        let transport = RecordingNetlink(replies: [.success([reply])])
        let error = await #expect(throws: NetlinkError.self) {
            try await WireGuardDevice(name: "wg0", transport: transport).snapshot()
        }
        let expected =
            "read wg0: Bad message (reply: WGDEVICE_A_PEERS[3].WGPEER_A_ENDPOINT: 7 bytes, expected 16 or 28)"
        #expect(error?.description == expected)
    }

    @Test func `a link-local endpoint keeps its scope`() throws {
        var socketAddress = bytes("0a00 ca6c 00000000 fe80000000000000 0000000000000001")
        socketAddress.appendInteger(UInt32(7))
        var encoder = AttributeEncoder(header: [0, 1, 0, 0])
        encoder.append(2, string: "wg0")
        encoder.nest(8) { peers in
            peers.nest(0) { peer in
                peer.append(1, bytes: [UInt8](repeating: 1, count: 32))
                peer.append(4, bytes: socketAddress)
            }
        }
        let device = try DeviceSnapshot.decode([NetlinkMessage(type: 0x1d, payload: encoder.bytes)])
        #expect(device.peers.first?.endpoint == Endpoint("[fe80::1]:51820"))
        #expect(device.peers.first?.endpointScope == 7)
    }

    @Test func `mutated replies give a device or an error, never a trap`() async throws {
        let kernel = FakeKernel()
        await kernel.addLink("wg0", kind: "wireguard")
        var random = RandomStates(seed: 6)
        for _ in 0..<60 {
            await kernel.set(device: try random.device().snapshot)
            var request = AttributeEncoder()
            request.append(2, string: "wg0")
            let target = NetlinkRequest.Target.generic(family: "wireguard", command: 0, version: 1)
            let replies = try await kernel.execute(
                NetlinkRequest(operation: "read", target: target, flags: .dump, payload: request.bytes)
            )
            for _ in 0..<50 {
                let mutated = replies.map { reply in
                    var reply = reply
                    reply.payload.mutate(using: &random.generator)
                    return reply
                }
                // Both outcomes are right; that it comes back at all is the test.
                _ = Result { try DeviceSnapshot.decode(mutated) }
            }
        }
    }

    @Test func `refusals of the kernel come through`() async throws {
        var unprivileged = FakeKernel.Traits()
        unprivileged.isPrivileged = false
        var without = FakeKernel.Traits()
        without.hasWireGuard = false
        let refused = await error(from: FakeKernel(traits: unprivileged), link: "wg0")
        #expect(refused?.isNotPermitted == true)
        #expect(refused?.description == "read wg0: Operation not permitted")
        #expect(await error(from: FakeKernel(traits: without), link: "wg0")?.isNotSupported == true)
        #expect(await error(from: FakeKernel(), link: "wg0")?.isNoSuchDevice == true)
        #expect(await error(from: FakeKernel(), link: "lo")?.isNotSupported == true)
        let tooLong = String(repeating: "x", count: 100_000)
        #expect(await error(from: FakeKernel(), link: tooLong)?.description.hasSuffix("Invalid argument") == true)
    }

    private func error(from kernel: FakeKernel, link: String) async -> NetlinkError? {
        do throws(NetlinkError) {
            _ = try await WireGuardDevice(name: link, transport: kernel).snapshot()
            return nil
        } catch {
            return error
        }
    }
}

extension [UInt8] {
    /// Flips, drops, repeats or cuts a few bytes.
    mutating func mutate(using generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard let index = indices.randomElement(using: &generator) else { return }
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: self[index] = .random(in: 0...255, using: &generator)
            case 1: remove(at: index)
            case 2: insert(self[index], at: index)
            default: removeLast(Swift.min(count, Int.random(in: 0...8, using: &generator)))
            }
        }
    }
}
