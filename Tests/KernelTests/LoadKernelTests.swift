import CNetlink
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing
import WGKernel

/// Ring 4: what goes wrong on a busy kernel, provoked.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct LoadKernelTests {
    @Test func `events that do not fit the buffer are one event, after which a look sees everything`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let monitor = try NetlinkMonitor(kinds: [.link], namespace: namespace.path, receiveBufferBytes: 4096)
        // A link event has 1.3 KiB and more, and a thousand of them come at once.
        let loop = "for i in $(seq 500); do echo link add d$i type dummy; echo link set d$i mtu 1400; done"
        try runProgram(["sh", "-c", "(\(loop)) | ip -n \(namespace.name) -batch -"])
        var events = 0
        for await event in monitor.events {
            events += 1
            if event == .overrun { break }
        }
        // Everything that was lost before it was read as one; the 64 places of the stream bound the rest.
        #expect(events <= 64)
        let links = try await host.links().filter { $0.kind == "dummy" }
        #expect(links.count == 500 && links.allSatisfy { $0.mtuBytes == 1400 })
    }

    // One test, since the kernel takes a minute to remove that many peers in an emulated guest.
    @Test func `a large device is read while it changes, and while it is removed`() async throws {
        let (namespace, device) = try await makeDevice(peers: 5_000)
        let host = HostNetwork(transport: namespace.transport)
        try await readDuringChanges(of: device, in: namespace)

        let dump = try DeviceDump(of: "wg0", in: namespace)
        var messages = try dump.receive()
        #expect(messages.last?.isDone == false, "the dump is one datagram")
        // The kernel keeps the device for the dump, and the removal waits for the device.
        async let removal = refusal { try await host.apply(links: [.remove(link: "wg0")]) }
        // The other way to the kernel sees it gone, while ours is still in the middle.
        let witness = HostNetwork(transport: try NetlinkSocket(namespace: namespace.path))
        var attempts = 0
        while try await witness.link(named: "wg0") != nil, attempts < 100_000 { attempts += 1 }
        #expect(attempts < 100_000, "the link is not removed")
        while messages.last?.isDone == false { messages += try dump.receive() }
        let last = messages.popLast()
        let end = try #require(last)
        #expect(try end.failure(of: "read wg0") == nil)
        #expect(try DeviceSnapshot.decode(messages).peers.count == 5_000)
        #expect(await removal == nil)
        #expect(await refusal { try await device.snapshot() }?.isNoSuchDevice == true)
    }

    /// What the kernel marks as interrupted is read again: whole, or said to be busy.
    private func readDuringChanges(
        of device: WireGuardDevice<NetlinkSocket>,
        in namespace: KernelNamespace
    ) async throws {
        // Changes nothing, but counts as a change.
        let nobody = try #require(PublicKey(bytes: [UInt8](repeating: 0xee, count: 32)))
        let change = DeviceOperation.setPeer(PeerChange(publicKey: nobody, updateOnly: true))
        let writer = WireGuardDevice(name: "wg0", transport: try NetlinkSocket(namespace: namespace.path))
        let dump = try DeviceDump(of: "wg0", in: namespace)
        var messages = try dump.receive()
        try await writer.apply([change])
        while messages.last?.isDone == false { messages += try dump.receive() }
        let isMarked = messages.contains { $0.isDumpInterrupted }
        #expect(isMarked, "the kernel does not tell of changes")

        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    if let error = await refusal(of: { try await writer.apply([change]) }) {
                        Issue.record(error)
                        return
                    }
                }
            }
            for _ in 0..<3 {
                do throws(NetlinkError) {
                    #expect(try await device.snapshot().peers.count == 5_000)
                } catch {
                    let busy = "Device or resource busy (kernel: the list changed during each of 10 dumps)"
                    #expect(error.description == "read wg0: \(busy)")
                }
            }
            group.cancelAll()
        }
        #expect(try await device.snapshot().peers.count == 5_000)
    }

    @Test func `a device that is removed at any moment is there as a whole or not at all`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let remover = HostNetwork(transport: try NetlinkSocket(namespace: namespace.path))
        var seen: Set<String> = []
        for round in 0..<6 {
            let device = try await fill(100, in: namespace)
            let outcome = await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    // Each round a little later.
                    for _ in 0..<round { _ = await refusal { try await remover.link(named: "lo") } }
                    #expect(await refusal { try await remover.apply(links: [.remove(link: "wg0")]) } == nil)
                }
                let result: Result<Int, NetlinkError>
                do throws(NetlinkError) {
                    result = .success(try await device.snapshot().peers.count)
                } catch {
                    result = .failure(error)
                }
                await group.waitForAll()
                return result
            }
            switch outcome {
            case .success(let count):
                #expect(count == 100, "round \(round)")
                seen.insert("whole")
            case .failure(let error):
                #expect(error.description == "read wg0: No such device", "round \(round)")
                seen.insert("gone")
            }
            #expect(try await host.link(named: "wg0") == nil)
        }
        #expect(seen.contains("whole"))
    }

    @Test func `a hundred writers at once lose nothing`() async throws {
        let (namespace, device) = try await makeDevice(peers: 0)
        let path = namespace.path
        let disputed = try #require(IPPrefix("10.0.0.0/8"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                let own = try key(number)
                let prefixes = try (0..<20).map { try prefix(number, $0) }
                group.addTask {
                    // A socket each, as of a hundred programs.
                    let device = WireGuardDevice(name: "wg0", transport: try NetlinkSocket(namespace: path))
                    for prefix in prefixes {
                        let change = PeerChange(publicKey: own, addedAllowedIPs: [prefix, disputed])
                        try await device.apply([.setPeer(change)])
                    }
                    let last = PeerChange(publicKey: own, updateOnly: true, persistentKeepaliveSeconds: 25)
                    try await device.apply([.setPeer(last)])
                }
            }
            try await group.waitForAll()
        }
        let peers = try await device.snapshot().peers
        #expect(peers.count == 100)
        for number in 0..<100 {
            let own = try key(number)
            let peer = try #require(peers.first { $0.publicKey == own })
            let wanted = Set(try (0..<20).map { try prefix(number, $0) })
            #expect(Set(peer.allowedIPs).subtracting([disputed]) == wanted)
            #expect(peer.persistentKeepaliveSeconds == 25)
        }
        // Each prefix has one owner, whoever was last.
        #expect(peers.filter { $0.allowedIPs.contains(disputed) }.count == 1)
        #expect(try namespace.run("sh", "-c", "wg show wg0 allowed-ips | wc -w") == "2101\n")
    }

    @Test func `many readers and a writer that adds links see every link that stays`() async throws {
        let namespace = try KernelNamespace()
        let loop = "for i in $(seq 300); do echo link add s$i type dummy; done"
        try runProgram(["sh", "-c", "(\(loop)) | ip -n \(namespace.name) -batch -"])
        let stable = Set((1...300).map { "s\($0)" })
        let writer = HostNetwork(transport: try NetlinkSocket(namespace: namespace.path))
        let path = namespace.path
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    let link = LinkCreation(name: "come0", kind: "dummy")
                    if let error = await refusal(of: {
                        try await writer.apply(links: [.create(link), .remove(link: link.name)])
                    }) {
                        Issue.record(error)
                        return
                    }
                }
            }
            await withTaskGroup(of: Void.self) { readers in
                for _ in 0..<4 {
                    readers.addTask {
                        do {
                            let host = HostNetwork(transport: try NetlinkSocket(namespace: path))
                            for _ in 0..<20 {
                                let names = Set(try await host.links().map(\.name))
                                #expect(names.isSuperset(of: stable), "an interrupted dump was taken for a whole one")
                            }
                        } catch let error as NetlinkError {
                            // Ten dumps in a row were interrupted, and said so.
                            #expect(error.code == EBUSY, "\(error)")
                        } catch {
                            Issue.record(error)
                        }
                    }
                }
            }
            group.cancelAll()
        }
    }
}

extension LoadKernelTests {
    private func makeDevice(peers: Int) async throws -> (KernelNamespace, WireGuardDevice<NetlinkSocket>) {
        let namespace = try KernelNamespace()
        return (namespace, try await fill(peers, in: namespace))
    }

    /// A new device `wg0`. Without a private key of its own, peers cost the kernel no curve computation.
    private func fill(_ peers: Int, in namespace: KernelNamespace) async throws -> WireGuardDevice<NetlinkSocket> {
        try await HostNetwork(transport: namespace.transport).apply(links: [.create(LinkCreation(name: "wg0"))])
        let device = WireGuardDevice(name: "wg0", transport: namespace.transport)
        try await device.apply(
            try (0..<peers).map { number in
                .setPeer(PeerChange(publicKey: try key(number), addedAllowedIPs: [try prefix(number, 0)]))
            }
        )
        return device
    }

    private func key(_ number: Int) throws -> PublicKey {
        let bytes = [UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 3, count: 30)
        return try #require(PublicKey(bytes: bytes))
    }

    private func prefix(_ number: Int, _ item: Int) throws -> IPPrefix {
        try #require(IPPrefix("10.\(number >> 8).\(number & 255).\(item)/32"))
    }
}

/// A dump of a device under way, one datagram at a time: things can happen between two.
private final class DeviceDump {
    private let socket: OpaquePointer

    init(of name: String, in namespace: KernelNamespace) throws {
        var code: Int32 = 0
        let opened = CNetlink_open(NETLINK_GENERIC, namespace.path, 60, &code)
        socket = try #require(opened, "opening a socket: \(code)")
        var payload = AttributeEncoder(header: [UInt8(WG_CMD_GET_DEVICE.rawValue), UInt8(WG_GENL_VERSION), 0, 0])
        payload.append(Int(WGDEVICE_A_IFNAME.rawValue), string: name)
        let request = NetlinkMessage(
            type: UInt16(CNetlink_resolveFamily(WG_GENL_NAME)),
            flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP),
            sequence: 1,
            payload: payload.bytes
        ).encode()
        try #require(CNetlink_send(socket, request, request.count) == 0)
    }

    deinit { CNetlink_close(socket) }

    func receive() throws -> [NetlinkMessage] {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let size = CNetlink_receive(socket, &buffer, buffer.count)
        try #require(size > 0, "receiving: \(size)")
        return try NetlinkMessage.decode(datagram: buffer[..<size])
    }
}
