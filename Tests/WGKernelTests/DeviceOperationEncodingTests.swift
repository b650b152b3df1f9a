import MeshModel
import NetlinkWire
import TestSupport
import Testing
import WGKernel

struct DeviceOperationEncodingTests {
    @Test func `a v4 endpoint becomes a sockaddr_in attribute`() throws {
        let bytes = try encodedEndpoint("203.0.113.7:51820")
        #expect(
            bytes.suffix(20).elementsEqual([20, 0, 4, 0, 2, 0, 0xca, 0x6c, 203, 0, 113, 7, 0, 0, 0, 0, 0, 0, 0, 0])
        )
    }

    @Test func `a v6 endpoint becomes a sockaddr_in6 attribute`() throws {
        let bytes = try encodedEndpoint("[2001:db8::7]:51820")
        let expected: [UInt8] =
            [32, 0, 4, 0, 10, 0, 0xca, 0x6c, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [7]
            + [0, 0, 0, 0]
        #expect(bytes.suffix(32).elementsEqual(expected))
    }

    @Test func `a link-local endpoint carries its link`() throws {
        let peer = PeerChange(
            publicKey: try RandomStates.key(1),
            endpoint: try #require(Endpoint("[fe80::7]:51820") as Endpoint?),
            endpointScope: 0x0102
        )
        let bytes = try #require(DeviceOperation.encode([.setPeer(peer)], interface: "wg0").first)
        #expect(bytes.suffix(4).elementsEqual([2, 1, 0, 0]))
        #expect("\(peer)".hasSuffix(" endpoint [fe80::7%258]:51820"))
    }

    @Test func `removing all peers is a flag of the first message, before the new ones`() throws {
        let peer = PeerChange(publicKey: try RandomStates.key(1))
        let messages = DeviceOperation.encode([.removeAllPeers, .setPeer(peer)], interface: "wg0")
        #expect(messages.count == 1)
        let head: [UInt8] = [8, 0, 2, 0] + Array("wg0\0".utf8) + [8, 0, 5, 0, 1, 0, 0, 0]
        #expect(messages[0].starts(with: head))
    }

    @Test func `a whole message, byte by byte`() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 0xab, count: 32)))
        let prefix = try #require(IPPrefix("10.0.0.0/8"))
        let change = PeerChange(
            publicKey: key,
            updateOnly: true,
            persistentKeepaliveSeconds: 25,
            replaceAllowedIPs: true,
            addedAllowedIPs: [prefix]
        )
        let messages = DeviceOperation.encode([.setFwmark(0x77), .setPeer(change)], interface: "wg0")
        let expected = bytes(
            """
            0800 0200 77673000
            0800 0700 77000000
            5c00 0880
            5800 0080
            2400 0100 \(key.bytes.hex)
            0800 0300 06000000
            0600 0500 1900 0000
            2000 0980
            1c00 0080
            0600 0100 0200 0000
            0800 0200 0a000000
            0500 0300 08 000000
            """
        )
        #expect(messages.map(\.hex) == [expected.hex])
    }

    @Test func `every split of the same operations means the same`() async throws {
        var random = RandomStates(seed: 4)
        for _ in 0..<40 {
            let state = try random.device()
            let empty = DeviceSnapshot(name: "wg0", index: 2)
            let operations = plan(current: empty, desired: state, endpointLedger: [:])
            var texts: Set<String> = []
            for budget in [DeviceOperation.leastBudgetBytes, 600, 1000, DeviceOperation.defaultBudgetBytes] {
                let kernel = FakeKernel()
                await kernel.addLink("wg0", kind: "wireguard")
                for payload in DeviceOperation.encode(operations, interface: "wg0", budgetBytes: budget) {
                    #expect(payload.count <= budget)
                    let target = NetlinkRequest.Target.generic(family: "wireguard", command: 1, version: 1)
                    _ = try await kernel.execute(NetlinkRequest(operation: "set", target: target, payload: payload))
                }
                texts.insert(await kernel.wgText("wg0"))
            }
            #expect(texts.count == 1)
        }
    }

    @Test func `a peer with 10,000 allowed IPs goes over many messages and comes back whole`() async throws {
        let key = try RandomStates.key(1)
        let prefixes = try (0..<10_000).map { number in
            try #require(IPPrefix("10.\(number >> 8).\(number & 255).0/24"))
        }
        let operations: [DeviceOperation] = [
            .setPeer(PeerChange(publicKey: key, replaceAllowedIPs: true, addedAllowedIPs: prefixes))
        ]
        let messages = DeviceOperation.encode(operations, interface: "wg0")
        #expect(messages.count > 4)
        #expect(messages.allSatisfy { $0.count <= DeviceOperation.defaultBudgetBytes })
        // Decode what the messages say without the fake's quadratic bookkeeping.
        var seen: [IPPrefix] = []
        for message in messages {
            let reply = NetlinkMessage(type: 0x1d, payload: [0, 1, 0, 0] + message)
            seen += try DeviceSnapshot.decode([reply]).peers.flatMap(\.allowedIPs)
        }
        #expect(seen == prefixes)
    }

    @Test func `nothing to do is no message`() {
        #expect(DeviceOperation.encode([], interface: "wg0").isEmpty)
    }

    private func encodedEndpoint(_ text: String) throws -> [UInt8] {
        let endpoint: Endpoint = try #require(Endpoint(text))
        let peer = PeerChange(publicKey: try RandomStates.key(1), endpoint: endpoint)
        return try #require(DeviceOperation.encode([.setPeer(peer)], interface: "wg0").first)
    }
}
