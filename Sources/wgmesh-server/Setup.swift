import ArgumentParser
import CommandLineSupport
import ControlPlane

struct Setup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the owner of the mesh and print a token for the API, once: only its hash is kept.",
        discussion: "If the folder holds no mesh yet, a new one is made, for the server to serve."
    )

    @OptionGroup var data: DataDirectoryOption

    @Option(help: "The owner's email address.")
    var email: String

    @Option(help: "The owner's name.")
    var name: String

    @Option(help: "Days until the token expires, 1 to 365.")
    var days = 30

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws { try checkLifetime(days: days) }

    func run() async throws {
        let administration = try data.administration(mayCreate: true)
        let (token, user) = try await reporting {
            try await administration.setUp(email: email, name: name, days: days)
        }
        print(try json ? encode(SetUp(token: token, user: user)) : token)
    }

    private struct SetUp: Encodable {
        var token: String
        var user: UserSummary
    }
}

/// Days that a token may live.
func checkLifetime(days: Int) throws {
    guard (1...365).contains(days) else { throw ValidationError("--days \(days) is not 1 to 365") }
}
