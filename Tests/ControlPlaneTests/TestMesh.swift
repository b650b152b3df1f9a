import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import MeshModel
import MeshProto
import SwiftProtobuf
import Testing

@testable import ControlPlane

/// A folder that goes with the test.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = FileManager.default.temporaryDirectory.appending(path: "wgmesh-test-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(
        atPath: path,
        withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700]
    )
    defer { _ = try? FileManager.default.removeItem(atPath: path) }  // what stays in /tmp harms nobody
    return try await body(path)
}

/// A port of the kernel's choice on the loopback address.
func loopback() -> MeshModel.Endpoint {
    guard let endpoint = MeshModel.Endpoint("127.0.0.1:0") else { preconditionFailure("this is an endpoint") }
    return endpoint
}

/// A running control plane on a loopback port, and one client connection to it.
struct TestMesh: Sendable {
    let folder: String
    let endpoint: MeshModel.Endpoint
    let management: Management_ManagementService.Client<HTTP2ClientTransport.Posix>
    let signal: Signalexchange_SignalExchange.Client<HTTP2ClientTransport.Posix>

    var administration: Administration {
        get throws { try Administration(dataDirectory: folder) }
    }

    /// Runs a server on `folder` while `body` runs; then it is stopped.
    static func serve(
        _ folder: String,
        domain: String? = nil,
        tokenRenewalInterval: Duration = AdvertisedServices.renewalInterval,
        _ body: (TestMesh) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try ControlPlane(
            ServerConfiguration(dataDirectory: folder, listen: loopback(), domain: domain),
            tokenRenewalInterval: tokenRenewalInterval,
            logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run(handlesSignals: false) }
            try await connect(to: server.endpoint) { client in
                let mesh = TestMesh(
                    folder: folder,
                    endpoint: server.endpoint,
                    management: .init(wrapping: client),
                    signal: .init(wrapping: client)
                )
                _ = try await mesh.management.isHealthy(Management_Empty())  // from here on it serves
                try await body(mesh)
            }
            group.cancelAll()
        }
    }

    /// Runs a server on a new folder while `body` runs.
    static func serve(
        tokenRenewalInterval: Duration = AdvertisedServices.renewalInterval,
        _ body: (TestMesh) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { try await serve($0, tokenRenewalInterval: tokenRenewalInterval, body) }
    }

    static func connect<Result: Sendable>(
        to endpoint: MeshModel.Endpoint,
        _ body: (GRPCClient<HTTP2ClientTransport.Posix>) async throws -> Result
    ) async throws -> Result {
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: endpoint.address.description, port: Int(endpoint.port)),
            transportSecurity: .plaintext
        )
        return try await withGRPCClient(transport: transport) { try await body($0) }
    }

    func setupKey(
        isOneOff: Bool = false,
        lifetime: Duration? = nil,
        usageLimit: Int = 0,
        isEphemeral: Bool = false,
        name: String = "test"
    ) async throws -> String {
        try await administration.createSetupKey(
            Administration.SetupKeyRequest(
                name: name,
                isOneOff: isOneOff,
                lifetime: lifetime,
                usageLimit: usageLimit,
                isEphemeral: isEphemeral
            )
        ).key
    }

    /// A peer that has joined.
    func join(_ hostname: String, setupKey: String) async throws -> TestPeer {
        let peer = TestPeer(hostname: hostname)
        _ = try await login(peer, setupKey: setupKey)
        return peer
    }
}

/// An agent's identity, and what it says about itself.
struct TestPeer: Sendable {
    var privateKey = PrivateKey.generate()
    var meta: PeerMeta

    init(hostname: String) {
        meta = PeerMeta(
            hostname: hostname,
            agentVersion: LoginAttempt.wireVersion,
            capabilities: [.sourcePrefixes, .ipv6Overlay]
        )
    }

    var publicKey: PublicKey { privateKey.publicKey }
}

extension TestMesh {
    func serverKey() async throws -> PublicKey {
        let response = try await management.getServerKey(Management_Empty())
        return try #require(PublicKey(base64: response.key))
    }

    func seal(_ message: some SwiftProtobuf.Message, by peer: TestPeer) async throws -> Management_EncryptedMessage {
        let box = try BoxKey(own: peer.privateKey, other: try await serverKey())
        return try Management_EncryptedMessage(sealing: message, from: peer.publicKey, with: box)
    }

    func open<Content: SwiftProtobuf.Message>(
        _ message: Management_EncryptedMessage,
        as type: Content.Type,
        by peer: TestPeer
    ) throws -> Content {
        let sender = try #require(message.sender)
        return try message.open(as: type, with: try BoxKey(own: peer.privateKey, other: sender))
    }

    func login(
        _ peer: TestPeer,
        setupKey: String? = nil,
        extraLabels: [String] = []
    ) async throws -> LoginGrant {
        let attempt = LoginAttempt(
            setupKey: setupKey,
            meta: peer.meta,
            sshPublicKey: "ssh-ed25519 AAAA",
            extraLabels: extraLabels
        )
        let request = try await seal(Management_LoginRequest(attempt, publicKey: peer.publicKey), by: peer)
        let answer = try await management.login(request)
        return try LoginGrant(wire: try open(answer, as: Management_LoginResponse.self, by: peer))
    }

    func logout(_ peer: TestPeer) async throws {
        _ = try await management.logout(try await seal(Management_Empty(), by: peer))
    }

    /// Follows the peer's Sync stream while `body` runs.
    func following<Result>(
        _ peer: TestPeer,
        _ body: (inout SyncStream) async throws -> Result
    ) async throws -> Result {
        var request = Management_SyncRequest()
        request.meta = Management_PeerSystemMeta(peer.meta)
        let sealed = try await seal(request, by: peer)
        let (events, sink) = AsyncStream<SyncStream.Event>.makeStream()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await management.sync(sealed) { response in
                        for try await message in response.messages {
                            sink.yield(.response(try open(message, as: Management_SyncResponse.self, by: peer)))
                        }
                    }
                    sink.yield(.ended(nil))
                } catch let error as RPCError {
                    sink.yield(.ended(error.code))
                }
                sink.finish()
            }
            var stream = SyncStream(iterator: events.makeAsyncIterator())
            let result = try await body(&stream)
            group.cancelAll()
            return result
        }
    }
}

/// What a Sync stream brings, in order. A test that waits in vain ends by its time limit.
struct SyncStream {
    enum Event: Sendable {
        case response(Management_SyncResponse)
        /// `nil`: OK.
        case ended(RPCError.Code?)
    }

    var iterator: AsyncStream<Event>.Iterator

    mutating func next() async throws -> Event {
        guard let event = await iterator.next(isolation: #isolation) else { throw StreamOver() }
        return event
    }

    mutating func response() async throws -> Management_SyncResponse {
        let event = try await next()
        guard case .response(let response) = event else {
            Issue.record("the stream ended instead: \(event)")
            throw CancellationError()
        }
        return response
    }

    /// The next map, and how long it took to come.
    mutating func map() async throws -> (map: NetworkMap, waited: Duration) {
        let start = ContinuousClock.now
        let update = try SyncUpdate(wire: try await response())
        return (try #require(update.map), ContinuousClock.now - start)
    }

    /// How the stream ended; messages before that are a failure.
    mutating func end() async throws -> RPCError.Code? {
        let event = try await next()
        guard case .ended(let code) = event else {
            Issue.record("the stream went on instead: \(event)")
            throw CancellationError()
        }
        return code
    }
}

/// The stream has told how it ended before.
struct StreamOver: Error {}

/// The call fails with that code.
func expect(
    _ code: RPCError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable () async throws -> Void
) async throws {
    let refusal = try await failure(body)
    #expect(refusal.code == code, sourceLocation: sourceLocation)
}

/// The code and text that a call fails with.
func failure(_ body: @Sendable () async throws -> Void) async throws -> (code: RPCError.Code, message: String) {
    do {
        try await body()
    } catch let error as RPCError {
        return (error.code, error.message)
    }
    Issue.record("the call succeeded")
    throw CancellationError()
}
