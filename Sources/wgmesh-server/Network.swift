import ArgumentParser
import CommandLineSupport
import ControlPlane

struct Network: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list, fill and delete networks: resources, and the hosts that lead to them.",
        discussion: """
            Unlike with routes, policies alone decide who gets to a resource: those that lead to one of its groups. With
            the policy Default, a resource in the group All is for every host.
            """,
        subcommands: [
            Create.self, List.self, Delete.self, AddResource.self, RemoveResource.self, AddRouter.self,
            RemoveRouter.self,
        ]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make an empty network and print its identifier.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "A name to know it by; no other network has it.")
        var name: String

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            _ = try validating { () throws(RouteTextError) in
                try displayName(name, of: "a network's name", maximum: 255)
            }
        }

        func run() async throws {
            let administration = try data.administration()
            let network = try await reporting { try await administration.createNetwork(name: name) }
            print(try json ? encode(network) : network.id)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the networks and what is in them, by name.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let networks = try await reporting { try await administration.networks() }
            if json { return print(try encode(networks)) }
            let rows = networks.flatMap(\.rows)
            print(table(["NETWORK", "KIND", "NAME", "ADDRESS", "GROUPS OR OPTIONS"], rows))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a network with all that is in it.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier or name.")
        var network: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.deleteNetwork(network) }
            print("deleted \(summary.id) (\(summary.name))")
        }
    }

    struct AddResource: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a host, a subnet or a domain to a network.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Network: identifier or name.")
        var network: String

        @Option(help: "A name to know it by; no other resource of the network has it.")
        var name: String

        @Option(help: "10.1.0.5, 10.1.0.0/16, db.example.org or *.example.org.")
        var address: String

        @Option(help: "A group by which policies lead to it; repeatable.")
        var group: [String]

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            _ = try request()
        }

        func run() async throws {
            let administration = try data.administration()
            let request = try request()
            let summary = try await reporting { try await administration.addResource(request, toNetwork: network) }
            print(try json ? encode(summary) : "\(summary.name): \(request.name) is \(request.address)")
        }

        private func request() throws -> ResourceRequest {
            try validating { () throws(RouteTextError) in
                ResourceRequest(
                    name: try displayName(name, of: "a resource's name", maximum: 255),
                    address: try resourceAddress(address),
                    groups: group
                )
            }
        }
    }

    struct RemoveResource: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a resource from a network.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Network: identifier or name.")
        var network: String

        @Argument(help: "Resource: identifier or name.")
        var resource: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting {
                try await administration.removeResource(resource, fromNetwork: network)
            }
            print("\(summary.name): removed \(resource)")
        }
    }

    struct AddRouter: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a host, or the hosts of groups, lead to a network."
        )

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Network: identifier or name.")
        var network: String

        @Option(help: "The host: identifier, name or public key.")
        var peer: String?

        @Option(help: "In place of --peer: a group whose members all lead there; repeatable.")
        var peerGroup: [String] = []

        @Option(help: "1 to 9999, lower wins.")
        var metric = 9999

        @Option(help: "Whether the network sees the routing host's address in place of the client's.")
        var masquerade = Switch.on

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            _ = try request()
        }

        func run() async throws {
            let administration = try data.administration()
            let request = try request()
            let summary = try await reporting { try await administration.addRouter(request, toNetwork: network) }
            print(
                try json ? encode(summary) : "\(summary.name): \(peer ?? peerGroup.joined(separator: ", ")) leads there"
            )
        }

        private func request() throws -> RouterRequest {
            guard (peer == nil) != peerGroup.isEmpty else {
                throw ValidationError("name who leads there, by --peer or by --peer-group, not both")
            }
            guard (1...9999).contains(metric) else { throw ValidationError("--metric \(metric) is not 1 to 9999") }
            return RouterRequest(
                routers: peer.map { .peer($0) } ?? .groups(peerGroup),
                metric: metric,
                masquerade: masquerade.isOn
            )
        }
    }

    struct RemoveRouter: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a host or groups no longer lead to a network.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Network: identifier or name.")
        var network: String

        @Argument(help: "Identifier of the router, as list --json shows it, or the host's name.")
        var router: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.removeRouter(router, fromNetwork: network) }
            print("\(summary.name): removed \(router)")
        }
    }
}

extension NetworkSummary {
    /// One line for each resource and router; one for a network without any.
    fileprivate var rows: [[String]] {
        var rows: [[String]] = []
        for resource in resources {
            rows.append([name, "resource", resource.name, resource.address, resource.groups.joined(separator: ",")])
        }
        for router in routers {
            let leader = router.peer ?? "group \(router.peerGroups.joined(separator: ","))"
            rows.append([name, "router", leader, "metric \(router.metric)", router.masquerade ? "masquerade" : "-"])
        }
        return rows.isEmpty ? [[name, "-", "-", "-", "-"]] : rows
    }
}
