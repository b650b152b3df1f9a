import GRPCCore
import Logging
import MeshModel
import MeshProto
import SwiftProtobuf

/// One opened request: who sealed it, and how to seal the answer. Opening proved that the sender holds the key.
struct SealedCall: Sendable {
    let peer: PublicKey
    let box: BoxKey
    /// The server's, which goes into each answer.
    let sender: PublicKey

    /// - Throws: `RPCError` with ResourceExhausted if the answer is larger than clients accept.
    func seal(_ message: some SwiftProtobuf.Message) throws(RPCError) -> Management_EncryptedMessage {
        do {
            return try Management_EncryptedMessage(sealing: message, from: sender, with: box)
        } catch {
            throw RPCError(code: .resourceExhausted, message: "\(error)")
        }
    }
}

extension ManagementService {
    /// - Throws: `RPCError` with InvalidArgument for a key that is none, and for a body that does not open or decode.
    func open<Content: SwiftProtobuf.Message>(
        _ request: Management_EncryptedMessage,
        as type: Content.Type
    ) throws(RPCError) -> (SealedCall, Content) {
        guard let peer = request.sender else {
            throw RPCError(code: .invalidArgument, message: "wgPubKey is no base64 of 32 bytes")
        }
        do {
            let box = try BoxKey(own: privateKey, other: peer)
            let content = try request.open(as: type, with: box)
            return (SealedCall(peer: peer, box: box, sender: publicKey), content)
        } catch {
            // The stock text: a client that sealed for the key of an earlier start fetches the new one on it.
            logger.debug("request refused", metadata: ["peer": "\(peer.base64.prefix(8))", "reason": "\(error)"])
            throw RPCError(code: .invalidArgument, message: "invalid request message")
        }
    }

    /// Lets `RPCError` pass; all else is ours, goes to the log, and is told to nobody.
    func answering<Answer: Sendable>(
        _ method: String,
        _ call: SealedCall,
        _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await body()
        } catch let error as RPCError {
            logger.debug(
                "request refused",
                metadata: [
                    "method": "\(method)", "peer": "\(call.peer.base64.prefix(8))", "code": "\(error.code)",
                    "reason": "\(error.message)",
                ]
            )
            throw error
        } catch is CancellationError {
            throw RPCError(code: .unavailable, message: "the server stops")
        } catch {
            logger.error("request failed", metadata: ["method": "\(method)", "error": "\(error)"])
            throw RPCError(code: .internalError, message: "failed handling request")
        }
    }
}
