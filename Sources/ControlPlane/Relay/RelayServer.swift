import Logging
import NIOCore
import RelayWire
import Synchronization

/// The relay: forwards packets between peers by name, and tells them who is here.
///
/// Every event loop has a table of its own of where peers are, so a packet's way needs no lock and no other thread's word.
/// One of them, `home`, decides (`RelayPresence`) and tells the others; messages between two event loops keep their order,
/// so who hears that a peer is online can reach it already.
final class RelayServer: Sendable {
    let secret: RelaySecret
    /// The address that names this relay, for a client that reached it at the given local address.
    let instanceURL: @Sendable (SocketAddress?) -> String
    let logger: Logger
    private let home: any EventLoop
    private let hub: NIOLoopBoundBox<Hub>
    private let loops: [ObjectIdentifier: NIOLoopBoundBox<RelayLoop>]
    private let lastID = Atomic<RelayPresence.ConnectionID>(0)

    /// What `home` knows.
    private struct Hub {
        var presence = RelayPresence()
        var connections: [RelayPresence.ConnectionID: RelayRoute] = [:]
        var isFlushScheduled = false
    }

    init(
        group: any EventLoopGroup,
        secret: RelaySecret,
        logger: Logger,
        instanceURL: @escaping @Sendable (SocketAddress?) -> String
    ) {
        self.secret = secret
        self.logger = logger
        self.instanceURL = instanceURL
        home = group.next()
        hub = NIOLoopBoundBox.makeBoxSendingValue(Hub(), eventLoop: home)
        loops = Dictionary(
            group.makeIterator().map { loop in
                (ObjectIdentifier(loop), NIOLoopBoundBox.makeBoxSendingValue(RelayLoop(), eventLoop: loop))
            },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// Makes a relay connection of an upgraded WebSocket. On the channel's event loop.
    func adopt(_ channel: any Channel) throws {
        guard let loop = loops[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.inappropriateOperationForState  // it is of another group
        }
        let id = lastID.wrappingAdd(1, ordering: .relaxed).newValue
        let connection = RelayConnection(id: id, server: self, loop: loop.value)
        if let options = channel.syncOptions {
            try options.setOption(.writeBufferWaterMark, value: RelayConnection.waterMark)
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    func register(_ peer: RelayPeerID, _ route: RelayRoute) {
        atHome { server, hub in
            hub.connections[route.id] = route
            server.perform(hub.presence.register(peer, as: route.id), hub)
        }
    }

    func unregister(_ id: RelayPresence.ConnectionID) {
        atHome { server, hub in
            hub.connections[id] = nil
            server.perform(hub.presence.unregister(id), hub)
        }
    }

    func subscribe(_ id: RelayPresence.ConnectionID, to peers: [RelayPeerID]) {
        atHome { server, hub in
            let refused = hub.presence.subscribe(id, to: peers)
            if refused > 0, let loop = server.loops[ObjectIdentifier(server.home)] {
                loop.value.counters.refusedInterests += refused
            }
        }
    }

    func unsubscribe(_ id: RelayPresence.ConnectionID, from peers: [RelayPeerID]) {
        atHome { _, hub in hub.presence.unsubscribe(id, from: peers) }
    }

    /// Of all event loops together.
    func counters() async throws -> RelayCounters {
        var sum = RelayCounters()
        for loop in loops.values { sum = sum + (try await loop.eventLoop.submit { loop.value.counters }.get()) }
        return sum
    }

    private func atHome(_ body: @escaping @Sendable (RelayServer, inout Hub) -> Void) {
        home.execute { [self] in
            body(self, &hub.value)
            scheduleFlush()
        }
    }

    /// All that happens before the event loop's next turn is told together.
    private func scheduleFlush() {
        guard !hub.value.isFlushScheduled else { return }
        hub.value.isFlushScheduled = true
        home.execute { [self] in
            hub.value.isFlushScheduled = false
            perform(hub.value.presence.flush(), hub.value)
        }
    }

    private func perform(_ effects: [RelayPresence.Effect], _ hub: Hub) {
        for effect in effects {
            switch effect {
            case .admit(let id): deliver(to: hub.connections[id]) { $0.admit() }
            case .end(let id): deliver(to: hub.connections[id]) { $0.end("replaced") }
            case .tell(let id, let frame): deliver(to: hub.connections[id]) { $0.send(frame) }
            case .route(let peer, let id):
                let route = id.flatMap { hub.connections[$0] }
                for loop in loops.values { loop.eventLoop.execute { loop.value.routes[peer] = route } }
            }
        }
    }

    private func deliver(to route: RelayRoute?, _ body: @escaping @Sendable (RelayConnection) -> Void) {
        guard let route else { return }
        route.loop.execute { body(route.connection.value) }
    }
}

/// Where a peer is: its connection, and the event loop that alone may touch it.
struct RelayRoute: Sendable {
    let id: RelayPresence.ConnectionID
    let loop: any EventLoop
    let connection: NIOLoopBound<RelayConnection>
    let transit: RelayTransit
}

/// Bytes on their way from other event loops to a connection's own, so that they cannot pile up between the two.
final class RelayTransit: Sendable {
    private let bytes = Atomic<Int>(0)
    /// As much as may wait behind the event loop.
    private static let limit = 1 << 20

    /// - Returns: `false` if too much is under way already.
    func enter(_ count: Int) -> Bool {
        guard bytes.load(ordering: .relaxed) < Self.limit else { return false }
        bytes.wrappingAdd(count, ordering: .relaxed)
        return true
    }

    func leave(_ count: Int) { bytes.wrappingSubtract(count, ordering: .relaxed) }
}

/// What one event loop knows, for all relay connections on it.
final class RelayLoop {
    var routes: [RelayPeerID: RelayRoute] = [:]
    var counters = RelayCounters()
    /// Connections with written packets that are not flushed.
    private var unflushed: [RelayConnection] = []

    func flushLater(_ connection: RelayConnection) { unflushed.append(connection) }

    func flush() {
        let connections = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for connection in connections { connection.flush() }
    }
}
