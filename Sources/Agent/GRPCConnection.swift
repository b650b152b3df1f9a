import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MeshModel

/// What both control-plane clients share: how to reach a server, and how to say in one line why it failed.
enum GRPCConnection {
    typealias Transport = HTTP2ClientTransport.Posix

    /// Network maps are the largest messages; stock clients accept 16 MiB. Source: spec/wire/management.md A1.
    static let maximumMessageBytes = 16 << 20
    /// An HTTP/2 ping after 30 s of silence, lost after 10 s more: what servers expect of stock clients.
    private static let keepalive = HTTP2ClientTransport.Config.Keepalive(
        time: .seconds(30),
        timeout: .seconds(10),
        allowWithoutCalls: false
    )

    /// A transport for one connection: whoever owns it reconnects by making a new one, so that a server that moved is
    /// looked up again.
    static func transport(to server: ServerAddress) throws -> Transport {
        let configuration = Transport.Config.defaults { $0.connection.keepalive = keepalive }
        let security: Transport.TransportSecurity = server.usesTLS ? .tls : .plaintext
        let port = Int(server.port)
        switch IPAddress(server.host) {
        case .some(let address) where address.isV4:
            return try Transport(
                target: .ipv4(address: server.host, port: port),
                transportSecurity: security,
                config: configuration
            )
        case .some:
            return try Transport(
                target: .ipv6(address: server.host, port: port),
                transportSecurity: security,
                config: configuration
            )
        case nil:
            return try Transport(
                target: .dns(host: server.host, port: port),
                transportSecurity: security,
                config: configuration
            )
        }
    }

    static func options(timeout: Duration?) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.maxResponseMessageBytes = maximumMessageBytes
        return options
    }

    /// One line for status and log: the gRPC code, the server's words, and the innermost cause of a failed connection.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? RPCError else { return singleLine("\(error)") }
        guard let cause = error.cause else { return singleLine("\(error.code): \(error.message)") }
        return singleLine("\(error.code): \(error.message) (\(reason(cause)))")
    }

    /// A server's words are outside data: no control characters, at most 300 characters.
    private static func singleLine(_ text: String) -> String {
        let visible = text.unicodeScalars.prefix(300).map { scalar in
            scalar.properties.generalCategory == .control ? " " : String(scalar)
        }
        return visible.joined()
    }
}
