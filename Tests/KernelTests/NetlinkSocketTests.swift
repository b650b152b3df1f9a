import Glibc
import NetlinkSocket
import NetlinkWire
import Routing
import Testing

/// What any kernel answers to anybody: no privilege, no WireGuard.
@Suite(.serialized)
struct NetlinkSocketTests {
    @Test func `the loopback link and its addresses are listed`() async throws {
        let host = HostNetwork(transport: try NetlinkSocket())
        let snapshot = try await host.snapshot(linkName: "lo")
        let loopback = try #require(snapshot.link)
        #expect(loopback.index == 1 && loopback.isLoopback && loopback.kind == nil)
        #expect(loopback.mtuBytes > 0)
        #expect(snapshot.addresses.allSatisfy { address in snapshot.links.contains { $0.index == address.linkIndex } })
    }

    @Test func `many requests at once each get their own answer`() async throws {
        let host = HostNetwork(transport: try NetlinkSocket())
        let expected = try await host.links().map(\.name)
        try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<50 { group.addTask { try await host.links().map(\.name) } }
            for try await names in group { #expect(names == expected) }
        }
    }

    @Test func `an unknown family is named in the error`() async throws {
        let target = NetlinkRequest.Target.generic(family: "wgmesh-none", command: 0, version: 1)
        let error = await #expect(throws: NetlinkError.self) {
            try await NetlinkSocket().execute(NetlinkRequest(operation: "read it", target: target, payload: []))
        }
        let expected = "read it: No such file or directory (kernel: no generic netlink family wgmesh-none)"
        #expect(error?.description == expected)
        #expect(error?.isNoSuchFamily == true)
    }

    @Test func `a refused request leaves the socket usable`() async throws {
        let socket = try NetlinkSocket()
        let nonsense = NetlinkRequest(operation: "x", target: .routing(type: 0xfff), payload: [1, 2, 3])
        for _ in 0..<3 {
            await #expect(throws: NetlinkError.self) { try await socket.execute(nonsense) }
            #expect(try await HostNetwork(transport: socket).links().contains { $0.name == "lo" })
        }
    }

    @Test func `sockets and monitors that go away close their descriptors`() async throws {
        // One round first: Dispatch opens descriptors of its own at first use.
        try await useOnce()
        let before = try openNetlinkSockets()
        for _ in 0..<20 { try await useOnce() }
        // Dispatch closes a moment after the cancellation, so the last few may still be open; a leak would be 60.
        #expect(try openNetlinkSockets() < before + 20)
    }

    /// Opens a socket and a monitor, and ends the monitor's reader by cancellation.
    private func useOnce() async throws {
        _ = try await HostNetwork(transport: try NetlinkSocket()).links()
        let monitor = try NetlinkMonitor()
        await withTaskGroup { group in
            group.addTask { for await _ in monitor.events {} }
            group.cancelAll()
        }
    }

    private func openNetlinkSockets() throws -> Int {
        let folder = try #require(opendir("/proc/self/fd"))
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            var address = sockaddr()
            var size = socklen_t(MemoryLayout<sockaddr>.size)
            guard let descriptor = Int32(name), getsockname(descriptor, &address, &size) == 0 else { continue }
            if Int32(address.sa_family) == AF_NETLINK { count += 1 }
        }
        return count
    }
}
