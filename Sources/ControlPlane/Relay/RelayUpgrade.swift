import Crypto
import MeshModel
import NIOCore
import NIOHTTP1

/// Makes a relay connection of `GET /relay` with WebSocket's headers (RFC 6455, section 4.2).
///
/// No extension and no subprotocol is agreed on, and any Origin is welcome: the token decides, not the page.
struct RelayUpgrade: HTTPServerProtocolUpgrader, Sendable {
    static let path = "/relay"

    let server: RelayServer
    let supportedProtocol = "websocket"
    let requiredUpgradeHeaders: [String] = []

    func buildUpgradeResponse(
        channel: any Channel,
        upgradeRequest request: HTTPRequestHead,
        initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        guard request.method == .GET, request.uri.prefix(while: { $0 != "?" }) == Self.path,
            request.headers["sec-websocket-version"] == ["13"],
            let key = request.headers["sec-websocket-key"].first, Base64.decode(key)?.count == 16
        else { return channel.eventLoop.makeFailedFuture(NotARelayRequest()) }
        var headers = initialResponseHeaders
        headers.replaceOrAdd(name: "sec-websocket-accept", value: Self.accept(key: key))
        return channel.eventLoop.makeSucceededFuture(headers)
    }

    func upgrade(context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        context.eventLoop.makeCompletedFuture {
            let pipeline = context.pipeline.syncOperations
            try pipeline.dropDeadline()
            pipeline.removeHandler(try pipeline.handler(type: WebConnection.self), promise: nil)
            try server.adopt(context.channel)
        }
    }

    /// Source: RFC 6455, section 4.2.2, step 5.4.
    static func accept(key: String) -> String {
        let text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        return Base64.encode(Array(Insecure.SHA1.hash(data: Array(text.utf8))))
    }

    /// The request is answered as any other then.
    struct NotARelayRequest: Error {}
}
