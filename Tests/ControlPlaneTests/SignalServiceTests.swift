import Foundation
import GRPCCore
import Logging
import MeshModel
import MeshProto
import SwiftProtobuf
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SignalServiceTests {
    @Test func `the registration header comes at once, before any message`() async throws {
        try await TestMesh.serve { mesh in
            try await mesh.listening("alice") { stream in
                let header = try await stream.header()
                #expect(header == "1")
            }
        }
    }

    @Test func `a stream without a key is refused`() async throws {
        try await TestMesh.serve { mesh in
            for (key, code) in [
                (nil, RPCError.Code.failedPrecondition), (String(repeating: "a", count: 300), .invalidArgument),
            ] {
                try await mesh.listening(key) { stream in
                    let end = try await stream.end()
                    #expect(end == code)
                }
            }
        }
    }

    @Test func `messages reach the exact key, in order, and only it`() async throws {
        try await TestMesh.serve { mesh in
            try await mesh.listening("alice") { alice in
                try await mesh.listening("alice ") { other in
                    _ = (try await alice.header(), try await other.header())
                    for body in 1...3 { try await mesh.send(from: "bob", to: "alice", body: [UInt8(body)]) }
                    try await mesh.send(from: "bob", to: "alice ", body: [9])
                    #expect(try await other.message().body == Data([9]))
                    for body in 1...3 {
                        let message = try await alice.message()
                        #expect(message.key == "bob" && message.remoteKey == "alice")
                        #expect(message.body == Data([UInt8(body)]))
                    }
                }
            }
        }
    }

    @Test func `a heartbeat to oneself comes back, and an absent receiver is no error`() async throws {
        try await TestMesh.serve { mesh in
            for receiver in ["nobody", "dummy", ""] { try await mesh.send(from: "alice", to: receiver, body: [1]) }
            try await mesh.listening("alice") { stream in
                _ = try await stream.header()
                try await mesh.send(from: "alice", to: "alice", body: [7])
                #expect(try await stream.message().body == Data([7]))
            }
        }
    }

    @Test func `a newer registration ends the older stream and gets the messages`() async throws {
        try await TestMesh.serve { mesh in
            try await mesh.listening("alice") { older in
                _ = try await older.header()
                try await mesh.listening("alice") { newer in
                    _ = try await newer.header()
                    #expect(try await older.end() == .unknown)
                    try await mesh.send(from: "bob", to: "alice", body: [1])
                    #expect(try await newer.message().body == Data([1]))
                }
            }
        }
    }

    @Test func `a message of three megabytes passes, one of five does not and harms nobody`() async throws {
        try await TestMesh.serve { mesh in
            try await mesh.listening("alice") { stream in
                _ = try await stream.header()
                let large = [UInt8](repeating: 7, count: 3 << 20)
                try await mesh.send(from: "bob", to: "alice", body: large)
                #expect(try await stream.message().body == Data(large))
                _ = try await failure {
                    try await mesh.send(from: "bob", to: "alice", body: [UInt8](repeating: 7, count: 5 << 20))
                }
                try await mesh.send(from: "bob", to: "alice", body: [1])
                #expect(try await stream.message().body == Data([1]))
            }
        }
    }

    @Test func `who does not read loses its stream, and others get their messages meanwhile`() async throws {
        let service = SignalService(
            registry: SignalRegistry(receiverBudgetBytes: 10_000),
            logger: Logger(label: "test")
        )
        let stuck = try await service.open("stuck")
        let quick = try await service.open("quick")
        let (received, sink) = AsyncStream<Signalexchange_EncryptedMessage>.makeStream()
        try await withThrowingTaskGroup(of: RPCError.Code?.self) { group in
            group.addTask {
                do {
                    _ = try await stuck.producer(RPCWriter(wrapping: StuckWriter()))
                    return nil
                } catch let error as RPCError {
                    return error.code
                }
            }
            group.addTask {
                _ = try await quick.producer(RPCWriter(wrapping: CollectingWriter(sink: sink)))
                return nil
            }
            var messages = received.makeAsyncIterator()
            // 10 kB wait at most: the tenth message of a kilobyte, overhead counted, is one too many.
            for number in 0..<20 {
                try await service.send(to: "stuck", Data(count: 1000))
                try await service.send(to: "quick", Data([UInt8(number)]))
                #expect(await messages.next()?.body == Data([UInt8(number)]))
            }
            #expect(try await group.next() == .some(.cancelled))
            group.cancelAll()
        }
    }
}

/// A receiver whose window is full: a write hangs until it is cancelled.
private struct StuckWriter: RPCWriterProtocol {
    func write(_ element: Signalexchange_EncryptedMessage) async throws { try await Task.sleep(for: .seconds(3600)) }

    func write(contentsOf elements: some Sequence<Signalexchange_EncryptedMessage>) async throws {
        try await Task.sleep(for: .seconds(3600))
    }
}

private struct CollectingWriter: RPCWriterProtocol {
    let sink: AsyncStream<Signalexchange_EncryptedMessage>.Continuation

    func write(_ element: Signalexchange_EncryptedMessage) async throws { sink.yield(element) }

    func write(contentsOf elements: some Sequence<Signalexchange_EncryptedMessage>) async throws {
        for element in elements { sink.yield(element) }
    }
}

extension SignalService {
    /// Opens a stream without a transport: grpc-swift's own client reads ahead without bound, so it is never slow.
    fileprivate func open(
        _ key: String
    ) async throws -> StreamingServerResponse<Signalexchange_EncryptedMessage>.Contents {
        let request = StreamingServerRequest<Signalexchange_EncryptedMessage>(
            metadata: [Self.idHeader: .string(key)],
            messages: RPCAsyncSequence(wrapping: AsyncThrowingStream { $0.finish() })
        )
        return try await connectStream(request: request, context: .test).accepted.get()
    }

    fileprivate func send(to key: String, _ body: Data) async throws {
        let message = Signalexchange_EncryptedMessage.with {
            $0.remoteKey = key
            $0.body = body
        }
        _ = try await send(request: ServerRequest(metadata: [:], message: message), context: .test)
    }
}

extension ServerContext {
    fileprivate static var test: ServerContext {
        ServerContext(
            descriptor: Signalexchange_SignalExchange.Method.ConnectStream.descriptor,
            remotePeer: "in-process:1",
            localPeer: "in-process:1",
            cancellation: RPCCancellationHandle()
        )
    }
}

extension TestMesh {
    func send(from sender: String, to receiver: String, body: [UInt8]) async throws {
        var message = Signalexchange_EncryptedMessage()
        message.key = sender
        message.remoteKey = receiver
        message.body = Data(body)
        let answer = try await signal.send(message)
        #expect(answer == Signalexchange_EncryptedMessage())
    }

    /// Listens under a key (`nil`: sends none) while `body` runs.
    func listening<Result>(
        _ key: String?,
        _ body: (inout SignalEvents) async throws -> Result
    ) async throws -> Result {
        let (events, sink) = AsyncStream<SignalEvents.Event>.makeStream()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let metadata: Metadata = key.map { [SignalService.idHeader: .string($0)] } ?? [:]
                do {
                    // Clients send nothing on the stream, but keep their half of it open.
                    let (held, _) = AsyncStream<Void>.makeStream()
                    try await signal.connectStream(metadata: metadata) { _ in
                        for await _ in held {}
                    } onResponse: { response in
                        let contents = try response.accepted.get()
                        let header = contents.metadata[stringValues: SignalService.registeredHeader]
                        sink.yield(.header(header.first { _ in true }))
                        for try await message in response.messages { sink.yield(.message(message)) }
                    }
                    sink.yield(.ended(nil))
                } catch let error as RPCError {
                    sink.yield(.ended(error.code))
                }
                sink.finish()
            }
            var stream = SignalEvents(iterator: events.makeAsyncIterator())
            let result = try await body(&stream)
            group.cancelAll()
            return result
        }
    }
}

/// What a signal stream brings, in order. A test that waits in vain ends by its time limit.
struct SignalEvents {
    enum Event: Sendable {
        case header(String?)
        case message(Signalexchange_EncryptedMessage)
        case ended(RPCError.Code?)
    }

    struct Unexpected: Error { var event: Event }

    var iterator: AsyncStream<Event>.Iterator

    private mutating func nextEvent() async throws -> Event {
        guard let event = await iterator.next(isolation: #isolation) else { throw StreamOver() }
        return event
    }

    mutating func header() async throws -> String? {
        let event = try await nextEvent()
        guard case .header(let value) = event else { throw Unexpected(event: event) }
        return value
    }

    mutating func message() async throws -> Signalexchange_EncryptedMessage {
        let event = try await nextEvent()
        guard case .message(let message) = event else { throw Unexpected(event: event) }
        return message
    }

    mutating func end() async throws -> RPCError.Code? {
        let event = try await nextEvent()
        guard case .ended(let code) = event else { throw Unexpected(event: event) }
        return code
    }
}
