import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL

/// The one TCP port: a connection that begins with the HTTP/2 preface belongs to gRPC, any other speaks HTTP/1.1.
///
/// gRPC gets its connections from here instead of from a listener of its own; so one socket serves agents, relayed peers,
/// browsers and probes, with or without TLS. Hummingbird is not needed for it: what HTTP/1.1 has to do here is an upgrade
/// and short answers.
struct PortListener: HTTP2ServerTransport.ListenerFactory {
    typealias GRPCConnection = HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel

    let eventLoopGroup: any EventLoopGroup
    let socket: ListeningSocket
    /// `nil`: plaintext.
    let tls: NIOSSLContext?
    /// Connections at once; more are closed as they come.
    let connectionLimit: Int
    let web: WebConnection.Service
    /// What `/relay` becomes; `nil`: nothing is there.
    let relay: RelayServer?
    let logger: Logger

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<GRPCConnection, Never> {
        try await ServerBootstrap(group: eventLoopGroup)
            .serverChannelInitializer { listener in
                listenerConfigurator.configure(channel: listener).flatMapThrowing {
                    try listener.pipeline.syncOperations.addHandler(
                        ConnectionLimit(connectionLimit, logger: logger)
                    )
                }
            }
            // WireGuard's packets and gRPC's small messages must not wait for each other.
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    try pipeline.addHandler(
                        FirstBytes { greeting in
                            switch greeting {
                            case .http2: adopt(channel, with: connectionConfigurator)
                            case .http1: serveWeb(channel)
                            }
                        },
                        name: FirstBytes.name
                    )
                }
            }
            .withBoundSocket(socket.descriptor)
            .flatMapThrowing { listener in
                try listener.pipeline.syncOperations.addHandler(GRPCInlet())
                let accepted = try NIOAsyncChannel<GRPCConnection, Never>(wrappingChannelSynchronously: listener)
                try listener.pipeline.syncOperations.addHandler(AcceptedConnections())
                return accepted
            }
            .get()
    }

    /// Makes a gRPC connection of `channel` and hands it to gRPC's accept loop. On the channel's event loop.
    private func adopt(
        _ channel: any Channel,
        with configurator: HTTP2ServerTransport.ConnectionConfigurator
    ) -> EventLoopFuture<Void> {
        guard let listener = channel.parent else {
            return channel.eventLoop.makeFailedFuture(ChannelError.inappropriateOperationForState)
        }
        // ALPN has been agreed on already, before these handlers came.
        return configurator.configure(channel: channel, tls: tls == nil ? .none : .configured(requireALPN: false))
            .flatMapThrowing { connection in
                // The connection is active already, and the HTTP/2 handler keeps that from those behind it, whose timers
                // (keepalive) start with it.
                try channel.pipeline.syncOperations.context(handlerType: NIOHTTP2Handler.self).fireChannelActive()
                try channel.pipeline.syncOperations.dropDeadline()
                return connection
            }
            .hop(to: listener.eventLoop)
            .flatMapThrowing { try GRPCInlet.deliver($0, into: listener) }
            .hop(to: channel.eventLoop)
    }

    /// On the channel's event loop.
    private func serveWeb(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try WebConnection.configure(channel, service: web, relay: relay)
        }
    }
}

/// Stands between the handler that accepts connections and gRPC's accept loop, which is to see gRPC connections only.
private final class GRPCInlet: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = PortListener.GRPCConnection

    /// Its protocol is not known yet: it goes around gRPC's accept loop to the end, where NIO starts it, and `deliver` may
    /// follow.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try context.pipeline.syncOperations.context(handlerType: AcceptedConnections.self).fireChannelRead(data)
        } catch {
            context.fireErrorCaught(error)
        }
    }

    /// On the listener's event loop.
    static func deliver(_ connection: PortListener.GRPCConnection, into listener: any Channel) throws {
        let context = try listener.pipeline.syncOperations.context(handlerType: GRPCInlet.self)
        context.fireChannelRead(wrapInboundOut(connection))
        context.fireChannelReadComplete()
    }
}

/// Stands behind gRPC's accept loop, which passes on what it has taken: that ends here.
private final class AcceptedConnections: ChannelInboundHandler {
    typealias InboundIn = PortListener.GRPCConnection

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}

/// Closes connections beyond a number, so that whoever opens many cannot take the last file descriptors.
private final class ConnectionLimit: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let limit: Int
    private let logger: Logger
    private var open = 0
    /// The log hears of the limit once each time it is reached.
    private var isTold = false

    init(_ limit: Int, logger: Logger) {
        self.limit = limit
        self.logger = logger
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = Self.unwrapInboundIn(data)
        guard open < limit else {
            if !isTold { logger.warning("too many connections; new ones are closed", metadata: ["limit": "\(limit)"]) }
            isTold = true
            return connection.close(promise: nil)
        }
        open += 1
        let own = NIOLoopBound(self, eventLoop: context.eventLoop)
        connection.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
            own.value.open -= 1
            own.value.isTold = false
        }
        context.fireChannelRead(data)
    }
}
