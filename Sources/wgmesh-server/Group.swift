import ArgumentParser
import CommandLineSupport
import ControlPlane

struct Group: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list, fill and delete groups of hosts.",
        discussion: "The group All holds every host; it cannot be changed.",
        subcommands: [Create.self, List.self, Delete.self, AddPeer.self, RemovePeer.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make an empty group and print its identifier.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "A name to know it by; no other group has it.")
        var name: String

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            try validating { () throws(RouteTextError) in _ = try displayName(name, of: "a group's name", maximum: 255)
            }
        }

        func run() async throws {
            let administration = try data.administration()
            let group = try await reporting { try await administration.createGroup(name: name) }
            print(try json ? encode(group) : group.id)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the groups and their hosts, by name.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let groups = try await reporting { try await administration.groups() }
            if json { return print(try encode(groups)) }
            let rows = groups.map { group in
                [group.id, group.name, "\(group.peers.count)", group.peers.joined(separator: ", ")]
            }
            print(table(["ID", "NAME", "HOSTS", "MEMBERS"], rows))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a group that no policy, route or setup key uses."
        )

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier or name.")
        var group: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.deleteGroup(group) }
            print("deleted \(summary.id) (\(summary.name))")
        }
    }

    struct AddPeer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put a host into a group.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Group: identifier or name.")
        var group: String

        @Argument(help: "Host: identifier, name or public key.")
        var peer: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting {
                try await administration.setMember(peer, ofGroup: group, to: true)
            }
            print("\(summary.name): \(summary.peers.joined(separator: ", "))")
        }
    }

    struct RemovePeer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a host out of a group.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Group: identifier or name.")
        var group: String

        @Argument(help: "Host: identifier, name or public key.")
        var peer: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting {
                try await administration.setMember(peer, ofGroup: group, to: false)
            }
            print("\(summary.name): \(summary.peers.joined(separator: ", "))")
        }
    }
}

/// Turns a text that cannot be into wrong usage.
func validating<Result>(_ body: () throws(RouteTextError) -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        throw ValidationError("\(error)")
    }
}
