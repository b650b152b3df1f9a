import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import TestSupport
import Testing
import WGKernel
import WGTool

/// Ring 4: the same plans as in WGKernelTests, on a real kernel, with `wg` as the witness.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct WireGuardKernelTests {
    @Test func `a device comes back as it was set`() async throws {
        let namespace = try KernelNamespace()
        let device = try await makeLink(in: namespace)
        let privateKey = try #require(PrivateKey(base64: "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="))
        var desired = DeviceConfiguration(privateKey: privateKey, listenPort: 51820, fwmark: 0x77)
        let v4: Endpoint = try #require(Endpoint("203.0.113.7:51820"))
        let v6: Endpoint = try #require(Endpoint("[2001:db8::7]:4242"))
        for (number, endpoint) in [(1, v4), (2, v6), (3, nil)] as [(UInt8, Endpoint?)] {
            let key = try key(number)
            desired.peers[key] = PeerConfiguration(
                publicKey: key,
                presharedKey: number == 1 ? PresharedKey(bytes: [UInt8](repeating: 9, count: 32)) : nil,
                endpoint: endpoint,
                allowedIPs: [try prefix("10.\(number).0.0/16"), try prefix("fd00:\(number)::/64")],
                persistentKeepaliveSeconds: number == 2 ? 25 : 0
            )
        }
        try await device.apply(plan(current: try await device.snapshot(), desired: desired, endpointLedger: [:]))

        let read = try await device.snapshot()
        #expect(read.privateKey == privateKey)
        #expect(read.listenPort == 51820 && read.fwmark == 0x77)
        #expect(read.peers.map(\.publicKey) == desired.peers.keys.sorted())
        for peer in read.peers {
            let wanted = try #require(desired.peers[peer.publicKey])
            #expect(Set(peer.allowedIPs) == wanted.allowedIPs)
            #expect(peer.endpoint == wanted.endpoint)
            #expect(peer.presharedKey == wanted.presharedKey)
            #expect(peer.persistentKeepaliveSeconds == wanted.persistentKeepaliveSeconds)
            #expect(peer.latestHandshakeSeconds == 0 && peer.receivedBytes == 0 && peer.protocolVersion == 1)
        }
        let endpoints = desired.peers.compactMapValues(\.endpoint)
        #expect(plan(current: read, desired: desired, endpointLedger: endpoints).isEmpty)
        #expect(dumpText(read) == (try namespace.run("wg", "show", "wgm0", "dump")))
        #expect(dumpText(read, withName: true) == (try namespace.run("wg", "show", "all", "dump")))
        #expect(showText(read) == (try namespace.run("wg", "show")))
    }

    @Test func `random states become each other, as on the kernel in memory`() async throws {
        let namespace = try KernelNamespace()
        let device = try await makeLink(in: namespace)
        let fake = FakeKernel()
        await fake.addLink("wgm0", kind: "wireguard")
        let fakeDevice = WireGuardDevice(name: "wgm0", transport: fake)
        var generator = SeededGenerator(seed: 51)
        var ledger: [PublicKey: Endpoint] = [:]
        for round in 0..<60 {
            let desired = try randomDevice(using: &generator)
            let current = try await device.snapshot()
            let operations = plan(current: current, desired: desired, endpointLedger: ledger)
            try await device.apply(operations)
            try await fakeDevice.apply(operations)
            // A removed peer takes its endpoint along.
            ledger = ledger.filter { desired.peers[$0.key] != nil }
            ledger.merge(desired.peers.compactMapValues(\.endpoint)) { _, new in new }

            var real = try await device.snapshot()
            let read = plan(current: real, desired: desired, endpointLedger: ledger)
            #expect(read.isEmpty, "round \(round): \(read)")
            var modelled = try await fakeDevice.snapshot()
            // The fake derives no real public key; its indices and the order of allowed IPs are its own.
            for number in real.peers.indices { real.peers[number].allowedIPs.sort() }
            for number in modelled.peers.indices { modelled.peers[number].allowedIPs.sort() }
            modelled.publicKey = real.publicKey
            modelled.index = real.index
            #expect(real == modelled, "round \(round)")
        }
    }

    @Test func `2,000 peers with 10,000 allowed IPs come back whole`() async throws {
        let namespace = try KernelNamespace()
        let device = try await makeLink(in: namespace)
        let privateKey = try #require(PrivateKey(bytes: [UInt8](repeating: 0x42, count: 32)))
        var desired = DeviceConfiguration(privateKey: privateKey, listenPort: 51820)
        for number in 0..<2_000 {
            let key = try wideKey(number)
            let networks = try (0..<5).map { try prefix("10.\(number >> 5).\((number & 31) * 8 + $0).0/24") }
            let endpoint: Endpoint = try #require(Endpoint("192.0.2.\(number & 255):\(1024 + number)"))
            desired.peers[key] = PeerConfiguration(publicKey: key, endpoint: endpoint, allowedIPs: Set(networks))
        }
        try await device.apply(plan(current: try await device.snapshot(), desired: desired, endpointLedger: [:]))
        let read = try await device.snapshot()
        #expect(read.peers.count == 2_000)
        #expect(read.peers.reduce(0) { $0 + $1.allowedIPs.count } == 10_000)
        let endpoints = desired.peers.compactMapValues(\.endpoint)
        #expect(plan(current: read, desired: desired, endpointLedger: endpoints).isEmpty)
        #expect(dumpText(read) == (try namespace.run("wg", "show", "wgm0", "dump")))

        // One peer with so many allowed IPs that both the requests and the replies cut it.
        let single = try key(1)
        let all = desired.peers.values.reduce(into: Set<IPPrefix>()) { $0.formUnion($1.allowedIPs) }
        desired.peers = [single: PeerConfiguration(publicKey: single, allowedIPs: all)]
        try await device.apply(plan(current: read, desired: desired, endpointLedger: [:]))
        let moved = try await device.snapshot()
        #expect(moved.peers.count == 1)
        #expect(moved.peers.first.map { Set($0.allowedIPs) } == all)
        #expect(moved.peers.first?.allowedIPs.count == 10_000)
    }

    @Test func `a missing link, a foreign link and a taken port are told apart`() async throws {
        let namespace = try KernelNamespace()
        try namespace.run("ip", "link", "add", "other0", "type", "dummy")
        let missing = await error { try await WireGuardDevice(name: "no0", transport: namespace.transport).snapshot() }
        #expect(missing?.isNoSuchDevice == true)
        let foreign = await error {
            try await WireGuardDevice(name: "other0", transport: namespace.transport).snapshot()
        }
        #expect(foreign?.isNotSupported == true)

        let device = try await makeLink(in: namespace)
        try namespace.run("ip", "link", "set", "wgm0", "up")
        try namespace.run("ip", "link", "add", "second", "type", "wireguard")
        try namespace.run("wg", "set", "second", "listen-port", "51999")
        try namespace.run("ip", "link", "set", "second", "up")
        let taken = await error { try await device.apply([.setListenPort(51999)]) }
        #expect(taken?.isAddressInUse == true)
        #expect(taken?.description.hasPrefix("set wgm0: Address already in use") == true)
        let names = try await HostNetwork(transport: namespace.transport).wireGuardLinkNames()
        #expect(names == ["wgm0", "second"])
    }

    private func error(_ body: () async throws -> some Any) async -> NetlinkError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? NetlinkError
        }
    }

    private func makeLink(in namespace: KernelNamespace) async throws -> WireGuardDevice<NetlinkSocket> {
        let link = LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280)
        try await HostNetwork(transport: namespace.transport).apply([.createLink(link)])
        return WireGuardDevice(name: "wgm0", transport: namespace.transport)
    }

    private func randomDevice(using generator: inout SeededGenerator) throws -> DeviceConfiguration {
        let secret = UInt8.random(in: 1...2, using: &generator)
        let privateKey = try #require(PrivateKey(bytes: [UInt8](repeating: secret << 3 | 0x40, count: 32)))
        var desired = DeviceConfiguration(
            privateKey: privateKey,
            listenPort: .random(in: 51820...51821, using: &generator),
            fwmark: .random(in: 0...1, using: &generator)
        )
        var free = try (0..<40).map { try prefix($0.isMultiple(of: 2) ? "10.\($0).0.0/16" : "fd00:\($0)::/64") }
        free.shuffle(using: &generator)
        for number in 1...12 as ClosedRange<UInt8> where Bool.random(using: &generator) {
            var peer = PeerConfiguration(publicKey: try key(number))
            let count = Int.random(in: 0...min(5, free.count), using: &generator)
            peer.allowedIPs = Set(free.prefix(count))
            free.removeFirst(count)
            if Bool.random(using: &generator) { peer.presharedKey = PresharedKey(bytes: peer.publicKey.bytes) }
            if Bool.random(using: &generator) { peer.endpoint = Endpoint("203.0.113.\(number):51820") }
            peer.persistentKeepaliveSeconds = .random(in: 0...1, using: &generator) * 25
            desired.peers[peer.publicKey] = peer
        }
        return desired
    }

    private func key(_ number: UInt8) throws -> PublicKey {
        try #require(PublicKey(bytes: [UInt8](repeating: number, count: 32)))
    }

    private func wideKey(_ number: Int) throws -> PublicKey {
        let bytes = [UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 3, count: 30)
        return try #require(PublicKey(bytes: bytes))
    }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}

private func dumpText(_ device: DeviceSnapshot, withName: Bool = false) -> String {
    var text = ByteText()
    text.append(.dump, of: device, withName: withName) { _ in nil }
    return text.string
}

private func showText(_ device: DeviceSnapshot) -> String {
    var page = ShowText(style: ShowStyle(), nowSeconds: 0) { _ in nil }
    page.append(device)
    return page.text.string
}
