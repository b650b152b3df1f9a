public import MeshModel

/// The address on this host's loopback that stands for each relayed peer.
///
/// In 127.64.0.0/10, chosen by the peer's key: after a restart of the agent the kernel's endpoints still mean the same
/// peers, unless two keys want one address.
public struct LoopbackAddresses: Sendable {
    private var addresses: [PublicKey: UInt32] = [:]
    private var peers: [UInt32: PublicKey] = [:]

    private static let network: UInt32 = 127 << 24 | 64 << 16
    private static let count: UInt32 = 1 << 22

    public init() {}

    /// - Returns: an address in host byte order; `nil` if all four million are in use.
    public mutating func address(of peer: PublicKey) -> UInt32? {
        if let address = addresses[peer] { return address }
        guard peers.count < Int(Self.count) - 1 else { return nil }
        var place = peer.bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } % Self.count
        // The network's own address is nobody's.
        while place == 0 || peers[Self.network + place] != nil { place = (place + 1) % Self.count }
        addresses[peer] = Self.network + place
        peers[Self.network + place] = peer
        return Self.network + place
    }

    public func peer(at address: UInt32) -> PublicKey? { peers[address] }

    public mutating func release(_ peer: PublicKey) {
        if let address = addresses.removeValue(forKey: peer) { peers[address] = nil }
    }
}
