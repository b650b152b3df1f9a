import Agent
import GRPCCore
import MeshModel
import MeshProto

/// A signal server for one agent: registers it, carries what the test says, and keeps what it sends.
struct FakeSignal: Signalexchange_SignalExchange.ServiceProtocol {
    /// Without it the agent must not count itself connected.
    var registers = true
    /// What the stream carries; it stays open afterwards.
    var messages: [Signalexchange_EncryptedMessage] = []
    let sent: AsyncStream<Signalexchange_EncryptedMessage>
    private let sentSink: AsyncStream<Signalexchange_EncryptedMessage>.Continuation

    init(registers: Bool = true, messages: [Signalexchange_EncryptedMessage] = []) {
        self.registers = registers
        self.messages = messages
        (sent, sentSink) = AsyncStream.makeStream()
    }

    func send(
        request: ServerRequest<Signalexchange_EncryptedMessage>,
        context: ServerContext
    ) async throws -> ServerResponse<Signalexchange_EncryptedMessage> {
        sentSink.yield(request.message)
        return ServerResponse(message: Signalexchange_EncryptedMessage())
    }

    func connectStream(
        request: StreamingServerRequest<Signalexchange_EncryptedMessage>,
        context: ServerContext
    ) async throws -> StreamingServerResponse<Signalexchange_EncryptedMessage> {
        let isNamed = request.metadata[stringValues: "x-wiretrustee-peer-id"].contains(Sample.own.publicKey.base64)
        let metadata: Metadata = registers && isNamed ? ["x-wiretrustee-peer-registered": "1"] : [:]
        return StreamingServerResponse(metadata: metadata) { writer in
            for message in messages { try await writer.write(message) }
            try await Task.sleep(for: .seconds(3600))  // open until the client leaves
            return [:]
        }
    }
}
