import Logging
import MapCompiler
import MeshModel
import ServiceLifecycle

/// Gives every connected peer its newest map, and tells deleted peers that they are.
///
/// Level-triggered: whatever changed, whoever changed it (a login here, a command in another process), each pass reads
/// one snapshot of the directory and compares what each peer should know with what it was last told. A pass is started
/// by `directoryChanged()`, by a commit of another process, and by a new stream.
actor MapPublisher: Service {
    /// One open Sync stream.
    struct Session: Sendable {
        let peerID: PeerID
        /// Tells this stream from an older or newer one of the same peer.
        let number: UInt64
        /// At most one element waits: the newest. It ends when a newer stream of the peer opens, after `.deleted`, and
        /// when the server stops.
        let updates: AsyncStream<Update>
        private let sink: AsyncStream<Update>.Continuation

        init(peerID: PeerID, number: UInt64) {
            self.peerID = peerID
            self.number = number
            (updates, sink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        }

        func send(_ update: Update) { sink.yield(update) }

        /// From any thread: the client is gone, or nothing more is to come.
        func finish() { sink.finish() }
    }

    enum Update: Sendable, Hashable {
        case map(NetworkMap)
        /// The peer was deleted: the last thing it hears.
        case deleted(serial: UInt64)
    }

    private struct Connection {
        let session: Session
        /// `nil`: nothing was sent yet.
        var lastMap: NetworkMap?
    }

    private let store: any Store
    private let logger: Logger
    private var connections: [PeerID: Connection] = [:]
    private var lastNumber: UInt64 = 0
    private var lastDirectory: Directory?
    private var isDraining = false
    private nonisolated let pokes: AsyncStream<Void>
    private nonisolated let poke: AsyncStream<Void>.Continuation

    init(store: any Store, logger: Logger) {
        self.store = store
        self.logger = logger
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Something that maps are made of has changed in the store.
    nonisolated func directoryChanged() { poke.yield() }

    var connectedPeers: Set<PeerID> { Set(connections.keys) }

    /// Opens the stream of a peer; its first map follows at once. An older stream of the peer ends.
    ///
    /// - Returns: `nil` while the server stops.
    func open(peerID: PeerID) -> Session? {
        guard !isDraining else { return nil }
        connections[peerID]?.session.finish()
        lastNumber += 1
        let session = Session(peerID: peerID, number: lastNumber)
        connections[peerID] = Connection(session: session)
        poke.yield()
        return session
    }

    /// - Returns: whether the peer is without a stream now; `false` if a newer one has replaced this one.
    func close(_ session: Session) -> Bool {
        session.finish()
        guard let current = connections[session.peerID] else { return true }
        guard current.session.number == session.number else { return false }
        connections[session.peerID] = nil
        return true
    }

    /// Runs until the task is cancelled or the service group shuts down; then every stream ends.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask { await self.publishWhenPoked() }
                group.addTask { await self.watchOtherProcesses() }
            }
        }
        isDraining = true
        for (_, connection) in connections.sorted(by: { $0.key < $1.key }) { connection.session.finish() }
        connections = [:]
    }

    private func publishWhenPoked() async {
        for await _ in pokes {
            // A stream that opens while the snapshot is read may belong to a peer that is not in it yet.
            let newest = lastNumber
            do {
                publish(try await store.directory(), upTo: newest)
            } catch is CancellationError {
                return
            } catch {
                logger.error("cannot read the directory; maps stay as they are", metadata: ["error": "\(error)"])
            }
            // A burst of changes becomes one map; 100 ms stay far below the second that a change may take.
            guard await wait(.milliseconds(100)) else { return }
        }
    }

    /// Commands beside the server write to the same database: 250 ms is how long they may go unnoticed.
    private func watchOtherProcesses() async {
        var lastToken: Int64?
        repeat {
            do {
                let token = try await store.changeToken()
                if token != lastToken { poke.yield() }
                lastToken = token
            } catch is CancellationError {
                return
            } catch {
                logger.error("cannot ask the database for changes", metadata: ["error": "\(error)"])
            }
        } while await wait(.milliseconds(250))
    }

    private func publish(_ directory: Directory, upTo newest: UInt64) {
        let affected = lastDirectory.map { affectedPeers(from: $0, to: directory) }
        lastDirectory = directory
        let compiler = NetworkMapCompiler(directory)
        for (peerID, connection) in connections.sorted(by: { $0.key < $1.key })
        where connection.session.number <= newest {
            guard directory.peers[peerID] != nil else {
                logger.info("peer was deleted", metadata: ["peer": "\(peerID)"])
                connection.session.send(.deleted(serial: directory.serial))
                connection.session.finish()
                connections[peerID] = nil
                continue
            }
            let isAffected = affected?.contains(peerID) ?? true
            guard isAffected || connection.lastMap == nil, let map = compiler.map(for: peerID) else { continue }
            guard !map.hasSameContent(as: connection.lastMap) else { continue }
            connection.session.send(.map(map))
            connections[peerID]?.lastMap = map
        }
    }
}

extension NetworkMap {
    /// Whether a peer that has `other` would learn nothing but a new serial.
    fileprivate func hasSameContent(as other: NetworkMap?) -> Bool {
        guard var other else { return false }
        other.serial = serial
        return self == other
    }
}

/// - Returns: `false` if the task was cancelled meanwhile.
func wait(_ duration: Duration) async -> Bool {
    do {
        try await Task.sleep(for: duration)
        return true
    } catch {
        return false  // CancellationError is the only one it throws
    }
}
