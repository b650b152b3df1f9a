import MeshModel
package import WGKernel

/// What `show INTERFACE FIELD` prints for scripts.
package enum DeviceField: String, Sendable, CaseIterable {
    case publicKey = "public-key"
    case privateKey = "private-key"
    case listenPort = "listen-port"
    case fwmark = "fwmark"
    case peers = "peers"
    case presharedKeys = "preshared-keys"
    case endpoints = "endpoints"
    case allowedIPs = "allowed-ips"
    case latestHandshakes = "latest-handshakes"
    case transfer = "transfer"
    case persistentKeepalive = "persistent-keepalive"
    case dump = "dump"
}

/// Finds the name of a link; `nil`: there is none with that index.
package typealias LinkNames = (UInt32) -> String?

extension ByteText {
    /// The lines of one field, in the kernel's order of peers. Nothing is hidden.
    ///
    /// - Parameter withName: whether lines start with the interface's name, as `show all FIELD` prints them.
    package mutating func append(
        _ field: DeviceField,
        of device: DeviceSnapshot,
        withName: Bool,
        linkNames: LinkNames
    ) {
        let name = withName ? device.name + "\t" : ""
        switch field {
        case .publicKey: append("\(name)\(device.publicKey?.base64 ?? none)\n")
        case .privateKey: append("\(name)\(device.privateKey?.base64 ?? none)\n")
        case .listenPort: append("\(name)\(device.listenPort)\n")
        case .fwmark: append("\(name)\(fwmarkText(device.fwmark))\n")
        case .dump: appendDump(of: device, name: name, linkNames)
        case .endpoints:
            // wg(8) names the interface once here, before the first peer, and scripts know it that way.
            append(name)
            for peer in device.peers { appendLine("", peer) { $0.appendEndpoint(of: peer, linkNames) } }
        case .peers: for peer in device.peers { append("\(name)\(peer.publicKey.base64)\n") }
        case .presharedKeys:
            for peer in device.peers { appendLine(name, peer) { $0.append(peer.presharedKey?.base64 ?? none) } }
        case .allowedIPs: for peer in device.peers { appendLine(name, peer) { $0.appendAllowedIPs(of: peer, " ") } }
        case .latestHandshakes:
            for peer in device.peers { appendLine(name, peer) { $0.append(peer.latestHandshakeSeconds) } }
        case .transfer:
            for peer in device.peers {
                appendLine(name, peer) { text in
                    text.append(peer.receivedBytes)
                    text.append("\t")
                    text.append(peer.sentBytes)
                }
            }
        case .persistentKeepalive:
            for peer in device.peers { appendLine(name, peer) { $0.append(keepaliveText(peer)) } }
        }
    }

    private mutating func appendLine(_ name: String, _ peer: PeerSnapshot, _ value: (inout ByteText) -> Void) {
        append(name)
        append(peer.publicKey)
        append("\t")
        value(&self)
        append("\n")
    }

    private mutating func appendDump(of device: DeviceSnapshot, name: String, _ linkNames: LinkNames) {
        append("\(name)\(device.privateKey?.base64 ?? none)\t\(device.publicKey?.base64 ?? none)\t")
        append("\(device.listenPort)\t\(fwmarkText(device.fwmark))\n")
        for peer in device.peers {
            append(name)
            append(peer.publicKey)
            append("\t")
            if let key = peer.presharedKey { append(key) } else { append(none) }
            append("\t")
            appendEndpoint(of: peer, linkNames)
            append("\t")
            appendAllowedIPs(of: peer, ",")
            append("\t")
            append(peer.latestHandshakeSeconds)
            append("\t")
            append(peer.receivedBytes)
            append("\t")
            append(peer.sentBytes)
            append("\t")
            append(keepaliveText(peer))
            append("\n")
        }
    }

    /// `address:port`, `[address]:port`, `[fe80::1%eth0]:port` or `(none)`.
    mutating func appendEndpoint(of peer: PeerSnapshot, _ linkNames: LinkNames) {
        guard let endpoint = peer.endpoint else { return append(none) }
        let address = endpoint.address
        if address.isV4 {
            append(address)
        } else {
            append("[")
            append(address)
            if peer.endpointScope != 0 {
                // As getnameinfo(3) writes it: only link-local scopes have the names of links.
                let isLinkScope = address.isLinkLocal || (address.bytes[0] == 0xff && address.bytes[1] & 0x0f == 2)
                let name = isLinkScope ? linkNames(peer.endpointScope) : nil
                append("%")
                append(name ?? String(peer.endpointScope))
            }
            append("]")
        }
        append(":")
        append(endpoint.port)
    }

    private mutating func appendAllowedIPs(of peer: PeerSnapshot, _ separator: String) {
        if peer.allowedIPs.isEmpty { append(none) }
        for (index, prefix) in peer.allowedIPs.enumerated() {
            if index > 0 { append(separator) }
            append(prefix)
        }
    }
}

private let none = "(none)"

private func fwmarkText(_ mark: UInt32) -> String { mark == 0 ? "off" : "0x" + String(mark, radix: 16) }

private func keepaliveText(_ peer: PeerSnapshot) -> String {
    peer.persistentKeepaliveSeconds == 0 ? "off" : String(peer.persistentKeepaliveSeconds)
}
