import Agent
import AgentCore
import Logging
import MeshModel
import MeshProto
import RelayWire
import Testing

@testable import ControlPlane

/// Our agent's end of a relay, at our relay: WireGuard's side is a socket in memory.
@Suite(.timeLimit(.minutes(1)))
struct AgentRelayTests {
    private static let wireGuardPort: UInt16 = 51820

    @Test func `packets go both ways, and only WireGuard's`() async throws {
        try await withHub { hub in
            try await hub.connected()
            hub.command(.perform(.open(try key(2), server: hub.url)))
            try await TestSocket.relay(at: hub.relay, as: RelayPeerID(try key(2)), secret: hub.secret) { peer in
                let way = try await hub.ready()
                #expect(way.port == 31046)
                try await peer.send(.transport(RelayPeerID(try key(1)), payload: [1, 2, 3]))
                let received = try #require(await hub.received())
                #expect(received.bytes == [1, 2, 3])
                #expect(received.address == way.address)
                #expect(received.port == Self.wireGuardPort)
                #expect(await hub.event() == .carried(try key(2)))

                hub.wireGuard(sends: [9], to: way.address, from: 4000)
                hub.wireGuard(sends: [7, 7], to: way.address, from: Self.wireGuardPort)
                #expect(try await peer.frame() == .transport(RelayPeerID(try key(1)), payload: [7, 7]))
            }
            #expect(await hub.event() == .lost(try key(2), server: hub.url))
        }
    }

    @Test func `that packets come is said once, and once more after the last`() async throws {
        try await withHub { hub in
            try await hub.connected()
            hub.command(.perform(.open(try key(2), server: hub.url)))
            try await TestSocket.relay(at: hub.relay, as: RelayPeerID(try key(2)), secret: hub.secret) { peer in
                _ = try await hub.ready()
                for number in UInt8(0)..<9 {
                    try await peer.send(.transport(RelayPeerID(try key(1)), payload: [number]))
                }
                for number in UInt8(0)..<9 { #expect(await hub.received()?.bytes == [number]) }
                for _ in 0..<2 { #expect(await hub.event() == .carried(try key(2))) }
            }
            #expect(await hub.event() == .lost(try key(2), server: hub.url))
        }
    }

    @Test func `what WireGuard sends to a sleeping peer is caught, and goes over the way that follows`() async throws {
        try await withHub { hub in
            try await hub.connected()
            hub.command(.perform(.trap(try key(2))))
            let event = try #require(await hub.event())
            guard case .trapped(_, let endpoint?) = event else { throw TestHub.Unexpected(event: event) }
            let address = endpoint.address.bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            hub.wireGuard(sends: [5], to: address, from: 4000)
            hub.wireGuard(sends: [6, 6], to: address, from: Self.wireGuardPort)
            #expect(await hub.event() == .caught(try key(2), packet: [6, 6]))
            hub.command(.perform(.open(try key(2), server: hub.url)))
            try await TestSocket.relay(at: hub.relay, as: RelayPeerID(try key(2)), secret: hub.secret) { peer in
                #expect(try await hub.ready().address == address)
                hub.command(.perform(.send(try key(2), [[6, 6], [7]])))
                #expect(try await peer.frame() == .transport(RelayPeerID(try key(1)), payload: [6, 6]))
                #expect(try await peer.frame() == .transport(RelayPeerID(try key(1)), payload: [7]))
            }
        }
    }

    @Test func `the first packet of a peer that comes before it is asked for is not lost`() async throws {
        try await withHub { hub in
            try await hub.connected()
            try await TestSocket.relay(at: hub.relay, as: RelayPeerID(try key(2)), secret: hub.secret) { peer in
                // Its own packet comes back behind the other one: then that has arrived too.
                try await peer.send(.transport(RelayPeerID(try key(1)), payload: [4]))
                try await peer.send(.transport(RelayPeerID(try key(2)), payload: []))
                _ = try await peer.frame()
                hub.command(.perform(.open(try key(2), server: hub.url)))
                _ = try await hub.ready()
                #expect(await hub.received()?.bytes == [4])
            }
        }
    }

    @Test func `a relay that is switched off and on again and again is connected to once`() async throws {
        try await withHub { hub in
            try await hub.connected()
            for _ in 0..<20 {
                hub.command(.configure(nil))
                hub.command(.configure(hub.access))
            }
            var last: RelayEvent?
            var ends = 0
            while ends < 20 || last != .homeServer(hub.url) {
                last = await hub.event()
                if last == .home(nil) { ends += 1 }
            }
            hub.command(.perform(.open(try key(2), server: hub.url)))
            try await TestSocket.relay(at: hub.relay, as: RelayPeerID(try key(2)), secret: hub.secret) { peer in
                let way = try await hub.ready()
                for number in 0..<50 {
                    hub.wireGuard(sends: [UInt8(number)], to: way.address, from: Self.wireGuardPort)
                    let frame = try await peer.frame()
                    #expect(frame == .transport(RelayPeerID(try key(1)), payload: [UInt8(number)]))
                }
            }
        }
    }

    @Test func `a server without a relay, and a token that is none, are said`() async throws {
        try await withHub { hub in
            try await hub.connected()
            let wrong = RelayAccess(urls: ["rel://127.0.0.1:1"], tokenPayload: "1", tokenSignature: "")
            hub.command(.configure(wrong))
            while let event = await hub.event() {
                if case .home(.disconnected(let reason)) = event {
                    #expect(!reason.isEmpty)
                    break
                }
            }
        }
    }

    // MARK: - Surroundings

    private func key(_ byte: UInt8) throws -> PublicKey {
        try #require(PublicKey(bytes: [0, 0, 0, byte] + Array(repeating: byte, count: 28)))
    }

    private func withHub(_ body: (TestHub) async throws -> Void) async throws {
        try await TestMesh.serve { mesh in
            let secret = try DataDirectory(path: mesh.folder).relaySecret()
            let hub = TestHub(identity: try key(1), relay: mesh.endpoint, secret: secret)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await hub.run() }
                hub.command(.setWireGuardPort(Self.wireGuardPort))
                hub.command(.configure(hub.access))
                try await body(hub)
                group.cancelAll()
            }
        }
    }
}

/// A hub, what it says and what it is told.
private struct TestHub: Sendable {
    struct Packet: Hashable, Sendable {
        var bytes: [UInt8]
        var address: UInt32
        var port: UInt16
    }

    let relay: MeshModel.Endpoint
    let secret: RelaySecret
    private let hub: RelayHub
    private let commands: AsyncStream<RelayHub.Command>
    private let sink: AsyncStream<RelayHub.Command>.Continuation
    private let events: AsyncStream<RelayEvent>
    private let port: MemoryPort

    init(identity: PublicKey, relay: MeshModel.Endpoint, secret: RelaySecret) {
        self.relay = relay
        self.secret = secret
        (commands, sink) = AsyncStream.makeStream()
        let (events, eventSink) = AsyncStream.makeStream(of: RelayEvent.self)
        self.events = events
        let port = MemoryPort()
        self.port = port
        hub = RelayHub(
            identity: identity,
            sockets: ControlSockets(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            openPort: { (sink) throws(STUNSocketError) in
                port.open(sink)
                return port
            },
            deliver: { eventSink.yield($0) }
        )
    }

    var url: String { "rel://\(relay)" }

    var access: RelayAccess {
        let token = secret.token(expirySeconds: secondsSince1970() + 600)
        return RelayAccess(urls: [url], tokenPayload: token.payload, tokenSignature: token.signatureBase64)
    }

    func run() async { await hub.run(commands: commands) }
    func command(_ command: RelayHub.Command) { sink.yield(command) }
    func event() async -> RelayEvent? { await events.first { _ in true } }
    func received() async -> Packet? { await port.packets.first { _ in true } }

    /// Waits until the home relay is there.
    func connected() async throws {
        for expected in [RelayEvent.home(.connecting), .home(.connected), .homeServer(url)] {
            #expect(await event() == expected)
        }
    }

    /// Waits for the one peer, and says where WireGuard sends for it. Its packets may come first.
    func ready() async throws -> (address: UInt32, port: UInt16) {
        var next = try #require(await event())
        while case .carried = next { next = try #require(await event()) }
        guard case .ready(_, let server, let endpoint) = next else { throw Unexpected(event: next) }
        #expect(server == url)
        return (endpoint.address.bytes.reduce(0) { $0 << 8 | UInt32($1) }, endpoint.port)
    }

    struct Unexpected: Error {
        var event: RelayEvent
    }

    func wireGuard(sends bytes: [UInt8], to address: UInt32, from source: UInt16) {
        var batch = LoopbackBatch()
        batch.bytes = bytes
        batch.datagrams = [.init(range: 0..<bytes.count, peer: address, port: source)]
        port.deliver(batch)
    }
}

private struct MemoryPort: LoopbackPort {
    let port: UInt16 = 31046
    let packets: AsyncStream<TestHub.Packet>
    private let packetSink: AsyncStream<TestHub.Packet>.Continuation
    private let batches: AsyncStream<LoopbackBatch>.Continuation
    private let incoming: AsyncStream<LoopbackBatch>

    init() {
        (packets, packetSink) = AsyncStream.makeStream()
        (incoming, batches) = AsyncStream.makeStream()
    }

    func open(_ sink: @escaping @Sendable (LoopbackBatch) -> Void) {
        Task { for await batch in incoming { sink(batch) } }
    }

    func deliver(_ batch: LoopbackBatch) { batches.yield(batch) }

    func send(_ batch: LoopbackBatch) {
        for datagram in batch.datagrams {
            packetSink.yield(
                .init(bytes: Array(batch.bytes[datagram.range]), address: datagram.peer, port: datagram.port)
            )
        }
    }

    func close() { batches.finish() }
}
