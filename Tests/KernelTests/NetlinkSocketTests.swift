import CNetlink
import Glibc
import NetlinkSocket
import NetlinkWire
import Routing
import Synchronization
import Testing

private let handledSignals = Atomic(0)

/// Receives one datagram on a thread of its own.
private final class Reader: Sendable {
    let socket: UncheckedPointer
    /// What `CNetlink_receive` returned; 0: it has not.
    let outcome = Atomic(0)

    init(socket: UncheckedPointer) { self.socket = socket }

    static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let reader = Unmanaged<Reader>.fromOpaque(argument).takeUnretainedValue()
        // The thread that made this one is Dispatch's, which takes no signals.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        // As a socket does it: how much is there, then all of it.
        let queued = CNetlink_peek(reader.socket.pointer)
        let size = queued < 0 ? queued : CNetlink_receive(reader.socket.pointer, &buffer, buffer.count)
        reader.outcome.store(size, ordering: .sequentiallyConsistent)
        return nil
    }
}

/// A socket that two threads use, one to send and one to receive, which the kernel allows.
private struct UncheckedPointer: Sendable {
    nonisolated(unsafe) let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}

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

    @Test func `a signal while waiting for the kernel does not end the wait`() throws {
        var code: Int32 = 0
        let socket = UncheckedPointer(try #require(CNetlink_open(NETLINK_ROUTE, nil, 60, &code)))
        defer { CNetlink_close(socket.pointer) }
        // Without SA_RESTART; and a receive time limit makes the kernel end the call with EINTR either way.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in handledSignals.add(1, ordering: .sequentiallyConsistent) }
        var former = sigaction()
        try #require(sigaction(SIGUSR2, &action, &former) == 0)
        defer { sigaction(SIGUSR2, &former, nil) }
        let reader = Reader(socket: socket)
        var thread = pthread_t()
        let start = pthread_create(&thread, nil, { Reader.run($0) }, Unmanaged.passUnretained(reader).toOpaque())
        try #require(start == 0)
        for wanted in 1...50 {
            while handledSignals.load(ordering: .sequentiallyConsistent) < wanted {
                pthread_kill(thread, SIGUSR2)
                usleep(1000)
            }
        }
        #expect(reader.outcome.load(ordering: .sequentiallyConsistent) == 0, "the wait ended without an answer")
        // struct rtgenmsg: a dump of all links.
        let flags = UInt16(NLM_F_REQUEST | NLM_F_DUMP)
        let header = NetlinkMessage(type: UInt16(RTM_GETLINK), flags: flags, sequence: 1, payload: [0, 0, 0, 0])
        let request = header.encode()
        #expect(CNetlink_send(socket.pointer, request, request.count) == 0)
        pthread_join(thread, nil)
        #expect(reader.outcome.load(ordering: .sequentiallyConsistent) > 0)
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
