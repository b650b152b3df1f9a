import ArgumentParser
import CommandLineSupport
import ControlPlane
import MeshModel

struct SetupKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup-key",
        abstract: "Make, list and revoke the keys that hosts join with.",
        subcommands: [Create.self, List.self, Revoke.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and print it, once: only its hash is kept.",
            discussion: "If the folder holds no mesh yet, a new one is made, for the server to serve."
        )

        enum KeyType: String, ExpressibleByArgument, CaseIterable {
            case reusable
            case oneOff = "one-off"
        }

        @OptionGroup var data: DataDirectoryOption

        @Option(help: "A name to know it by.")
        var name = "setup key"

        @Option(help: "How many hosts may join with it.")
        var type: KeyType = .reusable

        @Option(help: "Time until it expires, such as 30d, 12h, 90m, or never.")
        var expires = SetupKeyLifetime.standard

        @Option(help: "Hosts that may join with it; 0: any number.")
        var usageLimit = 0

        @Flag(help: "Hosts that join with it are deleted ten minutes after they have gone.")
        var ephemeral = false

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            guard !name.isEmpty, name.utf8.count <= 255 else {
                throw ValidationError("--name must have 1 to 255 bytes")
            }
            guard usageLimit >= 0 else { throw ValidationError("--usage-limit must not be negative") }
            guard type == .reusable || usageLimit <= 1 else {
                throw ValidationError("a one-off key is used once: leave --usage-limit away")
            }
        }

        func run() async throws {
            let administration = try data.administration(mayCreate: true)
            let (key, summary) = try await reporting {
                try await administration.createSetupKey(
                    Administration.SetupKeyRequest(
                        name: name,
                        isOneOff: type == .oneOff,
                        lifetime: expires.duration,
                        usageLimit: usageLimit,
                        isEphemeral: ephemeral
                    )
                )
            }
            print(try json ? encode(CreatedSetupKey(key: key, setupKey: summary)) : key)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the keys, newest first.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let keys = try await reporting { try await administration.setupKeys() }
            if json { return print(try encode(keys)) }
            let rows = keys.map { key in
                [
                    key.id, key.name, key.mask, key.type, key.state,
                    key.usageLimit == 0 ? "\(key.usedTimes)" : "\(key.usedTimes)/\(key.usageLimit)",
                    key.expiresAtSeconds.map(timestamp) ?? "never",
                ]
            }
            print(table(["ID", "NAME", "KEY", "TYPE", "STATE", "USED", "EXPIRES"], rows))
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a key: nobody joins with it any more; who has joined stays."
        )

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier or name.")
        var key: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.revokeSetupKey(key) }
            print("revoked \(summary.id) (\(summary.name))")
        }
    }
}

extension SetupKeyLifetime: ExpressibleByArgument {}

/// The one time that a key is told.
private struct CreatedSetupKey: Encodable {
    var key: String
    var setupKey: SetupKeySummary
}
