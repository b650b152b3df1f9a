import RelayWire

/// Who is connected to the relay, and who wants to hear of whom. Pure: deliver inputs, perform the effects in order.
///
/// Source: spec/wire/relay.md 5 and 6.
struct RelayPresence: Sendable {
    /// Tells connections apart, also those of one peer; never used again.
    typealias ConnectionID = UInt64

    enum Effect: Hashable, Sendable {
        /// The answer to its `auth`, before which nothing else is sent to it.
        case admit(ConnectionID)
        /// Packets for the peer go to this connection from now on; `nil`: nowhere.
        case route(RelayPeerID, ConnectionID?)
        /// A newer connection of the same peer has taken its place: it ends without a word.
        case end(ConnectionID)
        case tell(ConnectionID, RelayFrame)
    }

    /// What a connection wants to know of a peer.
    private struct Interest: OptionSet {
        let rawValue: UInt8
        /// One-shot: goes with the event.
        static let online = Interest(rawValue: 1)
        /// Until `unsubscribe`.
        static let offline = Interest(rawValue: 2)
    }

    private struct Event {
        let peer: RelayPeerID
        let isOnline: Bool
    }

    private struct Connection {
        let peer: RelayPeerID
        var interests: [RelayPeerID: Interest] = [:]
        /// In the order in which they happened, until `flush`.
        var events: [Event] = []
    }

    /// Peers that one connection may be interested in: bounds what a client with a valid token can make us remember.
    static let interestLimit = 20_000

    private var connections: [ConnectionID: Connection] = [:]
    /// The connection of each peer that is here.
    private var current: [RelayPeerID: ConnectionID] = [:]
    /// Connections with any interest in a peer.
    private var watchers: [RelayPeerID: Set<ConnectionID>] = [:]
    /// Connections with events, in the order of their first.
    private var unflushed: [ConnectionID] = []

    var peerCount: Int { current.count }

    /// A connection has proved that it may use the relay, under a name of its choice.
    ///
    /// An older connection of that name ends; that is no leaving, but the name is online anew.
    mutating func register(_ peer: RelayPeerID, as id: ConnectionID) -> [Effect] {
        // The way is known when the client hears that it is in: what it has sent by then may be for itself.
        var effects: [Effect] = [.route(peer, id), .admit(id)]
        if let old = current.updateValue(id, forKey: peer) { effects.append(.end(old)) }
        connections[id] = Connection(peer: peer)
        for watcher in (watchers[peer] ?? []).sorted()
        where connections[watcher]?.interests[peer]?.contains(.online) == true {
            connections[watcher]?.interests[peer]?.remove(.online)
            append(Event(peer: peer, isOnline: true), to: watcher)
        }
        return effects
    }

    /// A connection is gone, whoever ended it. Unknown ones are none of ours.
    mutating func unregister(_ id: ConnectionID) -> [Effect] {
        guard let gone = connections.removeValue(forKey: id) else { return [] }
        for peer in gone.interests.keys { removeWatcher(id, of: peer) }
        guard current[gone.peer] == id else { return [] }
        current[gone.peer] = nil
        for watcher in (watchers[gone.peer] ?? []).sorted()
        where connections[watcher]?.interests[gone.peer]?.contains(.offline) == true {
            append(Event(peer: gone.peer, isOnline: false), to: watcher)
        }
        return [.route(gone.peer, nil)]
    }

    /// Those that are here are told at once, the own name included, and all are watched.
    ///
    /// - Returns: how many were answered but are not watched, since the connection watches too many.
    mutating func subscribe(_ id: ConnectionID, to peers: [RelayPeerID]) -> Int {
        var refused = 0
        for peer in peers {
            guard let connection = connections[id] else { return 0 }
            if current[peer] != nil { append(Event(peer: peer, isOnline: true), to: id) }
            guard connection.interests[peer] != nil || connection.interests.count < Self.interestLimit else {
                refused += 1
                continue
            }
            connections[id]?.interests[peer] = [.online, .offline]
            watchers[peer, default: []].insert(id)
        }
        return refused
    }

    mutating func unsubscribe(_ id: ConnectionID, from peers: [RelayPeerID]) {
        for peer in peers where connections[id]?.interests.removeValue(forKey: peer) != nil {
            removeWatcher(id, of: peer)
        }
    }

    /// What has happened since the last time, for each connection in order; like events in a row share a message.
    mutating func flush() -> [Effect] {
        let ids = unflushed
        unflushed = []
        return ids.flatMap { id -> [Effect] in
            guard let events = connections[id]?.events else { return [] }
            connections[id]?.events = []
            return Self.messages(events).map { .tell(id, $0) }
        }
    }

    private static func messages(_ events: [Event]) -> [RelayFrame] {
        var frames: [RelayFrame] = []
        var start = 0
        while start < events.count {
            let isOnline = events[start].isOnline
            let end = events[start...].firstIndex { $0.isOnline != isOnline } ?? events.count
            frames += RelayFrame.messages(
                listing: events[start..<end].map(\.peer),
                as: isOnline ? RelayFrame.peersOnline : RelayFrame.peersWentOffline
            )
            start = end
        }
        return frames
    }

    private mutating func append(_ event: Event, to id: ConnectionID) {
        if connections[id]?.events.isEmpty == true { unflushed.append(id) }
        connections[id]?.events.append(event)
    }

    private mutating func removeWatcher(_ id: ConnectionID, of peer: RelayPeerID) {
        watchers[peer]?.remove(id)
        if watchers[peer]?.isEmpty == true { watchers[peer] = nil }
    }
}
