import Agent
import AgentCore
import FoundationEssentials
import MeshModel
import MeshProto
import Testing

private let offer = SignalMessage.offer(
    SessionDescription(
        credentials: ICECredentials(usernameFragment: "abcdefghijklmnop", password: String(repeating: "p", count: 32)),
        sessionID: [1, 2, 3, 4, 5],
        wireGuardPort: 51820,
        agentVersion: "0.60.1"
    )
)

/// A message from `sender` to us as the server carries it.
private func sealed(_ message: SignalMessage, from sender: Identity) throws -> Signalexchange_EncryptedMessage {
    try Signalexchange_EncryptedMessage(
        sealing: Signalexchange_Body(message, usernameFragment: "u"),
        from: sender.publicKey,
        to: Sample.own.publicKey,
        with: BoxKey(own: sender.privateKey, other: Sample.own.publicKey)
    )
}

/// Runs a stream against `signal` and hands its events to `body`.
private func withStream(
    _ signal: FakeSignal,
    outbox: AsyncStream<SignalStream.Outgoing>,
    _ body: @escaping @Sendable (inout AsyncStream<SignalStream.Event>.Iterator) async throws -> Void
) async throws {
    try await FakeControlPlane(signal: signal).run { server in
        let (events, sink) = AsyncStream.makeStream(of: SignalStream.Event.self)
        let stream = SignalStream(identity: Sample.own, outbox: outbox, logger: Sample.quietLogger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await stream.run(server: { server }) { sink.yield($0) } }
            var iterator = events.makeAsyncIterator()
            try await body(&iterator)
            group.cancelAll()
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct SignalStreamTests {
    @Test func `a message reaches the core, what cannot be read does not`() async throws {
        var forged = try sealed(offer, from: Sample.peer)
        forged.body[forged.body.count - 1] ^= 1
        var anonymous = forged
        anonymous.key = "nobody"
        let messages = [
            forged, anonymous, try sealed(.heartbeat, from: Sample.own), try sealed(offer, from: Sample.peer),
        ]
        let (outbox, _) = AsyncStream.makeStream(of: SignalStream.Outgoing.self)
        try await withStream(FakeSignal(messages: messages), outbox: outbox) { events in
            #expect(await isState(events.next(), .connecting))
            #expect(await isState(events.next(), .connected))
            guard case .message(let sender, let message) = await events.next() else {
                Issue.record("expected the offer")
                return
            }
            #expect(sender == Sample.peer.publicKey)
            #expect(message == offer)
        }
    }

    @Test func `messages go out in order, sealed for their recipient`() async throws {
        let signal = FakeSignal()
        let (outbox, sink) = AsyncStream.makeStream(of: SignalStream.Outgoing.self)
        try await withStream(signal, outbox: outbox) { events in
            #expect(await isState(events.next(), .connecting))
            #expect(await isState(events.next(), .connected))
            let sent: [SignalMessage] = [offer, .goIdle, .heartbeat]
            for message in sent { sink.yield(SignalStream.Outgoing(to: Sample.peer.publicKey, message)) }
            var received = signal.sent.makeAsyncIterator()
            let key = try BoxKey(own: Sample.peer.privateKey, other: Sample.own.publicKey)
            for message in sent {
                let wire = try #require(await received.next())
                #expect(wire.key == Sample.own.publicKey.base64)
                #expect(wire.remoteKey == Sample.peer.publicKey.base64)
                #expect(try SignalMessage(wire: wire.open(with: key)) == message)
            }
        }
    }

    @Test func `a server that does not register us is left and tried again`() async throws {
        let (outbox, _) = AsyncStream.makeStream(of: SignalStream.Outgoing.self)
        try await withStream(FakeSignal(registers: false), outbox: outbox) { events in
            for _ in 0..<2 {
                #expect(await isState(events.next(), .connecting))
                guard case .state(.disconnected(let reason)) = await events.next() else {
                    Issue.record("expected a disconnection")
                    return
                }
                #expect(reason.contains("did not register this agent"))
            }
        }
    }
}

private func isState(_ event: SignalStream.Event?, _ expected: ConnectionState) -> Bool {
    guard case .state(let state) = event else { return false }
    return state == expected
}
