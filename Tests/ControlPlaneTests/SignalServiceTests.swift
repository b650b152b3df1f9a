import Foundation
import GRPCCore
import MeshModel
import MeshProto
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SignalServiceTests {
    @Test func `the registration header comes at once, before any message`() async throws {
        try await TestMesh.serve { mesh in
            try await mesh.listening("alice") { stream in
                #expect(try await stream.header() == "1")
            }
        }
    }

    @Test func `a stream without a key is refused`() async throws {
        try await TestMesh.serve { mesh in
            for (key, code) in [(nil, RPCError.Code.failedPrecondition), (String(repeating: "a", count: 300), .invalidArgument)] {
                try await mesh.listening(key) { stream in
                    #expect(try await stream.end() == code)
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
        try await TestMesh.serve { mesh in
            // A connection of its own: the window that fills up is that of the slow reader.
            try await TestMesh.connect(to: mesh.endpoint) { client in
                let slow = Signalexchange_SignalExchange.Client(wrapping: client)
                let (opened, open) = AsyncStream<Void>.makeStream()
                let (released, release) = AsyncStream<Void>.makeStream()
                try await withThrowingTaskGroup(of: RPCError.Code?.self) { group in
                    group.addTask {
                        do {
                            try await slow.connectStream(metadata: [SignalService.idHeader: "slow"]) { _ in
                            } onResponse: { response in
                                open.yield()
                                for await _ in released { break }
                                for try await _ in response.messages {}
                            }
                            return nil
                        } catch let error as RPCError {
                            return error.code
                        }
                    }
                    for await _ in opened { break }
                    try await mesh.listening("quick") { quick in
                        _ = try await quick.header()
                        let body = [UInt8](repeating: 1, count: 3 << 20)
                        // 16 MiB are queued at most, so that the eighth message at the latest is one too many.
                        for number in 0..<10 {
                            try await mesh.send(from: "bob", to: "slow", body: body)
                            try await mesh.send(from: "bob", to: "quick", body: [UInt8(number)])
                            #expect(try await quick.message().body == Data([UInt8(number)]))
                        }
                    }
                    release.yield()
                    #expect(try await group.next() == .some(.cancelled))
                }
            }
        }
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

    mutating func header() async throws -> String? {
        let event = try #require(await iterator.next())
        guard case .header(let value) = event else { throw Unexpected(event: event) }
        return value
    }

    mutating func message() async throws -> Signalexchange_EncryptedMessage {
        let event = try #require(await iterator.next())
        guard case .message(let message) = event else { throw Unexpected(event: event) }
        return message
    }

    mutating func end() async throws -> RPCError.Code? {
        let event = try #require(await iterator.next())
        guard case .ended(let code) = event else { throw Unexpected(event: event) }
        return code
    }
}
