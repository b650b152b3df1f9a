import GRPCCore
import Logging
import MeshProto

/// The signal exchange: forwards sealed messages between peers by key. It cannot read them, and keeps nothing.
///
/// Source: spec/wire/signal.md 3, 4 and 10.
struct SignalService: Signalexchange_SignalExchange.ServiceProtocol {
    let registry: SignalRegistry
    let logger: Logger

    /// Metadata with the public key to register under.
    static let idHeader = "x-wiretrustee-peer-id"
    /// Clients wait for this header before they believe that they are registered.
    static let registeredHeader = "x-wiretrustee-peer-registered"

    /// Answers the same whether or not the receiver is there: the protocol has no delivery feedback.
    func send(
        request: ServerRequest<Signalexchange_EncryptedMessage>,
        context: ServerContext
    ) async throws -> ServerResponse<Signalexchange_EncryptedMessage> {
        let delivery = await registry.deliver(request.message)
        logger.trace("signal message", metadata: ["delivery": "\(delivery)", "bytes": "\(request.message.body.count)"])
        if delivery == .overloaded {
            throw RPCError(code: .resourceExhausted, message: "signal queues are full")
        }
        return ServerResponse(message: Signalexchange_EncryptedMessage())
    }

    func connectStream(
        request: StreamingServerRequest<Signalexchange_EncryptedMessage>,
        context: ServerContext
    ) async throws -> StreamingServerResponse<Signalexchange_EncryptedMessage> {
        guard let key = request.metadata[stringValues: Self.idHeader].first(where: { _ in true }), !key.isEmpty else {
            throw RPCError(code: .failedPrecondition, message: "metadata \(Self.idHeader) is missing")
        }
        guard key.utf8.count <= Self.longestKeyBytes else {
            throw RPCError(code: .invalidArgument, message: "metadata \(Self.idHeader) is no public key")
        }
        // Registered before the header goes out: what is sent to this peer from then on must not be lost.
        let registration = await registry.register(key)
        return StreamingServerResponse(metadata: [Self.registeredHeader: "1"]) { writer in
            logger.debug("signal stream opened", metadata: ["peer": "\(key.prefix(8))"])
            let ending = await forward(registration, to: writer)
            await registry.unregister(registration)
            logger.debug("signal stream ended", metadata: ["peer": "\(key.prefix(8))", "reason": "\(ending)"])
            switch ending {
            case .server(.registeredAgain): throw RPCError(code: .unknown, message: "peer registered again")
            case .server(.tooSlow): throw RPCError(code: .cancelled, message: "peer does not read its messages")
            case .client: return [:]
            }
        }
    }

    private enum Ending: Sendable {
        case client
        case server(SignalRegistry.Ending)
    }

    /// Writes until the client or the server ends the stream. A write that hangs is cancelled with it.
    private func forward(
        _ registration: SignalRegistry.Registration,
        to writer: RPCWriter<Signalexchange_EncryptedMessage>
    ) async -> Ending {
        let (cancelled, cancel) = AsyncStream<Void>.makeStream()
        return await withRPCCancellationHandler {
            await withTaskGroup(of: Ending?.self) { group in
                group.addTask {
                    for await message in registration.messages {
                        do {
                            try await writer.write(message)
                        } catch {
                            return .client  // a write fails only when the stream is gone
                        }
                        await registry.didWrite(message, to: registration)
                    }
                    return nil  // finished by the registry, which says why in `ending`
                }
                group.addTask {
                    for await reason in registration.ending { return .server(reason) }
                    return nil
                }
                group.addTask {
                    for await _ in cancelled {}
                    return .client
                }
                for await ending in group {
                    guard let ending else { continue }
                    group.cancelAll()
                    return ending
                }
                return .client
            }
        } onCancelRPC: {
            cancel.finish()
        }
    }

    /// A key has 44 characters; longer ones only cost memory. Texts that are no key are legal, see `dummy`.
    private static let longestKeyBytes = 256
}
