import Foundation
import Logging
import MeshModel
import NIOCore
import NIOHTTP1
import Testing

@testable import ControlPlane

/// The API on a store of its own, without a port.
struct TestAPI: Sendable {
    let store: SQLiteStore
    /// A token of the owner.
    let owner: String
    private let service: APIService

    static func run(
        allowsSetup: Bool = false,
        hasOwner: Bool = true,
        _ body: (TestAPI) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let administration = try Administration(dataDirectory: folder, mayCreate: true)
            let token = hasOwner ? try await administration.setUp(email: "o@x.org", name: "Olga", days: 1).token : ""
            let directory = try DataDirectory(path: folder)
            let store = try SQLiteStore.open(directory, mayCreate: false, mayUpgrade: true, atSeconds: 0)
            try await body(TestAPI(store: store, owner: token, allowsSetup: allowsSetup))
        }
    }

    private init(store: SQLiteStore, owner: String, allowsSetup: Bool) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        self.store = store
        self.owner = owner
        service = APIService(
            store: store,
            publisher: MapPublisher(store: store, logger: logger),
            allowsSetup: allowsSetup,
            logger: logger
        )
    }

    /// The API of a running server, whose agents get what is changed here; it makes the owner.
    init(_ mesh: TestMesh) async throws {
        let owner = try await mesh.administration.setUp(email: "o@x.org", name: "Olga", days: 1).token
        let directory = try DataDirectory(path: mesh.folder)
        let store = try SQLiteStore.open(directory, mayCreate: false, mayUpgrade: true, atSeconds: 0)
        self.init(store: store, owner: owner, allowsSetup: false)
    }

    /// - Parameter token: `nil`: the owner's; empty: none.
    func send(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String = "",
        token: String? = nil,
        headers: [(String, String)] = []
    ) async -> APIAnswer {
        var fields = HTTPHeaders(headers)
        let token = token ?? owner
        if !token.isEmpty { fields.add(name: "authorization", value: "Token \(token)") }
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: fields)
        return APIAnswer(await service.respond(to: WebRequest(head: head, body: ByteBuffer(string: body), remote: nil)))
    }

    /// The answer to a request that must succeed.
    func get(_ path: String, token: String? = nil, at location: SourceLocation = #_sourceLocation) async -> APIAnswer {
        await expect200(.GET, path, "", token, location)
    }

    func post(
        _ path: String,
        _ body: String,
        token: String? = nil,
        at location: SourceLocation = #_sourceLocation
    ) async -> APIAnswer {
        await expect200(.POST, path, body, token, location)
    }

    func put(
        _ path: String,
        _ body: String,
        token: String? = nil,
        at location: SourceLocation = #_sourceLocation
    ) async -> APIAnswer {
        await expect200(.PUT, path, body, token, location)
    }

    func delete(_ path: String, token: String? = nil, at location: SourceLocation = #_sourceLocation) async {
        #expect(await expect200(.DELETE, path, "", token, location).text == "{}", sourceLocation: location)
    }

    private func expect200(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String,
        _ token: String?,
        _ location: SourceLocation
    ) async -> APIAnswer {
        let answer = await send(method, path, body, token: token)
        #expect(answer.status == 200, "\(method) \(path): \(answer.text)", sourceLocation: location)
        return answer
    }

    /// A token of a new service user of that role.
    func serviceUser(_ role: Role) async -> (id: String, token: String) {
        let user = await post(
            "/api/users",
            #"{"name":"robot","role":"\#(role.rawValue)","is_service_user":true,"auto_groups":[]}"#
        )
        return (user["id"], await token(of: user["id"]))
    }

    func token(of user: String) async -> String {
        await post("/api/users/\(user)/tokens", #"{"name":"t","expires_in":1}"#)["plain_token"]
    }

    /// A token of a new person of that role.
    func person(_ role: Role, email: String) async throws -> String {
        let made = await post("/api/users", #"{"name":"person","role":"\#(role.rawValue)","email":"\#(email)"}"#)
        let id: String = made["id"]
        return try await store.write { transaction in
            try transaction.makeAccessToken(
                of: try transaction.user(id),
                name: "t",
                days: 1,
                by: id,
                atSeconds: secondsSince1970()
            ).token.text
        }
    }

    /// The codes of all events, oldest first.
    func events() async throws -> [String] {
        try await store.read { try $0.all(EventRecord.self).compactMap { Activity(rawValue: $0.activity)?.code } }
    }
}

/// What came back, with a look into its JSON: what is not there is an empty text, list or object.
struct APIAnswer {
    let status: UInt
    let text: String
    let headers: [String: String]

    init(_ response: WebResponse) {
        status = response.status.code
        text = response.body
        headers = Dictionary(response.headers, uniquingKeysWith: { first, _ in first })
    }

    /// Not Sendable, hence made anew each time.
    var json: Any {
        // No JSON is a failed expectation of whoever looks into it.
        (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) ?? NSNull()
    }

    var object: [String: Any] { json as? [String: Any] ?? [:] }
    var list: [[String: Any]] { json as? [[String: Any]] ?? [] }
    var message: String { self["message"] }

    subscript(_ name: String) -> String { object[name] as? String ?? "" }
    func bool(_ name: String) -> Bool? { object[name] as? Bool }
    func int(_ name: String) -> Int? { object[name] as? Int }
    func texts(_ name: String) -> [String]? { object[name] as? [String] }
    func objects(_ name: String) -> [[String: Any]]? { object[name] as? [[String: Any]] }
}
