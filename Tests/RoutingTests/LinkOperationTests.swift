import NetlinkWire
import Routing
import TestSupport
import Testing

struct LinkOperationTests {
    @Test func `operations read as commands of ip`() {
        let operations: [LinkOperation] = [
            .create(LinkCreation(name: "wg0", index: 7, mtuBytes: 1280, namespace: .process(id: 42))),
            .create(LinkCreation(name: "d0", kind: "dummy")), .rename(link: "wg0", to: "wg1"),
            .setAlias(link: "wg1", alias: "the office"), .setUp(link: "wg1"), .setDown(link: "wg1"),
            .move(link: "wg1", to: .process(id: 42), name: nil), .move(link: "wg1", to: .descriptor(9), name: "wg0"),
            .remove(link: "wg1"),
        ]
        #expect(
            operations.map(\.description) == [
                "ip link add dev wg0 index 7 mtu 1280 netns 42 type wireguard", "ip link add dev d0 type dummy",
                "ip link set dev wg0 name wg1", "ip link set dev wg1 alias \"the office\"", "ip link set dev wg1 up",
                "ip link set dev wg1 down", "ip link set dev wg1 netns 42",
                "ip link set dev wg1 netns /proc/self/fd/9 name wg0", "ip link del dev wg1",
            ]
        )
    }

    @Test func `a move is ifinfomsg, the namespace and the new name`() async throws {
        // struct ifinfomsg of link 5, and IFLA_IFNAME "wg0": what the kernel answers to the question for it.
        let link = bytes("00000000 05000000 00000000 00000000 08000300 77673000")
        let reply = NetlinkMessage(type: 16, payload: link)
        let netlink = RecordingNetlink(replies: [.success([reply]), .success([]), .success([reply]), .success([])])
        let host = HostNetwork(transport: netlink)
        try await host.apply(links: [
            .move(link: "wg0", to: .descriptor(9), name: "wg1"), .move(link: "wg0", to: .process(id: 42), name: nil),
        ])
        let requests = await netlink.requests
        #expect(requests.count == 4)
        #expect(
            requests[0].payload.hex
                == bytes("00000000 00000000 00000000 00000000 08000300 77673000 08001d00 08000000").hex
        )
        let header = "00000000 05000000 00000000 00000000"
        // IFLA_NET_NS_FD (28), IFLA_IFNAME (3); IFLA_NET_NS_PID (19).
        #expect(requests[1].payload.hex == bytes(header + "08001c00 09000000 08000300 77673100").hex)
        #expect(requests[3].payload.hex == bytes(header + "08001300 2a000000").hex)
        #expect(requests[1].target == .routing(type: 19))
    }

    @Test func `links are made, renamed, moved and removed`() async throws {
        let kernel = FakeKernel()
        let host = HostNetwork(transport: kernel)
        try await host.apply(links: [.create(LinkCreation(name: "wg0", index: 9)), .create(LinkCreation(name: "wg1"))])
        #expect(try await host.link(named: "wg0")?.index == 9)
        #expect(try await host.link(named: "wg1")?.index == 10)
        try await host.apply(links: [.rename(link: "wg0", to: "wg2"), .setUp(link: "wg2")])
        #expect(await kernel.devices.keys.sorted() == ["wg1", "wg2"])
        let busy = await #expect(throws: NetlinkError.self) {
            try await host.apply(links: [.rename(link: "wg2", to: "wg3"), .remove(link: "wg1")])
        }
        #expect(busy?.description == "ip link set dev wg2 name wg3: Device or resource busy")
        #expect(try await host.link(named: "wg1") != nil, "what comes after a failure is not done")
        try await host.apply(links: [.setDown(link: "wg2"), .move(link: "wg2", to: .process(id: 1), name: nil)])
        try await host.apply(links: [.remove(link: "wg1"), .remove(link: "wg1")])
        #expect(try await host.links().map(\.name) == ["lo"])
        let absent = await #expect(throws: NetlinkError.self) { try await host.apply(links: [.setUp(link: "wg1")]) }
        #expect(absent?.isNoSuchDevice == true && absent?.operation == "ip link set dev wg1 up")
    }

    @Test(
        arguments: [
            .create(LinkCreation(name: "a/b")), .create(LinkCreation(name: "wg0", kind: "")),
            .create(LinkCreation(name: "wg0", index: .max)), .rename(link: "lo", to: "sixteen-bytes-xx"),
            .setAlias(link: "lo", alias: String(repeating: "x", count: 256)),
            .move(link: "lo", to: .process(id: 1), name: ""), .remove(link: ""),
        ] as [LinkOperation]
    )
    func `what the kernel would refuse or cut is not sent`(operation: LinkOperation) async throws {
        let kernel = FakeKernel()
        let error = await #expect(throws: NetlinkError.self) {
            try await HostNetwork(transport: kernel).apply(links: [operation])
        }
        #expect(error?.code == 22 && error?.operation == operation.description)
        #expect(await kernel.requests.isEmpty)
    }
}
