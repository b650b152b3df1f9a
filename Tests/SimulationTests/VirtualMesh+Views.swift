import AgentCore
import MeshModel

// What is wrong with a mesh, and where its relay is.
extension VirtualMesh {
    /// Nodes whose view of a peer is not a selected direct path to where that peer really is.
    func unconnected() -> [String] {
        keys.flatMap { key -> [String] in
            guard let node = nodes[key] else { return [] }
            return node.core.status(nowSeconds: 0).peers.compactMap { peer in
                let expected = nodes[peer.publicKey].map { Endpoint(address: $0.address, port: Self.port) }
                guard case .direct(_, _, let remote, _) = peer.path, remote == expected else {
                    return "\(key) to \(peer.publicKey): \(peer.path) \(peer.lastError ?? "")"
                }
                return nil
            }
        }
    }

    /// Pairs of kernels between which no packet would get through.
    func withoutSession() -> [String] {
        keys.flatMap { key in
            keys.filter { $0 != key }.compactMap { other in
                guard let kernel = nodes[key]?.kernel, let address = nodes[other]?.address else { return nil }
                let expected = Endpoint(address: address, port: Self.port)
                return kernel.handshakes[other] != nil && kernel.endpoints[other] == expected
                    ? nil : "\(key) to \(other): \(kernel.endpoints[other].map { "\($0)" } ?? "no endpoint")"
            }
        }
    }

    /// Nodes whose view of a peer is not a way over the relay that its kernel uses.
    func notRelayed() -> [String] {
        keys.flatMap { key -> [String] in
            guard let node = nodes[key] else { return [] }
            return node.core.status(nowSeconds: 0).peers.compactMap { peer in
                let endpoint = node.kernel.endpoints[peer.publicKey]
                guard peer.path == .relayed(server: Self.relay), endpoint == Self.relayEndpoint(of: peer.publicKey),
                    node.kernel.handshakes[peer.publicKey] != nil
                else { return "\(key) to \(peer.publicKey): \(peer.path) at \(endpoint.map { "\($0)" } ?? "-")" }
                return nil
            }
        }
    }

    static let relay = "rel://relay.test:80"

    /// Where a node's kernel sends for a relayed peer; the first byte of a key is its number.
    static func relayEndpoint(of peer: PublicKey) -> Endpoint? {
        IPAddress(bytes: [127, 64, 0, peer.bytes[0] + 1]).map { Endpoint(address: $0, port: 31046) }
    }
}
