import MeshModel

/// A question of `wgctl status PEER`: `peer show text NAME` or `peer why json NAME`, the name percent-encoded
/// (`PercentEncoding`).
package struct PeerRequest: Hashable, Sendable {
    /// A name, an overlay address or a public key, as the user gave it.
    package var name: String
    /// Whether the path is to be explained, and not only shown.
    package var isWhy: Bool
    package var isJSON: Bool

    /// A domain name (RFC 1035, section 2.3.4); addresses and keys are shorter.
    package static let longestName = 255

    /// - Returns: `nil` for anything that is not exactly such a line.
    package init?(line: some Sequence<UInt8>) {
        guard let text = String(validating: Array(line), as: UTF8.self) else { return nil }
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, words[0] == "peer", let name = PercentEncoding.decode(words[3]),
            (1...Self.longestName).contains(name.utf8.count)
        else { return nil }
        switch words[1] {
        case "show": isWhy = false
        case "why": isWhy = true
        default: return nil
        }
        switch words[2] {
        case "text": isJSON = false
        case "json": isJSON = true
        default: return nil
        }
        self.name = name
    }
}
