import NIOHTTP1

/// A request that is refused: the status and the words that the client gets. Nothing of it was done.
struct APIError: Error, Hashable, CustomStringConvertible {
    var status: HTTPResponseStatus
    /// Lower case, one line.
    var message: String

    var description: String { "\(status.code): \(message)" }

    init(_ status: HTTPResponseStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// Clients look for the words `not found`. Source: spec/server/rest-api.md 1.3.
    static func notFound(_ what: String) -> APIError { APIError(.notFound, "\(what) not found") }
    /// The request can be read, but what it asks for cannot be.
    static func invalid(_ message: String) -> APIError { APIError(.unprocessableEntity, message) }
    static func malformed(_ message: String) -> APIError { APIError(.badRequest, message) }
    static func conflict(_ message: String) -> APIError { APIError(.conflict, message) }
    static func unfit(_ message: String) -> APIError { APIError(.preconditionFailed, message) }
    static let forbidden = forbidden("permission denied")
    static func forbidden(_ message: String) -> APIError { APIError(.forbidden, message) }
    /// For the moment.
    static func unavailable(_ message: String) -> APIError { APIError(.serviceUnavailable, message) }
    static let noAuthentication = APIError(.unauthorized, "no valid authentication provided")
    static let badToken = APIError(.unauthorized, "token invalid")
}
