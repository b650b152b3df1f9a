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
    _ body: @escaping @Sendable (AsyncStream<SignalStream.Event>) async throws -> Void
) async throws {
    try await FakeControlPlane(signal: signal).run { server in
        let (events, sink) = AsyncStream.makeStream(of: SignalStream.Event.self)
        let stream = SignalStream(identity: Sample.own, outbox: outbox, logger: Sample.quietLogger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await stream.run(server: { server }) { sink.yield($0) } }
            try await body(events)
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
            let first = await take(3, from: events)
            #expect(isState(first[0], .connecting))
            #expect(isState(first[1], .connected))
            guard case .message(let sender, let message) = first[2] else {
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
            let first = await take(2, from: events)
            #expect(isState(first[1], .connected))
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
            let attempts = await take(4, from: events)
            for index in [0, 2] {
                #expect(isState(attempts[index], .connecting))
                guard case .state(.disconnected(let reason)) = attempts[index + 1] else {
                    Issue.record("expected a disconnection")
                    return
                }
                #expect(reason.contains("did not register this agent"))
            }
        }
    }
}

private func take(_ count: Int, from events: AsyncStream<SignalStream.Event>) async -> [SignalStream.Event] {
    var taken: [SignalStream.Event] = []
    for await event in events {
        taken.append(event)
        if taken.count == count { break }
    }
    return taken
}

private func isState(_ event: SignalStream.Event, _ expected: ConnectionState) -> Bool {
    guard case .state(let state) = event else { return false }
    return state == expected
}
