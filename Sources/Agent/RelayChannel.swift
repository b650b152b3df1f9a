import Glibc
import MeshModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import RelayWire

/// A relay's URL, taken apart: `rel://host[:port]`, or `rels://` for TLS. Source: spec/wire/relay.md 1.
struct RelayURL: Hashable, Sendable {
    var server: ServerAddress

    /// - Returns: `nil` for another scheme, a path, or a host that is none.
    init?(_ text: String) {
        let usesTLS = text.hasPrefix("rels://")
        guard usesTLS || text.hasPrefix("rel://") else { return nil }
        var authority = text.dropFirst(usesTLS ? 7 : 6)
        if authority.hasSuffix("/") { authority = authority.dropLast() }
        let parsed =
            ServerAddress(authority: String(authority), usesTLS: usesTLS)
            ?? ServerAddress(authority: "\(authority):\(Self.plainPort)", usesTLS: false)
        guard let parsed else { return nil }
        server = parsed
    }

    private static let plainPort = 80
}

/// Why there is no connection to a relay.
struct RelayFailure: Error, Hashable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// Makes the WebSocket connection to a relay.
struct RelayDialer: Sendable {
    var sockets: ControlSockets
    var eventLoop: any EventLoop

    /// A packet waits for a slow relay only so long: WireGuard's own packets are worth nothing when they are old.
    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)
    private static let connectTimeout = TimeAmount.seconds(10)

    /// - Parameter receiver: gets every message, on the event loop.
    /// - Throws: `LookupFailure`, `RelayFailure`, `NIOSSLError` or a connection error: of the last address tried.
    func connect(
        to url: RelayURL,
        receiver: @escaping @Sendable (RelayReceiver.Event) -> Void
    ) async throws -> any Channel {
        let server = url.server
        let tls = server.usesTLS ? try NIOSSLContext(configuration: .makeClientConfiguration()) : nil
        var last: any Error = RelayFailure("\(server.host) has no address")
        for address in try await sockets.addresses.addresses(of: server.host) {
            do {
                return try await connect(to: address, server, tls, receiver)
            } catch {
                last = error
            }
        }
        throw last
    }

    private func connect(
        to address: IPAddress,
        _ server: ServerAddress,
        _ tls: NIOSSLContext?,
        _ receiver: @escaping @Sendable (RelayReceiver.Event) -> Void
    ) async throws -> any Channel {
        var bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.writeBufferWaterMark, value: Self.waterMark)
        if sockets.fwmark != 0 {
            let mark = ChannelOptions.Types.SocketOption(
                level: .socket,
                name: NIOBSDSocket.Option(rawValue: SO_MARK)
            )
            bootstrap = bootstrap.channelOption(mark, value: ChannelOptions.Types.SocketOption.Value(sockets.fwmark))
        }
        let upgraded = try await bootstrap.connect(host: "\(address)", port: Int(server.port)) { channel in
            channel.eventLoop.makeCompletedFuture {
                if let tls {
                    // An address is no server name (RFC 6066, section 3): then the certificate must name the address.
                    let name = IPAddress(server.host) == nil ? server.host : nil
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: tls, serverHostname: name)
                    )
                }
                let upgraded = try upgrade(channel, server, receiver)
                // A server that takes the connection and says nothing must not be waited for longer than one that is away.
                let alarm = channel.eventLoop.scheduleTask(in: Self.connectTimeout) { channel.close(promise: nil) }
                upgraded.whenComplete { _ in alarm.cancel() }
                return upgraded
            }
        }
        return try await upgraded.get()
    }

    private func upgrade(
        _ channel: any Channel,
        _ server: ServerAddress,
        _ receiver: @escaping @Sendable (RelayReceiver.Event) -> Void
    ) throws -> EventLoopFuture<any Channel> {
        let upgrader = NIOTypedWebSocketClientUpgrader<any Channel>(
            maxFrameSize: RelayLimits.longestMessageBytes,
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RelayReceiver(receiver))
                    return channel
                }
            }
        )
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/relay")
        head.headers.add(name: "Host", value: "\(server)".split(separator: "/").last.map(String.init) ?? server.host)
        let configuration = NIOTypedHTTPClientUpgradeConfiguration(
            upgradeRequestHead: head,
            upgraders: [upgrader],
            notUpgradingCompletionHandler: { channel in
                channel.close(promise: nil)
                return channel.eventLoop.makeFailedFuture(RelayFailure("the server does not offer a relay at /relay"))
            }
        )
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: .init(upgradeConfiguration: configuration)
        )
    }
}

/// Turns WebSocket frames into relay messages; the WebSocket's own affairs end here.
final class RelayReceiver: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    enum Event: Sendable {
        /// One whole message.
        case message(ByteBuffer)
        /// No more messages for now: what was gathered can go.
        case pause
    }

    private let receive: @Sendable (Event) -> Void

    init(_ receive: @escaping @Sendable (Event) -> Void) { self.receive = receive }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .binary where frame.fin:
            receive(.message(frame.unmaskedData))
        case .ping:
            let pong = WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData)
            context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
        case .pong:
            break
        default:
            // A close, a text, or a message in pieces, which no relay sends.
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        receive(.pause)
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
