import GRPCCore
import Logging
import MapCompiler
import MeshModel
import MeshProto

extension ManagementService {
    /// Serves one Sync stream until the peer leaves, is deleted, opens a newer stream, or the server stops.
    ///
    /// The first message carries the addresses of the services, the later ones leave them as they are.
    /// Source: spec/wire/management.md A5.
    func sync(
        _ wire: Management_SyncRequest,
        _ call: SealedCall,
        _ context: ServerContext,
        writer: RPCWriter<Management_EncryptedMessage>
    ) async throws {
        guard let peer = try await store.peer(key: call.peer) else {
            throw RPCError(code: .permissionDenied, message: "peer is not registered")
        }
        let meta = wire.hasMeta ? try await updateMeta(wire.meta, of: peer) : peer.meta
        guard let session = await publisher.open(peerID: PeerID(rawValue: peer.id)) else {
            throw RPCError(code: .unavailable, message: "the server stops")
        }
        let failure: (any Error)? = await withRPCCancellationHandler {
            do {
                try await store.setConnected(true, peerID: peer.id, atSeconds: secondsSince1970())
                logger.info("peer connected", metadata: ["peer": "\(peer.id)", "name": "\(peer.name)"])
                try await withRelayTokens(for: call, context, writer) {
                    try await forward(session, to: meta, call, services(for: context), writer)
                }
                return nil
            } catch {
                return error
            }
        } onCancelRPC: {
            session.finish()
        }
        // Only the newest stream of the peer may say that it is gone.
        if await publisher.close(session) {
            logger.info("peer disconnected", metadata: ["peer": "\(peer.id)", "name": "\(peer.name)"])
            try await store.setConnected(false, peerID: peer.id, atSeconds: secondsSince1970())
        }
        if let failure { throw failure }
    }

    private func forward(
        _ session: MapPublisher.Session,
        to receiver: PeerMeta,
        _ call: SealedCall,
        _ services: ServiceConfiguration,
        _ writer: RPCWriter<Management_EncryptedMessage>
    ) async throws {
        var isFirst = true
        for await update in session.updates {
            let response =
                switch update {
                case .map(let map):
                    Management_SyncResponse(
                        map: map,
                        services: isFirst ? services : nil,
                        receiver: receiver
                    )
                case .deleted(let serial):
                    Management_SyncResponse.deletionNotice(serial: serial)
                }
            try await writer.write(try call.seal(response))
            isFirst = false
        }
    }

    /// Sends a new relay token whenever three quarters of the last one's life are over, while `body` runs.
    ///
    /// Source: spec/wire/management.md A5.5.
    private func withRelayTokens(
        for call: SealedCall,
        _ context: ServerContext,
        _ writer: RPCWriter<Management_EncryptedMessage>,
        _ body: @Sendable @escaping () async throws -> Void
    ) async throws {
        guard advertised.needsRenewal else { return try await body() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return true
            }
            group.addTask {
                while await wait(renewalInterval) {
                    let services = advertised.renewal(localPeer: context.localPeer, nowSeconds: secondsSince1970())
                    try await writer.write(try call.seal(Management_SyncResponse(renewing: services)))
                }
                return false
            }
            while let isOver = try await group.next(), !isOver {}
            group.cancelAll()
        }
    }
}
