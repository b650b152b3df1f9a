import ArgumentParser
import CommandLineSupport
import ControlPlane
import Logging
import MeshModel
import MeshProto

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve management, signal and relay on one TCP port, and STUN on UDP.",
        discussion: """
            Without certificate files it speaks plaintext HTTP: for tests, or behind a proxy that ends TLS.

            Agents are told to use its own STUN server and relay, or those named here, or none. /health and /ready on
            the TCP port answer probes.

            Exit status: 0 after SIGTERM or SIGINT, 2 wrong usage, 12 port in use, 14 database damaged, 16 another
            server runs on the same folder, 1 anything else.
            """
    )

    @OptionGroup var data: DataDirectoryOption

    @Option(help: "Address and port to listen on, such as 0.0.0.0:33073 or [::]:443. (default: [::]:33073)")
    var listen: String?

    @Option(
        help:
            "host:port by which agents reach this server. (default: the listen address, or wherever they reached it; needed behind NAT or a proxy)"
    )
    var publicAddress: String?

    @Option(help: "PEM file with the certificate and those of its issuers; needs --tls-key.")
    var tlsCert: String?

    @Option(help: "PEM file with the certificate's private key; needs --tls-cert.")
    var tlsKey: String?

    @Option(help: "Domain of peer names. (default: that of the mesh; netbird.selfhosted for a new one)")
    var domain: String?

    @Option(help: "UDP address and port for STUN. (default: the address of --listen, port 3478)")
    var stunListen: String?

    @Option(help: "host:port of a STUN server that agents use instead of this one; may be given again.")
    var stun: [String] = []

    @Flag(help: "Answer no STUN, and tell agents of no STUN server.")
    var noStun = false

    @Option(
        help:
            "rel://host:port or, with TLS, rels://host:port of a relay that agents use instead of this one; may be given again. Needs --relay-secret-file."
    )
    var relay: [String] = []

    @Option(help: "File whose first line is the secret shared with the relays of --relay.")
    var relaySecretFile: String?

    @Flag(help: "Relay nothing, and tell agents of no relay.")
    var noRelay = false

    @Flag(help: "Let whoever comes first over HTTP become the owner (POST /api/setup), for a setup without a shell.")
    var allowSetup = false

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    func validate() throws {
        _ = try serverConfiguration()
        _ = try level()
    }

    func run() async throws {
        let configuration = try serverConfiguration()
        let level = try level()
        var logger = Logger(label: "wgmesh-server") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level
        try await reporting { [logger] in
            try await ControlPlane(configuration, logger: logger).run()
        }
    }

    private func serverConfiguration() throws -> ServerConfiguration {
        let listen = listen ?? environment("listen") ?? "[::]:33073"
        guard let endpoint = Endpoint(listen) else {
            throw ValidationError("--listen \(listen) is no address:port (an IPv6 address needs brackets)")
        }
        let publicAddress = try (publicAddress ?? environment("public-address")).map { text in
            guard let address = HostPort(text) else {
                throw ValidationError("--public-address \(text) is no host:port; it has no scheme and no path")
            }
            return address
        }
        let domain = try (domain ?? environment("domain")).map { text in
            guard isDomain(text) else { throw ValidationError("--domain \(text) is no domain such as mesh.example") }
            return text
        }
        return ServerConfiguration(
            dataDirectory: data.path(),
            listen: endpoint,
            publicAddress: publicAddress,
            tls: try tlsFiles(),
            domain: domain,
            stun: try stunChoice(listen: endpoint),
            relay: try relayChoice(),
            allowsSetup: try allowSetup || isOn("allow-setup")
        )
    }

    private func tlsFiles() throws -> ServerConfiguration.TLSFiles? {
        switch (tlsCert ?? environment("tls-cert"), tlsKey ?? environment("tls-key")) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            return ServerConfiguration.TLSFiles(certificatePath: certificate, privateKeyPath: key)
        default: throw ValidationError("--tls-cert and --tls-key belong together")
        }
    }

    private func level() throws -> Logger.Level {
        let text = logLevel ?? environment("log-level") ?? "info"
        guard let level = Logger.Level(rawValue: text) else {
            throw ValidationError(
                "--log-level \(text) is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        return level
    }

    /// Labels of letters, digits and inner hyphens, 1 to 63 each, 190 in all, so that names of peers fit in 253.
    private func isDomain(_ text: String) -> Bool {
        text.utf8.count <= 190
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
            }
    }
}
