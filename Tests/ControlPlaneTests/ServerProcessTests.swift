import Foundation
import GRPCCore
import MeshModel
import MeshProto
import Testing

@testable import ControlPlane

/// The program as people run it: processes, signals, exit status.
@Suite(.timeLimit(.minutes(1)))
struct ServerProcessTests {
    @Test func `a key made beside the running server works, and SIGTERM ends streams and server in order`() async throws
    {
        try await withTemporaryFolder { folder in
            let server = try ServerProcess(["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"])
            let endpoint = try await server.endpoint()
            let made = try await ServerProcess.run(["setup-key", "create", "--data-dir", folder])
            #expect(made.status == 0)
            let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            try await TestMesh.connect(to: endpoint) { client in
                let mesh = TestMesh(
                    folder: folder,
                    endpoint: endpoint,
                    management: .init(wrapping: client),
                    signal: .init(wrapping: client)
                )
                let peer = try await mesh.join("a", setupKey: key)
                try await mesh.following(peer) { stream in
                    _ = try await stream.map()
                    let peers = try await ServerProcess.run(["peer", "list", "--data-dir", folder])
                    #expect(peers.output.contains(" connected ") && peers.output.contains(peer.publicKey.base64))
                    #expect(try await ServerProcess.run(["peer", "delete", "--data-dir", folder, "a"]).status == 0)
                    #expect(try await stream.response().networkMap.remotePeersIsEmpty)
                    #expect(try await stream.end() == nil)
                }
                let second = try await mesh.join("b", setupKey: key)
                try await mesh.following(second) { stream in
                    _ = try await stream.map()
                    server.terminate()
                    let end = try await stream.end()
                    #expect(end == nil)
                }
            }
            let ended = await server.ended()
            #expect(ended.status == 0)
            #expect(!ended.errors.contains(key) && !ended.errors.contains(key.lowercased()))
            let peers = try await ServerProcess.run(["peer", "list", "--data-dir", folder])
            #expect(peers.output.contains("last seen"))
        }
    }

    @Test func `a route made beside the running server is in the maps of both its ends within a second`() async throws {
        try await withTemporaryFolder { folder in
            let server = try ServerProcess(["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"])
            let endpoint = try await server.endpoint()
            func run(_ arguments: String...) async throws -> String {
                let ended = try await ServerProcess.run(arguments + ["--data-dir", folder])
                #expect(ended.status == 0, "\(arguments): \(ended.errors)")
                return ended.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            let key = try await run("setup-key", "create")
            try await TestMesh.connect(to: endpoint) { client in
                let mesh = TestMesh(
                    folder: folder,
                    endpoint: endpoint,
                    management: .init(wrapping: client),
                    signal: .init(wrapping: client)
                )
                let router = try await mesh.join("router", setupKey: key)
                let host = try await mesh.join("host", setupKey: key)
                let bystander = try await mesh.join("bystander", setupKey: key)
                _ = try await run("group", "create", "clients")
                #expect(try await run("group", "add-peer", "clients", "host") == "clients: host")
                try await mesh.following(bystander) { bystanderStream in
                    let bystanderFirst = try await bystanderStream.map().map
                    try await mesh.following(router) { routerStream in
                        try await mesh.following(host) { hostStream in
                            let first = (try await routerStream.map().map, try await hostStream.map().map)
                            #expect(first.0.routes.isEmpty && first.1.routes.isEmpty)
                            let id = try await run(
                                "route",
                                "create",
                                "--network-id",
                                "exit",
                                "--prefix",
                                "0.0.0.0/0",
                                "--peer",
                                "router",
                                "--group",
                                "clients",
                                "--metric",
                                "50",
                                "--auto-apply",
                                "off"
                            )
                            let routed = (try await routerStream.map(), try await hostStream.map())
                            #expect(routed.0.waited + routed.1.waited < .seconds(1))
                            #expect(routed.0.map.serial > first.0.serial && routed.1.map.serial > first.1.serial)
                            for map in [routed.0.map, routed.1.map] {
                                #expect(map.routes.map(\.id) == [id, id + "-v6-default"])
                                #expect(map.routes.map(\.prefix) == [IPPrefix("0.0.0.0/0"), IPPrefix("::/0")])
                                #expect(map.routes.map(\.routingPeer) == [router.publicKey, router.publicKey])
                                #expect(map.routes.map(\.metric) == [50, 50])
                                #expect(map.routes.map(\.skipAutoApply) == [true, true])
                            }
                            #expect(routed.0.map.routeFirewallRules.count == 2)
                            #expect(routed.1.map.routeFirewallRules.isEmpty)
                            #expect(try await run("route", "list").contains("exit"))
                            #expect(try await run("route", "update", "exit", "--metric", "9").contains(id))
                            #expect(try await hostStream.map().map.routes.map(\.metric) == [9, 9])
                            #expect(try await run("route", "delete", "exit").contains(id))
                            #expect(try await hostStream.map().map.routes.isEmpty)
                        }
                    }
                    // The next thing that concerns the bystander is a host that leaves: it was told of no route.
                    _ = try await run("peer", "delete", "host")
                    let next = try await bystanderStream.map().map
                    #expect(next.peers.count == bystanderFirst.peers.count - 1)
                }
            }
            server.terminate()
            #expect(await server.ended().status == 0)
        }
    }

    @Test func `whatever prevents a start is one line and a status of its own`() async throws {
        try await withTemporaryFolder { folder in
            let first = try ServerProcess(["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"])
            let endpoint = try await first.endpoint()
            try await withTemporaryFolder { other in
                let taken = try await ServerProcess.run(["serve", "--data-dir", other, "--listen", "\(endpoint)"])
                #expect(taken.status == ExitStatus.portTaken.rawValue)
                #expect(taken.lines == 1 && taken.errors.contains("\(endpoint)"))
                let twice = try await ServerProcess.run(["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"])
                #expect(twice.status == ExitStatus.alreadyRunning.rawValue && twice.lines == 1)
                try Data("not a database".utf8).write(to: URL(filePath: other + "/server.db"))
                for command in [["serve", "--listen", "127.0.0.1:0"], ["peer", "list"], ["setup-key", "create"]] {
                    let damaged = try await ServerProcess.run(command + ["--data-dir", other])
                    #expect(damaged.status == ExitStatus.databaseDamaged.rawValue && damaged.lines == 1)
                    #expect(damaged.errors.contains("restore it from a backup"))
                }
            }
            first.terminate()
            #expect(await first.ended().status == 0)
        }
    }

    @Test(arguments: [
        ["serve", "--listen", "nowhere"], ["serve", "--public-address", "http://mesh.example"],
        ["serve", "--tls-cert", "cert.pem"], ["serve", "--domain", "-"], ["serve", "--log-level", "loud"],
        ["setup-key", "create", "--expires", "soon"],
        ["setup-key", "create", "--type", "one-off", "--usage-limit", "2"],
        ["peer", "delete"], ["dance"], ["group", "create", ""], ["group", "add-peer", "a"],
        ["route", "create", "--prefix", "10.1.0.0/16", "--peer", "a", "--group", "All"],
        ["route", "create", "--network-id", "n", "--peer", "a", "--group", "All"],
        ["route", "create", "--network-id", "n", "--prefix", "10.1.0.5/16", "--peer", "a", "--group", "All"],
        ["route", "create", "--network-id", "n", "--prefix", "10.1.0.0/16", "--group", "All"],
        ["route", "create", "--network-id", "n", "--prefix", "10.1.0.0/16", "--peer", "a"],
        ["route", "update", "n"], ["route", "update", "n", "--metric", "10000"],
        ["route", "update", "n", "--prefix", "10.1.0.0/16", "--domain", "a.example"],
        ["route", "update", "n", "--masquerade", "maybe"],
        ["network", "add-resource", "n", "--name", "r", "--address", "0.0.0.0/0", "--group", "All"],
        ["network", "add-resource", "n", "--name", "r", "--address", "10.1.0.0/16"],
        ["setup", "--email", "o@x.org"], ["setup", "--email", "o@x.org", "--name", "O", "--days", "366"],
        ["token", "create", "--days", "0"],
        ["network", "add-router", "n"], ["network", "add-router", "n", "--peer", "a", "--peer-group", "g"],
    ])
    func `wrong usage ends with 2`(arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let result = try await ServerProcess.run(arguments, environment: ["WGMESH_SERVER_DATA_DIR": folder])
            #expect(result.status == ExitStatus.usage.rawValue)
            #expect(!result.errors.isEmpty && result.output.isEmpty)
        }
    }

    @Test func `the owner and tokens are made without a browser`() async throws {
        try await withTemporaryFolder { folder in
            let data = ["--data-dir", folder]
            let setup = ["setup", "--email", "o@x.org", "--name", "Olga"] + data
            let early = try await ServerProcess.run(["setup-key", "create"] + data)
            #expect(early.status == 0)
            let ownerless = try await ServerProcess.run(["token", "create"] + data)
            #expect(ownerless.status == ExitStatus.failure.rawValue && ownerless.errors.contains("wgmesh-server setup"))
            let made = try await ServerProcess.run(setup)
            #expect(AccessToken(made.output.trimmingCharacters(in: .whitespacesAndNewlines)) != nil)
            let again = try await ServerProcess.run(setup)
            #expect(again.status == ExitStatus.failure.rawValue && again.lines == 1 && again.output.isEmpty)
            let token = try await ServerProcess.run(["token", "create", "--name", "ci", "--days", "7"] + data)
            #expect(AccessToken(token.output.trimmingCharacters(in: .whitespacesAndNewlines)) != nil)
            let list = try await ServerProcess.run(["token", "list"] + data).output
            #expect(list.contains(" ci ") && list.contains(" setup ") && !list.contains("nbp_"))
            #expect(try await ServerProcess.run(["token", "delete", "ci"] + data).status == 0)
            #expect(try await !ServerProcess.run(["token", "list"] + data).output.contains(" ci "))
        }
    }

    @Test func `the environment stands in for flags`() async throws {
        try await withTemporaryFolder { folder in
            let environment = ["WGMESH_SERVER_DATA_DIR": folder, "WGMESH_SERVER_LISTEN": "nowhere"]
            let serve = try await ServerProcess.run(["serve"], environment: environment)
            let create = try await ServerProcess.run(["setup-key", "create"], environment: environment)
            #expect(serve.status == 2 && create.status == 0)
            #expect(FileManager.default.fileExists(atPath: folder + "/server.db"))
        }
    }

    @Test func `a mistyped folder gets no mesh from a command that only looks`() async throws {
        try await withTemporaryFolder { folder in
            for path in [folder, folder + "/typo"] {
                for command in [
                    ["peer", "list"], ["peer", "delete", "a"], ["setup-key", "list"], ["setup-key", "revoke", "a"],
                    ["group", "list"], ["group", "create", "g"], ["route", "list"], ["route", "delete", "n"],
                    ["network", "list"], ["network", "create", "n"], ["token", "list"], ["token", "create"],
                ] {
                    let result = try await ServerProcess.run(command + ["--data-dir", path])
                    #expect(result.status == ExitStatus.failure.rawValue)
                    #expect(result.lines == 1 && result.errors.contains("--data-dir"))
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    @Test func `what is not there is named`() async throws {
        try await withTemporaryFolder { folder in
            _ = try await ServerProcess.run(["setup-key", "create", "--data-dir", folder])
            for command in [
                ["peer", "delete"], ["setup-key", "revoke"], ["group", "delete"], ["route", "delete"],
                ["route", "update", "--metric", "5"], ["network", "delete"], ["token", "delete"],
                ["token", "create", "--user"],
            ] {
                let result = try await ServerProcess.run(command + ["nobody", "--data-dir", folder])
                #expect(result.status == ExitStatus.failure.rawValue)
                #expect(result.lines == 1 && result.errors.contains("nobody"))
            }
        }
    }
}

/// One run of wgmesh-server, from the folder that the tests were built into.
private struct ServerProcess: Sendable {
    struct Ended: Sendable {
        var status: Int32
        var output: String
        var errors: String
        /// Lines on standard error.
        var lines: Int { errors.split(separator: "\n").count }
    }

    private let process: SendableProcess
    private let folder: URL

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "wgmesh-process-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(filePath: own).deletingLastPathComponent().appending(path: "wgmesh-server")
        process.arguments = arguments
        // Tests run side by side: each takes a port of the kernel's choice.
        process.environment = ProcessInfo.processInfo.environment
            .merging(["WGMESH_SERVER_STUN_LISTEN": "127.0.0.1:0"]) { $1 }.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        // Files, not pipes: nobody has to read for the program to go on.
        process.standardOutput = try Self.file(folder.appending(path: "output"))
        process.standardError = try Self.file(folder.appending(path: "errors"))
        try process.run()
        self.process = SendableProcess(process: process)
    }

    /// Runs to the end.
    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Ended {
        await (try ServerProcess(arguments, environment: environment)).ended()
    }

    /// Where it listens, as its first log line says.
    func endpoint() async throws -> MeshModel.Endpoint {
        while process.process.isRunning {
            let text = errors
            if let match = text.firstMatch(of: /\ listen=(\S+)/), let endpoint = MeshModel.Endpoint(String(match.1)) {
                return endpoint
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("the server ended: \(errors)")
        throw CancellationError()
    }

    func terminate() { process.process.terminate() }

    func ended() async -> Ended {
        while process.process.isRunning {
            guard await wait(.milliseconds(20)) else { break }  // cancelled by the test's time limit
        }
        defer { _ = try? FileManager.default.removeItem(at: folder) }  // what stays in /tmp harms nobody
        return Ended(status: process.process.terminationStatus, output: text("output"), errors: errors)
    }

    private var errors: String { text("errors") }

    private func text(_ name: String) -> String {
        (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)) ?? ""  // missing: nothing was written
    }

    private static func file(_ url: URL) throws -> FileHandle {
        try Data().write(to: url)
        return try FileHandle(forWritingTo: url)
    }
}

/// `Process` locks its own state on Linux (swift-corelibs-foundation), it only does not say so.
private struct SendableProcess: @unchecked Sendable {
    let process: Process
}
