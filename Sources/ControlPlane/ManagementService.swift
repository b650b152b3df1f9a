import GRPCCore
import Logging
import MapCompiler
import MeshModel
import MeshProto
import SwiftProtobuf

/// The management service: who is in the mesh, and what each of them should know.
///
/// Source: spec/wire/management.md, part A; the codes are those of A4.5, since clients act on them.
struct ManagementService: Management_ManagementService.SimpleServiceProtocol {
    /// New at every start, as stock servers do it: clients fetch it before each use and must not pin it.
    let privateKey: PrivateKey
    let publicKey: PublicKey
    let advertised: AdvertisedServices
    let store: any Store
    let publisher: MapPublisher
    /// How often a stream brings a new relay token.
    let renewalInterval: Duration
    let logger: Logger

    init(
        advertised: AdvertisedServices,
        store: any Store,
        publisher: MapPublisher,
        renewalInterval: Duration,
        logger: Logger
    ) {
        privateKey = .generate()
        publicKey = privateKey.publicKey
        self.advertised = advertised
        self.store = store
        self.publisher = publisher
        self.renewalInterval = renewalInterval
        self.logger = logger
    }

    func getServerKey(request: Management_Empty, context: ServerContext) async throws -> Management_ServerKeyResponse {
        var response = Management_ServerKeyResponse()
        response.key = publicKey.base64
        return response
    }

    func isHealthy(request: Management_Empty, context: ServerContext) async throws -> Management_Empty {
        Management_Empty()
    }

    func login(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage {
        let (call, wire) = try open(request, as: Management_LoginRequest.self)
        return try await answering("Login", call) {
            let own = try await logIn(try attempt(from: wire), by: call.peer)
            return try call.seal(Management_LoginResponse(LoginGrant(own: own, services: services(for: context))))
        }
    }

    func sync(
        request: Management_EncryptedMessage,
        response: RPCWriter<Management_EncryptedMessage>,
        context: ServerContext
    ) async throws {
        let (call, wire) = try open(request, as: Management_SyncRequest.self)
        try await answering("Sync", call) { try await sync(wire, call, context, writer: response) }
    }

    func syncMeta(request: Management_EncryptedMessage, context: ServerContext) async throws -> Management_Empty {
        let (call, wire) = try open(request, as: Management_SyncMetaRequest.self)
        return try await answering("SyncMeta", call) {
            guard wire.hasMeta else {
                throw RPCError(code: .failedPrecondition, message: "peer system meta is required")
            }
            guard let peer = try await store.peer(key: call.peer) else { throw notFound(call.peer) }
            _ = try await updateMeta(wire.meta, of: peer)
            return Management_Empty()
        }
    }

    /// Deletes the peer, not just a session of it. A second one gets NotFound.
    func logout(request: Management_EncryptedMessage, context: ServerContext) async throws -> Management_Empty {
        let (call, _) = try open(request, as: Management_Empty.self)
        return try await answering("Logout", call) {
            guard let peer = try await store.peer(key: call.peer) else { throw notFound(call.peer) }
            guard try await store.deletePeers([peer.id]) == 1 else { throw notFound(call.peer) }
            logger.info("peer logged out", metadata: ["peer": "\(peer.id)", "name": "\(peer.name)"])
            publisher.directoryChanged()
            return Management_Empty()
        }
    }

    /// Stock clients give up quietly on Unimplemented; any other code makes them come back for ever.
    func job(
        request: RPCAsyncSequence<Management_EncryptedMessage, any Error>,
        response: RPCWriter<Management_EncryptedMessage>,
        context: ServerContext
    ) async throws {
        throw RPCError(code: .unimplemented, message: "this server gives no remote jobs")
    }

    /// NotFound tells clients that there is no single sign-on, and to ask for a setup key.
    func getDeviceAuthorizationFlow(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage {
        throw RPCError(code: .notFound, message: "this server has no single sign-on; use a setup key")
    }

    /// See `getDeviceAuthorizationFlow`.
    func getPKCEAuthorizationFlow(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage {
        throw RPCError(code: .notFound, message: "this server has no single sign-on; use a setup key")
    }

    /// Setup-key logins never expire: the code is that of an account whose expiry is off.
    func extendAuthSession(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage {
        throw RPCError(code: .failedPrecondition, message: "logins of this server never expire")
    }

    func createExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw exposeUnimplemented }

    func renewExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw exposeUnimplemented }

    func stopExpose(
        request: Management_EncryptedMessage,
        context: ServerContext
    ) async throws -> Management_EncryptedMessage { throw exposeUnimplemented }

    private var exposeUnimplemented: RPCError {
        RPCError(code: .unimplemented, message: "this server exposes no services")
    }

    /// Where the rest of the mesh is, for the agent of this call.
    func services(for context: ServerContext) -> ServiceConfiguration {
        advertised.configuration(localPeer: context.localPeer, nowSeconds: secondsSince1970())
    }

    func notFound(_ key: PublicKey) -> RPCError { RPCError(code: .notFound, message: "peer not found: \(key)") }
}
