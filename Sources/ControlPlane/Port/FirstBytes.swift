import NIOCore

/// Looks at the first bytes of a connection, lets `decide` set up the handlers behind it, and hands the bytes on.
///
/// It also holds the deadline of everything that has not said yet what it wants: 5 s up to the end of the first request's
/// head (spec/wire/relay.md 1). It stays until `dropDeadline()`.
final class FirstBytes: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    enum Greeting {
        /// HTTP/2 with prior knowledge, or agreed on by ALPN: the preface `PRI * HTTP/2.0`.
        case http2
        case http1
    }

    static let name = "first bytes"
    /// A TLS handshake over a slow line takes part of it.
    static let patience: TimeAmount = .seconds(5)

    private let decide: (Greeting) -> EventLoopFuture<Void>
    private var held = ByteBuffer()
    private var isDecided = false
    private var isPassing = false
    private var deadline: Scheduled<Void>?

    init(decide: @escaping (Greeting) -> EventLoopFuture<Void>) { self.decide = decide }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(mode: .all, promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isPassing else { return context.fireChannelRead(data) }
        var bytes = Self.unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        guard !isDecided, let greeting = Self.greeting(of: held.readableBytesView) else { return }
        isDecided = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        decide(greeting).whenComplete { result in
            let (own, context) = bound.value
            switch result {
            case .success: own.pass(context)
            case .failure: context.close(promise: nil)
            }
        }
    }

    private func pass(_ context: ChannelHandlerContext) {
        isPassing = true
        let bytes = held
        held = ByteBuffer()
        context.fireChannelRead(Self.wrapInboundOut(bytes))
        context.fireChannelReadComplete()
    }

    /// - Returns: `nil` while the bytes may become either.
    static func greeting(of bytes: some Collection<UInt8>) -> Greeting? {
        let preface = "PRI".utf8
        if bytes.starts(with: preface) { return .http2 }
        return preface.starts(with: bytes) ? nil : .http1
    }
}

extension ChannelPipeline.SynchronousOperations {
    /// The connection has said what it wants, and its own timers take over.
    func dropDeadline() throws { try handler(type: FirstBytes.self).dropDeadline() }
}

extension FirstBytes {
    func dropDeadline() {
        deadline?.cancel()
        deadline = nil
    }
}
