import Agent
import FoundationEssentials
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MeshModel
import MeshProto
import SwiftProtobuf

/// Management and signal on one loopback port, with the answers that a test chooses.
struct FakeControlPlane: Sendable {
    static let identity = Sample.identity(9)

    let management: FakeManagement
    let signal: FakeSignal

    private let port: Int

    /// - Parameter port: 0: any.
    init(management: FakeManagement = FakeManagement(), signal: FakeSignal = FakeSignal(), port: Int = 0) {
        self.port = port
        self.management = management
        self.signal = signal
    }

    /// Serves while `body` runs; `body` gets the address. What is still open then is cut off.
    func run(_ body: @escaping @Sendable (ServerAddress) async throws -> Void) async throws {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: port),
            transportSecurity: .plaintext
        )
        let server = GRPCServer(transport: transport, services: [management, signal])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.serve() }
            guard let port = try await transport.listeningAddress.ipv4?.port else {
                throw RPCError(code: .internalError, message: "the fake server has no port")
            }
            try await body(ServerAddress(host: "127.0.0.1", port: UInt16(port), usesTLS: false))
            group.cancelAll()
        }
    }
}

/// A management server whose answers are closures.
struct FakeManagement: Management_ManagementService.SimpleServiceProtocol {
    /// What to answer to a login.
    var login: @Sendable (LoginAttempt) throws -> Void = { _ in }
    /// What the Sync stream carries; it stays open afterwards.
    var sync: [@Sendable (BoxKey) throws -> Management_EncryptedMessage] = []
    /// Ends Sync with this instead of staying open.
    var syncError: RPCError?

    static let grant = LoginGrant(
        own: SelfConfiguration(address: IPPrefix(host: .sample), fqdn: "a.test"),
        services: ServiceConfiguration(
            signal: SignalServer(address: HostPort(host: "127.0.0.1", port: 1), usesTLS: false)
        )
    )

    func getServerKey(request: Management_Empty, context: ServerContext) async throws -> Management_ServerKeyResponse {
        var response = Management_ServerKeyResponse()
        response.key = FakeControlPlane.identity.publicKey.base64
        return response
    }

    func login(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage {
        let key = try boxKey(request)
        try login(LoginAttempt(wire: request.open(as: Management_LoginRequest.self, with: key)))
        return try sealed(Management_LoginResponse(Self.grant), with: key)
    }

    func sync(
        request: Management_EncryptedMessage,
        response: RPCWriter<Management_EncryptedMessage>,
        context: ServerContext
    ) async throws {
        let key = try boxKey(request)
        for message in sync { try await response.write(message(key)) }
        if let syncError { throw syncError }
        try await Task.sleep(for: .seconds(3600))  // open until the client leaves
    }

    func logout(request: Management_EncryptedMessage, context: ServerContext) async throws -> Management_Empty {
        throw RPCError(code: .notFound, message: "peer not found")
    }

    /// A map with this serial, our own address, and a peer for each key, whose address is the text.
    static func map(
        serial: UInt64,
        peers: [PublicKey: String] = [:]
    ) -> @Sendable (BoxKey) throws -> Management_EncryptedMessage {
        { key in
            var response = Management_SyncResponse()
            response.networkMap.serial = serial
            response.networkMap.peerConfig.address = "100.64.0.1/16"
            response.networkMap.peerConfig.fqdn = "a.test"
            response.networkMap.remotePeersIsEmpty = peers.isEmpty
            response.networkMap.remotePeers = peers.map { key, address in
                var peer = Management_RemotePeerConfig()
                peer.wgPubKey = key.base64
                peer.allowedIps = [address]
                return peer
            }
            return try sealed(response, with: key)
        }
    }

    /// A message that no key opens.
    static let garbage: @Sendable (BoxKey) throws -> Management_EncryptedMessage = { _ in
        var message = Management_EncryptedMessage()
        message.body = Data(repeating: 7, count: 100)
        return message
    }

    /// Sealed, but not a SyncResponse inside.
    static let nonsense: @Sendable (BoxKey) throws -> Management_EncryptedMessage = { key in
        var message = Management_EncryptedMessage()
        message.body = Data(key.seal([0xff, 0xff, 0xff]))
        return message
    }
}

extension FakeManagement {
    private func boxKey(_ request: Management_EncryptedMessage) throws -> BoxKey {
        guard let sender = request.sender else { throw RPCError(code: .invalidArgument, message: "no key") }
        return try BoxKey(own: FakeControlPlane.identity.privateKey, other: sender)
    }

    func isHealthy(request: Management_Empty, context: ServerContext) async throws -> Management_Empty { request }

    func syncMeta(request: Management_EncryptedMessage, context: ServerContext) async throws -> Management_Empty {
        Management_Empty()
    }

    func job(
        request: RPCAsyncSequence<Management_EncryptedMessage, any Error>,
        response: RPCWriter<Management_EncryptedMessage>,
        context: ServerContext
    ) async throws { throw unimplemented }

    func getDeviceAuthorizationFlow(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }

    func getPKCEAuthorizationFlow(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }

    func extendAuthSession(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }

    func createExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }

    func renewExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }

    func stopExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw unimplemented }
}

private let unimplemented = RPCError(code: .unimplemented, message: "not in this fake")

private func sealed(
    _ message: some SwiftProtobuf.Message,
    with key: BoxKey
) throws -> Management_EncryptedMessage {
    try Management_EncryptedMessage(sealing: message, from: FakeControlPlane.identity.publicKey, with: key)
}

extension IPAddress {
    /// 100.64.0.1
    fileprivate static var sample: IPAddress {
        guard let address = IPAddress(bytes: [100, 64, 0, 1]) else { preconditionFailure("4 bytes are an address") }
        return address
    }
}
