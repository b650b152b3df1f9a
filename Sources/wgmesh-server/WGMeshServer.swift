import ArgumentParser
import CommandLineSupport
import ControlPlane
import MeshModel

/// The control plane of a wgmesh: the table of its commands.
struct WGMeshServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wgmesh-server",
        abstract: "Control plane of a wgmesh: who is in it, and who may talk to whom.",
        discussion: """
            Start it with `wgmesh-server serve`, make a key with `wgmesh-server setup-key create`, and join hosts with
            `wgmesh-agent run`. Commands work beside the running server.

            --data-dir and the options of serve can be given in the environment as well: --tls-cert is WGMESH_SERVER_TLS_CERT.
            """,
        version: "wgmesh-server \(serverVersion)",
        subcommands: [
            Serve.self, Setup.self, Token.self, SetupKey.self, Peer.self, Group.self, Route.self, Network.self,
        ]
    )
}

/// Where the state is; shared by all commands.
struct DataDirectoryOption: ParsableArguments {
    @Option(help: "Folder of the server's state. (default: /var/lib/wgmesh-server)")
    var dataDir: String?

    func path() -> String { dataDir ?? environment("data-dir") ?? "/var/lib/wgmesh-server" }

    /// - Parameter mayCreate: makes a new mesh if the folder holds none.
    /// - Throws: `CommandFailure`.
    func administration(mayCreate: Bool = false) throws -> Administration {
        try reporting { () throws(ServerFailure) in
            try Administration(dataDirectory: path(), mayCreate: mayCreate)
        }
    }
}

/// Turns the control plane's failures into those of the command line.
func reporting<Result>(_ body: () throws(ServerFailure) -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        throw CommandFailure(error.status, error.description)
    }
}

/// As above; anything else is told with the words it brings.
func reporting<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let failure as ServerFailure {
        throw CommandFailure(failure.status, failure.description)
    } catch {
        throw CommandFailure(.failure, "\(error)")
    }
}
