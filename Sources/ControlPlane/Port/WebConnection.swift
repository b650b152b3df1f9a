import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection: whole requests in, whole answers out, one at a time and with bounds on everything.
final class WebConnection: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The seam to whoever answers: the request's head and its whole body.
    typealias Service = @Sendable (WebRequest) async -> WebResponse

    /// Of a request's body.
    static let longestBodyBytes = 1 << 20
    /// From the head of a request to the end of its body.
    static let bodyPatience: TimeAmount = .seconds(30)
    /// From one answer to the head of the next request, all of it.
    static let idlePatience: TimeAmount = .seconds(60)

    private let service: Service
    private let remote: SocketAddress?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isTooLong = false
    private var deadline: Scheduled<Void>?

    private init(service: @escaping Service, remote: SocketAddress?) {
        self.service = service
        self.remote = remote
    }

    /// Adds the handlers of HTTP/1.1 to a connection, and of the upgrade to the relay. On its event loop.
    static func configure(_ channel: any Channel, service: @escaping Service, relay: RelayServer?) throws {
        let upgrades = relay.map { [RelayUpgrade(server: $0)] } ?? []
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 100
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(
            withServerUpgrade: (upgraders: upgrades, completionHandler: { _ in }),
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: limits
        )
        try pipeline.addHandler(WebConnection(service: service, remote: channel.remoteAddress))
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            do {
                try context.pipeline.syncOperations.dropDeadline()  // ours take over
            } catch {
                return context.close(promise: nil)
            }
            self.head = head
            body = ByteBuffer()
            isTooLong = false
            setDeadline(Self.bodyPatience, context)
            if head.version == .http1_1, head.headers[canonicalForm: "expect"].contains("100-continue") {
                context.writeAndFlush(
                    Self.wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: .continue))),
                    promise: nil
                )
            }
        case .body(var part):
            guard !isTooLong else { return }
            if body.readableBytes + part.readableBytes > Self.longestBodyBytes {
                isTooLong = true
                body = ByteBuffer()
            } else {
                body.writeBuffer(&part)
            }
        case .end:
            guard let head else { return }
            self.head = nil
            deadline?.cancel()
            let request = WebRequest(head: head, body: body, remote: remote)
            body = ByteBuffer()
            if isTooLong {
                return answer(
                    .error(.payloadTooLarge, "the body has over \(Self.longestBodyBytes) bytes"),
                    head,
                    context
                )
            }
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.makeFutureWithTask { [service] in await service(request) }.whenSuccess { response in
                bound.value.0.answer(response, head, bound.value.1)
            }
        }
    }

    /// A client that breaks off or sends what is no HTTP; the handler before this one has answered what can be.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is RelayUpgrade.NotARelayRequest { return }  // it comes as a plain request next
        context.close(promise: nil)
    }

    private func answer(_ response: WebResponse, _ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let keepsAlive = request.isKeepAlive && !isTooLong
        var headers = HTTPHeaders(response.headers)
        headers.add(name: "content-type", value: response.contentType)
        headers.add(name: "content-length", value: String(response.body.utf8.count))
        if !keepsAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: request.version, status: response.status, headers: headers)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(
                Self.wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(string: response.body)))),
                promise: nil
            )
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: written)
        if keepsAlive {
            setDeadline(Self.idlePatience, context)
        } else {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    private func setDeadline(_ patience: TimeAmount, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: patience) { channel.close(mode: .all, promise: nil) }
    }
}

/// One request, whole.
struct WebRequest: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer
    /// `nil`: gone already.
    let remote: SocketAddress?

    /// What stands before `?` in the target.
    var path: String { String(head.uri.prefix { $0 != "?" }) }
}

/// One answer, whole.
struct WebResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: [(String, String)] = []
    var contentType = "application/json"
    var body: String

    /// An error as clients of the API read it: `{"code":404,"message":"..."}`.
    static func error(_ status: HTTPResponseStatus, _ message: String) -> WebResponse {
        struct Body: Encodable {
            var code: UInt
            var message: String
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A number and a text: this encoder refuses neither.
        let body = (try? encoder.encode(Body(code: status.code, message: message))) ?? Data()
        return WebResponse(status: status, body: String(decoding: body, as: UTF8.self))
    }
}
