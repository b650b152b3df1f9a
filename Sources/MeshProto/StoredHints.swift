package import MeshModel

/// Addresses that worked last time: where to begin while nobody can tell. Kept on disk, and lost without harm.
///
/// Content of the file: `identity KEY`, then a line `peer KEY ENDPOINT` for each peer and `server NAME ADDRESS...` for
/// each server that is named, not numbered.
package struct StoredHints: Hashable, Sendable {
    package var identity: PublicKey
    package var endpoints: [PublicKey: Endpoint]
    /// By host name: what it resolved to, the address that answered first.
    package var servers: [String: [IPAddress]]

    package init(
        identity: PublicKey,
        endpoints: [PublicKey: Endpoint] = [:],
        servers: [String: [IPAddress]] = [:]
    ) {
        self.identity = identity
        self.endpoints = endpoints
        self.servers = servers
    }

    /// Some 100 bytes each for more peers than any map has.
    package static let maximumFileBytes = 8 << 20
    /// How many addresses of a name are kept: more than any happy-eyeballs attempt tries.
    package static let maximumAddresses = 8
    private static let (kind, version) = ("hints", 1)

    /// Equal hints give equal bytes.
    package func encode() -> [UInt8] {
        var text = "identity \(identity)\n"
        for (peer, endpoint) in endpoints.sorted(by: { $0.key < $1.key }) { text += "peer \(peer) \(endpoint)\n" }
        for (host, addresses) in servers.sorted(by: { $0.key < $1.key }) where !addresses.isEmpty {
            let words = addresses.prefix(Self.maximumAddresses).map { "\($0)" }
            text += "server \(host) \(words.joined(separator: " "))\n"
        }
        return StoredFile.encode(kind: Self.kind, version: Self.version, content: Array(text.utf8))
    }

    /// - Throws: `StoredFileError` unless every line is one that `encode` makes.
    package init(decoding bytes: [UInt8]) throws(StoredFileError) {
        var lines = StoredLines(try StoredFile.decode(bytes, kind: Self.kind, version: Self.version))
        guard let first = try lines.next(), first.count == 2, first[0] == "identity",
            let key = PublicKey(base64: String(first[1]))
        else { throw StoredFileError("its first line names nobody") }
        self.init(identity: key)
        while !lines.remainder.isEmpty {
            guard let words = try lines.next() else { throw StoredFileError("it holds an empty line") }
            try take(words)
        }
    }

    private mutating func take(_ words: [Substring]) throws(StoredFileError) {
        switch words.first {
        case "peer":
            guard words.count == 3, let peer = PublicKey(base64: String(words[1])),
                let endpoint = Endpoint(String(words[2])), endpoint.port != 0
            else { throw StoredFileError("it holds a peer without key or endpoint") }
            endpoints[peer] = endpoint
        case "server":
            let addresses = words.dropFirst(2).compactMap { IPAddress(String($0)) }
            guard words.count > 2, addresses.count == words.count - 2, addresses.count <= Self.maximumAddresses,
                !words[1].isEmpty
            else { throw StoredFileError("it holds a server without name or address") }
            servers[String(words[1])] = addresses
        default:
            throw StoredFileError("it holds a line of no known kind")
        }
    }
}
