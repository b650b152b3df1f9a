import Foundation
import Logging
import MeshModel
import NIOCore
import NIOHTTP1

/// Answers what begins with `/api/`. Source: spec/server/rest-api.md.
struct APIService: Sendable {
    static let prefix = "/api/"

    let store: any Store
    let publisher: MapPublisher
    /// Whether `POST /api/setup` may make the first owner: otherwise whoever comes first could take the mesh.
    let allowsSetup: Bool
    let logger: Logger
    var now: @Sendable () -> Int64 = secondsSince1970

    /// The answer carries `x-request-id`, which the log has as well: the client's own if it is a plain word.
    func respond(to request: WebRequest) async -> WebResponse {
        let requestID = request.head.headers.first(name: "x-request-id").flatMap(Self.requestID) ?? Self.newRequestID()
        let start = ContinuousClock.now
        var exchange = Exchange()
        var response: WebResponse
        do {
            response = try await answer(request, &exchange)
        } catch {
            response = refusal(error, exchange, requestID)
        }
        response.contentType = "application/json; charset=UTF-8"
        response.headers.append(("x-request-id", requestID))
        response.headers.append(("access-control-allow-origin", "*"))
        logger.log(
            level: request.head.method == .GET ? .debug : .info,
            "API request",
            metadata: [
                "request": "\(requestID)", "method": "\(request.head.method)", "route": "\(exchange.pattern)",
                "status": "\(response.status.code)", "user": "\(exchange.userID)",
                "duration": "\(ContinuousClock.now - start)",
            ]
        )
        return response
    }

    /// What is known of a request while it is answered, for the log: never a path as sent, which may hold anything.
    private struct Exchange {
        var pattern = "-"
        var userID = "-"
    }

    private func answer(_ request: WebRequest, _ exchange: inout Exchange) async throws -> WebResponse {
        let path = request.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let (candidates, methods) = Self.candidates(for: path, request.head.method)
        guard !methods.isEmpty else { throw APIError(.notFound, "path not found") }
        if request.head.method == .OPTIONS { return Self.preflight(methods) }
        guard let (route, parameters) = candidates else {
            var refusal = WebResponse.error(.methodNotAllowed, "use \(methods.joined(separator: " or "))")
            refusal.headers.append(("allow", methods.joined(separator: ", ")))
            return refusal
        }
        exchange.pattern = route.pattern
        let query = try Self.query(of: request.head.uri)
        let user = route.access == .open ? nil : try await authenticate(request.head.headers)
        exchange.userID = user?.id ?? "-"
        var call = APICall(
            user: user,
            parameters: parameters,
            query: query,
            body: request.body,
            nowSeconds: now(),
            allowsSetup: allowsSetup
        )
        call.seesOnlyOwn = try Self.isRestricted(user, by: route.access)
        if let account = query["account"], user != nil {
            guard try await store.read({ try $0.meshAccount().id }) == account else { throw APIError.forbidden }
        }
        switch route.action {
        case .read(let body):
            return WebResponse(status: .ok, body: try await store.read { [call] in try body(call, $0) })
        case .write(let body):
            let answer = try await store.write { [call] in try body(call, $0) }
            publisher.directoryChanged()
            return WebResponse(status: .ok, headers: [("cache-control", "no-store")], body: answer)
        }
    }

    /// - Returns: whether the user sees only what is their own.
    /// - Throws: `APIError` with 403.
    private static func isRestricted(_ user: UserRecord?, by access: APIRoute.Access) throws(APIError) -> Bool {
        switch access {
        case .open, .signedIn: return false
        case .needs(let operation, let module):
            guard user?.may(operation, module) == true else { throw .forbidden }
            return false
        case .ownUnless(let operation, let module): return user?.may(operation, module) != true
        }
    }

    /// - Throws: `APIError` with 401; 403 for a blocked user.
    private func authenticate(_ headers: HTTPHeaders) async throws -> UserRecord {
        let words = (headers.first(name: "authorization") ?? "").split(separator: " ")
        guard words.count == 2, ["token", "bearer"].contains(words[0].lowercased()) else {
            throw APIError.noAuthentication
        }
        guard let token = AccessToken(String(words[1])) else { throw APIError.badToken }
        let now = now()
        let (hash, found) = (token.hash, try await store.read { try $0.accessToken(hash: token.hash) })
        guard let (record, user) = found, isEqualInConstantTime(record.hash, hash), now < record.expiresAtSeconds else {
            throw APIError.badToken
        }
        guard !user.isBlocked else { throw APIError(.forbidden, "user is blocked") }
        // To the minute, so that a busy client does not make every look a write.
        if now - (record.lastUsedSeconds ?? 0) >= 60 {
            do {
                try await store.write { transaction in
                    guard var record = try transaction.find(AccessTokenRecord.self, record.id) else { return }
                    record.lastUsedSeconds = now
                    try transaction.update(record)
                }
            } catch {
                // A disk that takes no more must not keep administrators from looking.
                logger.warning("cannot note the use of a token", metadata: ["error": "\(error)"])
            }
        }
        return user
    }

    private func refusal(_ error: any Error, _ exchange: Exchange, _ requestID: String) -> WebResponse {
        switch error {
        case let error as APIError: return .error(error.status, error.message)
        case let error as RouteTextError: return .error(.unprocessableEntity, "\(error)")
        case let error as ChangeRefusal:
            return .error(error.isConflict ? .conflict : .unprocessableEntity, "\(error)")
        default:
            logger.error(
                "API request failed",
                metadata: ["request": "\(requestID)", "route": "\(exchange.pattern)", "error": "\(error)"]
            )
            if let trouble = StoreTrouble(error) { return .error(.serviceUnavailable, "\(trouble)") }
            return .error(.internalServerError, "internal server error")
        }
    }
}

extension APIService {
    /// The row that is meant, and the methods that the path has at all.
    static func candidates(
        for path: [Substring],
        _ method: HTTPMethod
    ) -> (route: (APIRoute, [String: String])?, methods: [String]) {
        let matches = APIRoute.all.compactMap { route in route.match(path).map { (route, $0) } }
        // /api/users/current is no user: rows with fewer fixed parts stand behind, whatever their method.
        let most = matches.map(\.0.fixedParts).max() ?? 0
        let meant = matches.filter { $0.0.fixedParts == most }
        return (meant.first { $0.0.method == method }, meant.map { $0.0.method.rawValue })
    }

    private static func preflight(_ methods: [String]) -> WebResponse {
        WebResponse(
            status: .ok,
            headers: [
                ("access-control-allow-methods", methods.joined(separator: ", ")),
                ("access-control-allow-headers", "authorization, content-type, x-request-id"),
            ],
            body: "{}"
        )
    }

    /// Names and values behind `?`; of a name that comes twice the first counts.
    ///
    /// - Throws: `APIError` with 400 for an escape that is none.
    static func query(of uri: String) throws(APIError) -> [String: String] {
        guard let mark = uri.firstIndex(of: "?") else { return [:] }
        var values: [String: String] = [:]
        for pair in uri[uri.index(after: mark)...].split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = halves.count == 2 ? halves[1].replacing("+", with: "%20") : ""
            guard let name = String(halves[0]).removingPercentEncoding, let text = value.removingPercentEncoding else {
                throw .malformed("malformed query")
            }
            if values[name] == nil { values[name] = text }
        }
        return values
    }

    private static func requestID(_ text: String) -> String? {
        let isWord = text.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isLetter && byte < 0x80 || (0x30...0x39).contains(byte) || byte == 0x2d
        }
        return isWord && (1...64).contains(text.utf8.count) ? text : nil
    }

    private static func newRequestID() -> String {
        let text = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}

/// Whether two texts are the same, in a time that depends on their lengths alone.
func isEqualInConstantTime(_ a: String, _ b: String) -> Bool {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    guard a.count == b.count else { return false }
    return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
}
