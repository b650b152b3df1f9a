import FoundationEssentials
import NIOCore
import NIOHTTP1

/// One operation of the API: a row of the table that `APIRoute.all` is.
struct APIRoute: Sendable {
    /// Who may call it.
    enum Access: Hashable, Sendable {
        /// Everybody, without a token.
        case open
        /// Every user; the action itself says what each may do.
        case signedIn
        /// Who has that right.
        case needs(Operation, Module)
        /// Every user; who has not that right gets only what is their own.
        case ownUnless(Operation, Module)
    }

    enum Action: Sendable {
        /// Looks at one snapshot of the store.
        case read(@Sendable (APICall, StoreTransaction) throws -> String)
        /// Changes the store in one transaction; connected agents get what it means for them.
        case write(@Sendable (APICall, StoreTransaction) throws -> String)
    }

    let method: HTTPMethod
    /// `/api/groups/{groupId}`: a part in braces stands for any one part, under that name.
    let pattern: String
    let access: Access
    let action: Action

    /// The parts of `pattern` between its slashes.
    let parts: [Substring]

    private init(_ method: HTTPMethod, _ pattern: String, _ access: Access, _ action: Action) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.action = action
        parts = pattern.split(separator: "/")
    }

    static func get(
        _ pattern: String,
        _ access: Access,
        _ body: @escaping @Sendable (APICall, StoreTransaction) throws -> some Encodable & SendableMetatype
    ) -> APIRoute {
        APIRoute(.GET, pattern, access, .read { try json(body($0, $1)) })
    }

    static func post(
        _ pattern: String,
        _ access: Access,
        _ body: @escaping @Sendable (APICall, StoreTransaction) throws -> some Encodable & SendableMetatype
    ) -> APIRoute {
        APIRoute(.POST, pattern, access, .write { try json(body($0, $1)) })
    }

    static func put(
        _ pattern: String,
        _ access: Access,
        _ body: @escaping @Sendable (APICall, StoreTransaction) throws -> some Encodable & SendableMetatype
    ) -> APIRoute {
        APIRoute(.PUT, pattern, access, .write { try json(body($0, $1)) })
    }

    static func delete(
        _ pattern: String,
        _ access: Access,
        _ body: @escaping @Sendable (APICall, StoreTransaction) throws -> Void
    ) -> APIRoute {
        APIRoute(
            .DELETE,
            pattern,
            access,
            .write {
                try body($0, $1)
                return "{}"
            }
        )
    }

    private static func json(_ answer: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(answer), as: UTF8.self)
    }

    /// - Returns: the values of the parts in braces; `nil` if the path is another one.
    func match(_ path: [Substring]) -> [String: String]? {
        guard path.count == parts.count else { return nil }
        var values: [String: String] = [:]
        for (part, given) in zip(parts, path) {
            if part.hasPrefix("{") {
                guard !given.isEmpty else { return nil }
                values[String(part.dropFirst().dropLast())] = String(given)
            } else if part != given {
                return nil
            }
        }
        return values
    }

    /// How many parts are fixed: of two rows that match, the one with more is meant.
    var fixedParts: Int { parts.count { !$0.hasPrefix("{") } }
}

/// One request, as an action sees it.
struct APICall: Sendable {
    /// `nil` only for open routes.
    let user: UserRecord?
    /// The right of `APIRoute.Access.ownUnless` is not there: only what is the user's own may be shown.
    var seesOnlyOwn = false
    let parameters: [String: String]
    let query: [String: String]
    let body: ByteBuffer
    let nowSeconds: Int64
    /// See `APIService.allowsSetup`.
    var allowsSetup = false

    func caller() throws(APIError) -> UserRecord {
        guard let user else { throw .noAuthentication }
        return user
    }

    /// The part of the path that stands for `{name}`.
    subscript(_ name: String) -> String { parameters[name] ?? "" }

    /// The body, whose unknown fields are ignored.
    ///
    /// - Throws: `APIError` with 400 that says where it is not what it should be.
    func decode<Request: Decodable>(_ type: Request.Type) throws(APIError) -> Request {
        try decodeJSON(type, from: Data(body.readableBytesView))
    }

    func record(
        _ activity: Activity,
        of target: String,
        _ details: [String: String] = [:],
        _ transaction: StoreTransaction
    ) throws {
        try transaction.record(
            activity,
            of: target,
            by: user?.id ?? EventRecord.system,
            details,
            atSeconds: nowSeconds
        )
    }
}

/// Reads a request's JSON. Total: any bytes give a value or an error that names the place.
func decodeJSON<Request: Decodable>(_ type: Request.Type, from data: Data) throws(APIError) -> Request {
    do {
        return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
        throw .malformed("couldn't parse JSON request: \(error.place)")
    } catch {
        throw .malformed("couldn't parse JSON request")
    }
}

extension DecodingError {
    /// Where and what, in one line, without the request's own text.
    fileprivate var place: String {
        func path(_ context: Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
            return path.isEmpty ? "the body" : String(path.trimmingPrefix(".").prefix(100))
        }
        return switch self {
        case .typeMismatch(let type, let context): "\(path(context)) is no \(type)"
        case .valueNotFound(_, let context): "\(path(context)) must not be null"
        case .keyNotFound(let key, let context): "\(path(context)) lacks \(key.stringValue)"
        case .dataCorrupted(let context): "\(path(context)) is no valid JSON"
        @unknown default: "it cannot be read"
        }
    }
}
