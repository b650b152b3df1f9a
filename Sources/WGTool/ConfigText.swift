import MeshModel
package import WGKernel

extension ByteText {
    /// The configuration of a device, as `showconf` prints it and `setconf` reads it; with its keys.
    package mutating func appendConfiguration(of device: DeviceSnapshot, linkNames: LinkNames) {
        append("[Interface]\n")
        if device.listenPort != 0 { append("ListenPort = \(device.listenPort)\n") }
        if device.fwmark != 0 { append("FwMark = 0x\(String(device.fwmark, radix: 16))\n") }
        if let key = device.privateKey {
            append("PrivateKey = ")
            append(key)
            append("\n")
        }
        append("\n")
        for (index, peer) in device.peers.enumerated() {
            if index > 0 { append("\n") }
            append("[Peer]\nPublicKey = ")
            append(peer.publicKey)
            append("\n")
            if let key = peer.presharedKey {
                append("PresharedKey = ")
                append(key)
                append("\n")
            }
            for (index, prefix) in peer.allowedIPs.enumerated() {
                append(index == 0 ? "AllowedIPs = " : ", ")
                append(prefix)
            }
            if !peer.allowedIPs.isEmpty { append("\n") }
            if peer.endpoint != nil {
                append("Endpoint = ")
                appendEndpoint(of: peer, linkNames)
                append("\n")
            }
            if peer.persistentKeepaliveSeconds != 0 {
                append("PersistentKeepalive = \(peer.persistentKeepaliveSeconds)\n")
            }
        }
    }
}
