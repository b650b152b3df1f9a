import Foundation
import Glibc
import NetlinkSocket
import NetlinkWire
import Testing

/// Whether the runner asked for tests of the real kernel; then they fail, and do not skip, where WireGuard is missing.
let kernelTestsAreWanted = ProcessInfo.processInfo.environment["WGMESH_KERNEL_TESTS"] == "1"

/// A network namespace of its own for one test, and our sockets in it. Named, so that `ip` and `wg` find it.
final class KernelNamespace {
    let name: String
    /// What opens further sockets in it.
    var path: String { "/run/netns/\(name)" }
    let transport: NetlinkSocket
    let monitor: NetlinkMonitor

    init() throws {
        name = "wgmesh-test-\(UInt32.random(in: 0 ... .max))"
        try runProgram(["ip", "netns", "add", name])
        let own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        let other = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
        defer {
            close(own)
            close(other)
        }
        try #require(own >= 0 && other >= 0, "cannot open the namespaces")
        // The sockets stay where they were opened; this thread goes back before anything else runs on it.
        try #require(enterNamespace(other) == 0, "cannot enter namespace \(name): errno \(errno)")
        let result = Result { (try NetlinkSocket(), try NetlinkMonitor()) }
        precondition(enterNamespace(own) == 0, "cannot leave namespace \(name): errno \(errno)")
        (transport, monitor) = try result.get()
        try runProgram(["ip", "-n", name, "link", "set", "lo", "up"])
    }

    deinit {
        // A namespace that stays behind harms no other test, and the machine of these tests is thrown away.
        _ = try? runProgram(["ip", "netns", "del", name])
    }

    /// Runs a program in the namespace; its standard output.
    @discardableResult
    func run(_ program: String, _ arguments: String...) throws -> String {
        try runProgram(["ip", "netns", "exec", name, program] + arguments)
    }
}

/// `setns` of this thread to a network namespace; 0 for success. By name, since Glibc hides it from Swift (_GNU_SOURCE).
private func enterNamespace(_ descriptor: Int32) -> Int32 {
    typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
    guard let symbol = dlsym(nil, "setns") else { return -1 }
    let networkNamespace: Int32 = 0x4000_0000  // CLONE_NEWNET
    return unsafeBitCast(symbol, to: SetNamespace.self)(descriptor, networkNamespace)
}

/// Runs a program; its standard output. Fails the test if the program fails.
@discardableResult
func runProgram(_ command: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: data, as: UTF8.self)
    try #require(process.terminationStatus == 0, "\(command.joined(separator: " ")): \(process.terminationStatus)")
    return text
}
