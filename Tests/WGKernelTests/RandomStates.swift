import MeshModel
import TestSupport
import Testing
import WGKernel

/// Small random states, so that keys, prefixes and endpoints collide often.
struct RandomStates {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    static func key(_ number: UInt8) throws -> PublicKey {
        try #require(PublicKey(bytes: [UInt8](repeating: number, count: 32)))
    }

    mutating func device() throws -> DeviceConfiguration {
        let privateKey = try #require(
            PrivateKey(bytes: [UInt8](repeating: .random(in: 200...203, using: &generator), count: 32))
        )
        var configuration = DeviceConfiguration(
            privateKey: privateKey,
            listenPort: .random(in: 51820...51822, using: &generator),
            fwmark: .random(in: 0...2, using: &generator)
        )
        // Each prefix goes to one peer at most, as DeviceConfiguration demands.
        var prefixes = try prefixes().shuffled(using: &generator)
        for number in 1...UInt8.random(in: 1...12, using: &generator) where Bool.random(using: &generator) {
            var peer = PeerConfiguration(publicKey: try Self.key(number))
            let count = Int.random(in: 0...min(5, prefixes.count), using: &generator)
            peer.allowedIPs = Set(prefixes.prefix(count))
            prefixes.removeFirst(count)
            if Bool.random(using: &generator) { peer.presharedKey = PresharedKey(bytes: peer.publicKey.bytes) }
            if Bool.random(using: &generator) { peer.endpoint = try endpoint() }
            peer.persistentKeepaliveSeconds = .random(in: 0...1, using: &generator) * 25
            configuration.peers[peer.publicKey] = peer
        }
        return configuration
    }

    mutating func endpoint() throws -> Endpoint {
        let texts = ["203.0.113.7:51820", "203.0.113.8:51820", "[2001:db8::7]:51820", "198.51.100.1:1"]
        return try #require(Endpoint(texts.randomElement(using: &generator) ?? ""))
    }

    private func prefixes() throws -> [IPPrefix] {
        try (0..<40).map { number in
            try #require(IPPrefix(number.isMultiple(of: 2) ? "10.\(number).0.0/16" : "fd00:\(number)::/64"))
        }
    }
}

extension DeviceConfiguration {
    /// What `plan` works with: `current` as if the kernel held exactly this.
    var snapshot: DeviceSnapshot {
        DeviceSnapshot(
            name: "wg0",
            index: 2,
            privateKey: privateKey,
            listenPort: listenPort,
            fwmark: fwmark,
            peers: peers.values.map { peer in
                PeerSnapshot(
                    publicKey: peer.publicKey,
                    presharedKey: peer.presharedKey,
                    endpoint: peer.endpoint,
                    allowedIPs: Array(peer.allowedIPs),
                    persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds,
                    protocolVersion: 1
                )
            }
        )
    }

    var endpoints: [PublicKey: Endpoint] { peers.compactMapValues(\.endpoint) }
}
