import MeshModel

/// What the agent knows, as far as `why` and `doctor` ask: its answer to `facts`, a line each with words between tabs.
///
/// Lines and words that a newer agent adds are passed over.
struct AgentFacts: Hashable {
    struct Peer: Hashable {
        var key: PublicKey
        var name: String
        /// Such as `Connected`, possibly with the last error.
        var path: String
    }

    struct MapRoute: Hashable {
        var prefix: IPPrefix
        var routingPeer: PublicKey
        var metric: Int
        var name: String
    }

    struct Access: Hashable {
        var isInbound: Bool
        var isAccept: Bool
        /// Such as `tcp 22` or `all`.
        var traffic: String
        var peer: IPPrefix
        var policy: String
    }

    var key: PublicKey?
    /// Our overlay addresses with their networks.
    var own: [IPPrefix] = []
    var interface: String?
    /// Since when it is the stored one, as text; `nil`: it is fresh, or there is none.
    var mapStaleSince: String?
    /// In the words of `wgctl status`.
    var management = ""
    var signal = ""
    var peers: [Peer] = []
    var routes: [MapRoute] = []
    var access: [Access] = []

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
            take(words[0], Array(words.dropFirst()))
        }
    }

    func name(of key: PublicKey) -> String? { peers.first { $0.key == key }.map(\.name) }

    private mutating func take(_ kind: String, _ words: [String]) {
        switch (kind, words.count) {
        case ("key", 1...): key = PublicKey(base64: words[0])
        case ("own", _): own = words.compactMap { IPPrefix($0) }
        case ("interface", 1...): interface = words[0]
        case ("map", 2...): mapStaleSince = words[0] == "stale" ? words[1] : nil
        case ("management", 1...): management = words[0]
        case ("signal", 1...): signal = words[0]
        case ("peer", 3...):
            guard let key = PublicKey(base64: words[0]) else { return }
            peers.append(Peer(key: key, name: words[1], path: words[2]))
        case ("route", 4...):
            guard let prefix = IPPrefix(words[0]), let peer = PublicKey(base64: words[1]), let metric = Int(words[2])
            else { return }
            routes.append(MapRoute(prefix: prefix, routingPeer: peer, metric: metric, name: words[3]))
        case ("access", 6...):
            guard let peer = IPPrefix(words[4]) else { return }
            access.append(
                Access(
                    isInbound: words[0] == "in",
                    isAccept: words[1] == "accept",
                    traffic: words[3].isEmpty ? words[2] : "\(words[2]) \(words[3])",
                    peer: peer,
                    policy: words[5]
                )
            )
        default: break
        }
    }
}
