import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import MeshModel
import NIOCore

/// How connections to the control plane leave the host.
package struct ControlSockets: Sendable {
    /// `SO_MARK` of every connection: what exempts it from the rules of an exit node. 0: none.
    package var fwmark: UInt32
    package var addresses: ServerAddressBook

    package init(fwmark: UInt32 = 0, addresses: ServerAddressBook = ServerAddressBook()) {
        self.fwmark = fwmark
        self.addresses = addresses
    }
}

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
    static func transport(to server: ServerAddress, by sockets: ControlSockets) throws -> Transport {
        let configuration = Transport.Config.defaults { configuration in
            configuration.connection.keepalive = keepalive
            // Called before the connection is begun: its first packet carries the mark.
            configuration.channelDebuggingCallbacks.onCreateTCPConnection = { mark($0, with: sockets.fwmark) }
        }
        var resolvers = NameResolverRegistry()
        resolvers.registerFactory(ServerResolver(addresses: sockets.addresses))
        return try Transport(
            target: ServerTarget(server: server),
            transportSecurity: server.usesTLS ? .tls : .plaintext,
            config: configuration,
            resolverRegistry: resolvers
        )
    }

    /// A kernel that refuses the mark is a failure of the connection: unmarked it could end in our own tunnel.
    private static func mark(_ channel: any Channel, with fwmark: UInt32) -> EventLoopFuture<Void> {
        guard fwmark != 0 else { return channel.eventLoop.makeSucceededVoidFuture() }
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(LookupFailure("a connection that cannot be marked"))
        }
        return provider.unsafeSetSocketOption(
            level: .socket,
            name: NIOBSDSocket.Option(rawValue: SO_MARK),
            value: fwmark
        )
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

private struct ServerTarget: ResolvableTarget, Sendable {
    var server: ServerAddress
}

/// Names by our own address book, so that they outlive the resolver.
private struct ServerResolver: NameResolverFactory, Sendable {
    let addresses: ServerAddressBook

    func resolver(for target: ServerTarget) -> NameResolver {
        let server = target.server
        let isName = IPAddress(server.host) == nil
        return NameResolver(
            names: RPCAsyncSequence(wrapping: Answers(server: server, addresses: addresses)),
            updateMode: .pull,
            // An address is no server name for TLS (RFC 6066, section 3): then the certificate must name the address.
            authority: isName ? "\(server.host):\(server.port)" : nil
        )
    }

    /// One answer per question.
    struct Answers: AsyncSequence, AsyncIteratorProtocol, Sendable {
        typealias Element = NameResolutionResult
        let server: ServerAddress
        let addresses: ServerAddressBook

        func makeAsyncIterator() -> Answers { self }

        func next() async throws -> NameResolutionResult? {
            do throws(LookupFailure) {
                let port = Int(server.port)
                let sockets = try await addresses.addresses(of: server.host).map { address in
                    address.isV4
                        ? SocketAddress.ipv4(host: "\(address)", port: port)
                        : SocketAddress.ipv6(host: "\(address)", port: port)
                }
                return NameResolutionResult(endpoints: [Endpoint(addresses: sockets)], serviceConfig: nil)
            } catch {
                throw RPCError(code: .unavailable, message: error.description)
            }
        }
    }
}
