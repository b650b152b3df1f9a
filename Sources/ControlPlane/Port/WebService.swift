import Logging
import NIOHTTP1

/// What this server answers to HTTP/1.1 requests: whether it is well, and the API.
struct WebService: Sendable {
    let store: any Store
    let api: APIService
    let logger: Logger

    /// `/health`: the process lives. `/ready`: and it can do its work. Source: spec/server/deployment.md 5.
    func respond(to request: WebRequest) async -> WebResponse {
        switch request.path {
        case "/health", "/ready":
            guard [.GET, .HEAD].contains(request.head.method) else {
                var refusal = WebResponse.error(.methodNotAllowed, "use GET")
                refusal.headers.append(("allow", "GET, HEAD"))
                return refusal
            }
            return request.path == "/health" ? Self.ok : await readiness()
        case RelayUpgrade.path:
            var refusal = WebResponse.error(.upgradeRequired, "this is for WebSocket connections of relayed peers")
            refusal.headers.append(("upgrade", "websocket"))
            return refusal
        case let path where path.hasPrefix(APIService.prefix): return await api.respond(to: request)
        default: return .error(.notFound, "nothing is at \(request.path.prefix(200))")
        }
    }

    private func readiness() async -> WebResponse {
        do {
            _ = try await store.changeToken()
            return Self.ok
        } catch {
            logger.error("the database does not answer", metadata: ["error": "\(error)"])
            return .error(.serviceUnavailable, "the database does not answer")
        }
    }

    private static let ok = WebResponse(status: .ok, body: #"{"status":"ok"}"#)
}
