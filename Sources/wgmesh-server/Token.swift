import ArgumentParser
import CommandLineSupport
import ControlPlane

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and delete tokens for the API.",
        subcommands: [Create.self, List.self, Delete.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token and print it, once: only its hash is kept."
        )

        @OptionGroup var data: DataDirectoryOption

        @Option(help: "Whose: identifier, email or name. (default: the owner)")
        var user: String?

        @Option(help: "A name to know it by.")
        var name = "token"

        @Option(help: "Days until it expires, 1 to 365.")
        var days = 30

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws { try checkLifetime(days: days) }

        func run() async throws {
            let administration = try data.administration()
            let (token, summary) = try await reporting {
                try await administration.createToken(ofUser: user, name: name, days: days)
            }
            print(try json ? encode(Created(token: token, summary: summary)) : token)
        }

        private struct Created: Encodable {
            var token: String
            var summary: TokenSummary
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens, oldest first.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let tokens = try await reporting { try await administration.tokens() }
            if json { return print(try encode(tokens)) }
            let rows = tokens.map { token in
                [
                    token.id, token.name, token.user.name, token.user.role, timestamp(token.expiresAtSeconds),
                    token.lastUsedSeconds.map(timestamp) ?? "never",
                ]
            }
            print(table(["ID", "NAME", "USER", "ROLE", "EXPIRES", "LAST USED"], rows))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a token: the API refuses it from now on.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier or name.")
        var token: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.deleteToken(token) }
            print("deleted \(summary.id) (\(summary.name))")
        }
    }
}
