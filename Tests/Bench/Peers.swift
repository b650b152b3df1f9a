import MeshModel
import WGKernel
import WGTool

/// A device with a key, and peers with an endpoint, a keepalive and two allowed IPs each; equal numbers give equal peers.
///
/// - Parameter changed: how many of them, from the first, have another endpoint and another second allowed IP.
func sampleDevice(peers count: Int, changed: Int = 0) -> DeviceSnapshot {
    DeviceSnapshot(
        name: "wg0",
        index: 7,
        privateKey: PrivateKey(bytes: keyBytes(0)),
        listenPort: 51820,
        peers: (0..<count).map { samplePeer($0, isChanged: $0 < changed) }
    )
}

private func samplePeer(_ index: Int, isChanged: Bool) -> PeerSnapshot {
    guard let key = PublicKey(bytes: keyBytes(index + 1)) else { preconditionFailure("32 bytes are no key") }
    let low = [UInt8(index >> 16 & 0xff), UInt8(index >> 8 & 0xff), UInt8(index & 0xff)]
    let v6 = [0x20, 0x01, 0x0d, 0xb8, isChanged ? 1 : 0] + [UInt8](repeating: 0, count: 8) + low
    guard let host = IPAddress(bytes: [10] + low), let other = IPAddress(bytes: v6),
        let outside = IPAddress(bytes: [isChanged ? 198 : 192] + low)
    else { preconditionFailure("4 bytes are no address") }
    return PeerSnapshot(
        publicKey: key,
        endpoint: Endpoint(address: outside, port: 51820),
        allowedIPs: [IPPrefix(host: host), IPPrefix(host: other)],
        persistentKeepaliveSeconds: 25
    )
}

/// 32 bytes that look random; the same for the same number (SplitMix64).
private func keyBytes(_ number: Int) -> [UInt8] {
    var state = UInt64(number) &* 0x9e37_79b9_7f4a_7c15 &+ 1
    var bytes: [UInt8] = []
    for _ in 0..<4 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        word ^= word >> 31
        for shift: UInt64 in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return bytes
}

func printConfiguration(peers: Int, changed: Int) {
    var text = ByteText()
    text.appendConfiguration(of: sampleDevice(peers: peers, changed: changed)) { _ in nil }
    write(text.bytes)
}
