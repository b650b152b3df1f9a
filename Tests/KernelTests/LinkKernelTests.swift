import CNetlink
import Foundation
import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing
import WGKernel

/// Ring 4: links made, renamed, moved and removed on a real kernel, with `ip` and `wg` as the witnesses.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct LinkKernelTests {
    @Test func `a link is made with the index, MTU and alias that are asked for`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        let creation = LinkCreation(name: "wg0", index: 4711, mtuBytes: 1380)
        try await host.apply(links: [.create(creation), .setAlias(link: "wg0", alias: "office"), .setUp(link: "wg0")])
        let link = try #require(try await host.link(named: "wg0"))
        #expect(link.index == 4711 && link.mtuBytes == 1380 && link.alias == "office" && link.isUp)
        #expect(link.kind == "wireguard" && link.group == 0)
        let listed = try namespace.run("ip", "-d", "link", "show", "wg0")
        #expect(listed.hasPrefix("4711: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1380"))
        #expect(listed.contains("wireguard") && listed.contains("alias office"))
        #expect(try await host.link(named: "wg1") == nil)

        let taken = await refusal { try await host.apply(links: [.create(LinkCreation(name: "wg1", index: 4711))]) }
        #expect(taken?.isExists == true)
        #expect(taken?.operation == "ip link add dev wg1 index 4711 type wireguard")
        let again = await refusal { try await host.apply(links: [.create(LinkCreation(name: "wg0"))]) }
        #expect(again?.isExists == true)
        let unknown = await refusal {
            try await host.apply(links: [.create(LinkCreation(name: "wg2", kind: "nonsense"))])
        }
        #expect(unknown?.isNotSupported == true)
        try await host.apply(links: [.setAlias(link: "wg0", alias: "")])
        #expect(try await host.link(named: "wg0")?.alias == nil)
        try await host.apply(links: [.remove(link: "wg0"), .remove(link: "wg0")])
        #expect(try namespace.run("ip", "-o", "link").split(separator: "\n").count == 1)
    }

    @Test func `a renamed link keeps its peers, and one that is up is renamed or busy`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        try await host.apply(links: [.create(LinkCreation(name: "old0"))])
        try namespace.run("sh", "-c", "wg set old0 peer $(wg genkey | wg pubkey) allowed-ips 10.0.0.0/8")
        let before = try await WireGuardDevice(name: "old0", transport: namespace.transport).snapshot()
        try await host.apply(links: [.rename(link: "old0", to: "new0")])
        let after = try await WireGuardDevice(name: "new0", transport: namespace.transport).snapshot()
        #expect(after.peers == before.peers && after.index == before.index && after.name == "new0")
        #expect(try await host.link(named: "old0") == nil)

        try await host.apply(links: [.setUp(link: "new0")])
        let busy = await refusal { try await host.apply(links: [.rename(link: "new0", to: "newer0")]) }
        // Kernel 6.2 renames a link that is up; before, it is busy, and goes on as it was.
        let isOld = try kernelVersion() < (6, 2)
        #expect(isOld ? busy?.code == EBUSY : busy == nil)
        if isOld {
            #expect(busy?.description == "ip link set dev new0 name newer0: Device or resource busy")
            try await host.apply(links: [
                .setDown(link: "new0"), .rename(link: "new0", to: "newer0"), .setUp(link: "newer0"),
            ])
        }
        #expect(try await host.link(named: "newer0")?.isUp == true)
        let taken = await refusal {
            try await host.apply(links: [.setDown(link: "newer0"), .rename(link: "newer0", to: "lo")])
        }
        #expect(taken?.isExists == true)
        let absent = await refusal { try await host.apply(links: [.rename(link: "old0", to: "x0")]) }
        #expect(absent?.isNoSuchDevice == true && absent?.operation == "ip link set dev old0 name x0")
    }

    @Test func `a link moves to the namespace of a descriptor, and keeps its configuration`() async throws {
        let (here, there) = (try KernelNamespace(), try KernelNamespace())
        let (host, other) = (HostNetwork(transport: here.transport), HostNetwork(transport: there.transport))
        let descriptor = open("/run/netns/\(there.name)", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try await host.apply(links: [.create(LinkCreation(name: "wg0")), .create(LinkCreation(name: "wg1"))])
        try here.run("sh", "-c", "wg genkey | wg set wg0 private-key /dev/stdin fwmark 7")
        try here.run("sh", "-c", "wg set wg0 peer $(wg genkey | wg pubkey) endpoint 192.0.2.1:7 allowed-ips ::/0")
        let configuration = try here.run("wg", "showconf", "wg0")
        try await host.apply(links: [.move(link: "wg0", to: .descriptor(descriptor), name: nil)])
        #expect(try await host.link(named: "wg0") == nil)
        #expect(try there.run("wg", "showconf", "wg0") == configuration)
        #expect(try await other.link(named: "wg0")?.kind == "wireguard")

        // The name is taken there; with another one it goes.
        try await host.apply(links: [.rename(link: "wg1", to: "wg0")])
        let taken = await refusal {
            try await host.apply(links: [.move(link: "wg0", to: .descriptor(descriptor), name: nil)])
        }
        #expect(taken?.isExists == true)
        #expect(taken?.operation == "ip link set dev wg0 netns /proc/self/fd/\(descriptor)")
        try await host.apply(links: [.move(link: "wg0", to: .descriptor(descriptor), name: "wg1")])
        #expect(try await other.wireGuardLinkNames().sorted() == ["wg0", "wg1"])
        #expect(try await host.wireGuardLinkNames() == [])

        let creation = LinkCreation(name: "wg2", namespace: .descriptor(descriptor))
        try await host.apply(links: [.create(creation)])
        #expect(try await host.link(named: "wg2") == nil)
        #expect(try there.run("ip", "-o", "link", "show", "wg2").contains("wg2"))
        let nonsense = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(nonsense) }
        try await host.apply(links: [.create(LinkCreation(name: "wg3"))])
        let refused = await refusal {
            try await host.apply(links: [.move(link: "wg3", to: .descriptor(nonsense), name: nil)])
        }
        #expect(refused?.code == EINVAL)
        #expect(try await host.link(named: "wg3") != nil)
    }

    @Test func `a link moves to the namespace of a process`() async throws {
        let (here, there) = (try KernelNamespace(), try KernelNamespace())
        let host = HostNetwork(transport: here.transport)
        try await host.apply(links: [.create(LinkCreation(name: "wg0"))])
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Its line says that it is there, `ip` having become the shell.
        process.arguments = ["ip", "netns", "exec", there.name, "sh", "-c", "echo $$; exec cat"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let id = try #require(Int32(line.dropLast()))
        #expect(id == process.processIdentifier)
        try await host.apply(links: [.move(link: "wg0", to: .process(id: id), name: "moved0")])
        #expect(try there.run("ip", "-d", "link", "show", "moved0").contains("wireguard"))
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        try await host.apply(links: [.create(LinkCreation(name: "wg0"))])
        let gone = await refusal { try await host.apply(links: [.move(link: "wg0", to: .process(id: id), name: nil)]) }
        #expect(gone?.code == ESRCH)
        #expect(gone?.operation == "ip link set dev wg0 netns \(id)")
    }

    @Test func `names that no link can have are refused before the kernel sees them`() async throws {
        let namespace = try KernelNamespace()
        let host = HostNetwork(transport: namespace.transport)
        for name in ["", "a/b", "a b", ".", "sixteen-bytes-xx"] {
            let operations: [LinkOperation] = [
                .create(LinkCreation(name: name)), .rename(link: "lo", to: name), .setUp(link: name),
                .move(link: "lo", to: .process(id: 1), name: name),
            ]
            for operation in operations {
                #expect(await refusal { try await host.apply(links: [operation]) }?.code == EINVAL, "\(operation)")
            }
        }
        #expect(try namespace.run("ip", "-o", "link").split(separator: "\n").count == 1)
    }
}

/// The error of the kernel layer that `body` ends with; `nil`: none, or another one, which is then recorded.
func refusal(of body: () async throws -> some Any) async -> NetlinkError? {
    do {
        _ = try await body()
    } catch let error as NetlinkError {
        return error
    } catch {
        Issue.record(error)
    }
    return nil
}

/// As `uname -r` begins.
func kernelVersion() throws -> (Int, Int) {
    let numbers = try runProgram(["uname", "-r"]).split(separator: ".", maxSplits: 2).compactMap { Int($0) }
    try #require(numbers.count == 2)
    return (numbers[0], numbers[1])
}
