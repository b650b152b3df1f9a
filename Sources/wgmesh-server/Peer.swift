import ArgumentParser
import CommandLineSupport
import ControlPlane
import MeshModel

struct Peer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and delete the hosts of the mesh.",
        subcommands: [List.self, Delete.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the hosts, by name.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let peers = try await reporting { try await administration.peers() }
            if json { return print(try encode(peers)) }
            let rows = peers.map { peer in
                [
                    peer.id, peer.name, peer.addressV4, peer.addressV6 ?? "-",
                    peer.isConnected ? "connected" : "last seen \(timestamp(peer.lastSeenSeconds))",
                    peer.agentVersion, peer.publicKey,
                ]
            }
            print(table(["ID", "NAME", "IPV4", "IPV6", "STATE", "VERSION", "KEY"], rows))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a host from the mesh; it can join again with a setup key.",
            discussion: "Routes that it alone carried are deleted with it."
        )

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier, name or public key.")
        var peer: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.deletePeer(peer) }
            print("deleted \(summary.id) (\(summary.name))")
        }
    }
}
