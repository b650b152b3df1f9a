package import AgentCore
import MeshModel

/// The peer that a user means by a name (whole or its first labels), an overlay address or a public key.
///
/// - Parameter peers: of the map.
/// - Throws: `AgentFailure` with `.failure` if it is none of them, or more than one, which are then named.
package func peer(named name: String, among peers: [PeerStatus]) throws(AgentFailure) -> PeerStatus {
    if let key = PublicKey(base64: name) {
        guard let peer = peers.first(where: { $0.publicKey == key }) else {
            throw AgentFailure(.failure, "no peer of the map has the public key \(name)")
        }
        return peer
    }
    if let address = IPAddress(name) {
        guard let peer = peers.first(where: { $0.allowedIPs.contains { $0.isHost && $0.address == address } }) else {
            let hint = "(wgctl why \(address) traces a packet)"
            throw AgentFailure(.failure, "no peer has the overlay address \(address) \(hint)")
        }
        return peer
    }
    let wanted = name.lowercased()
    let text = wanted.hasSuffix(".") ? String(wanted.dropLast()) : wanted
    let whole = peers.filter { $0.fqdn.lowercased() == text }
    let matches = whole.isEmpty ? peers.filter { $0.fqdn.lowercased().hasPrefix(text + ".") } : whole
    guard let match = matches.first, !text.isEmpty else {
        throw AgentFailure(.failure, "no peer is called \"\(name)\"; `wgctl status` lists them")
    }
    guard matches.count == 1 else {
        let named = matches.prefix(mostNamed).map { peer in
            let address = peer.allowedIPs.first.map { " (\($0.address))" } ?? ""
            return peer.fqdn + address
        }
        let rest = matches.count > mostNamed ? " and \(matches.count - mostNamed) more" : ""
        let line = "\"\(name)\" is \(matches.count) peers: \(named.joined(separator: ", "))\(rest)"
        throw AgentFailure(.failure, line + "; give a whole name, an overlay address or a public key")
    }
    return match
}

/// A line stays readable.
private let mostNamed = 8
