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
    /// - Parameters:
    ///   - withName: whether lines start with the interface's name, as `show all FIELD` prints them.
    ///   - drain: may take what there is, after each line of a dump: that of a large device is megabytes.
    package mutating func append(
        _ field: DeviceField,
        of device: DeviceSnapshot,
        withName: Bool,
        linkNames: LinkNames,
        drain: (inout ByteText) -> Void = { _ in }
    ) {
        let name = withName ? device.name + "\t" : ""
        switch field {
        case .publicKey: append("\(name)\(device.publicKey?.base64 ?? none)\n")
        case .privateKey:
            append(name)
            append(device.privateKey)
            append("\n")
        case .listenPort: append("\(name)\(device.listenPort)\n")
        case .fwmark: append("\(name)\(fwmarkText(device.fwmark))\n")
        case .dump: appendDump(of: device, name: name, linkNames, drain)
        case .endpoints:
            // wg(8) names the interface once here, before the first peer, and scripts know it that way.
            append(name)
            for peer in device.peers { appendLine("", peer) { $0.appendEndpoint(of: peer, linkNames) } }
        case .peers: for peer in device.peers { append("\(name)\(peer.publicKey.base64)\n") }
        case .presharedKeys:
            for peer in device.peers {
                appendLine(name, peer) { text in
                    if let key = peer.presharedKey { text.append(key) } else { text.append(none) }
                }
            }
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

    private mutating func append(_ key: PrivateKey?) {
        if let key { append(key) } else { append(none) }
    }

    private mutating func appendLine(_ name: String, _ peer: PeerSnapshot, _ value: (inout ByteText) -> Void) {
        append(name)
        append(peer.publicKey)
        append("\t")
        value(&self)
        append("\n")
    }

    private mutating func appendDump(
        of device: DeviceSnapshot,
        name: String,
        _ linkNames: LinkNames,
        _ drain: (inout ByteText) -> Void
    ) {
        append(name)
        append(device.privateKey)
        append("\t\(device.publicKey?.base64 ?? none)\t")
        append("\(device.listenPort)\t\(fwmarkText(device.fwmark))\n")
        let start = Array(name.utf8)
        let absent = Array(none.utf8)
        let off = Array("off".utf8)
        for peer in device.peers {
            let scope = scopeText(of: peer, linkNames)
            let limit = start.count + scope.count + dumpLineBytes + peer.allowedIPs.count * (prefixLimitBytes + 1)
            append(atMost: limit) { line in
                line.append(text: start)
                peer.publicKey.append(base64To: &line)
                line.append("\t")
                if let key = peer.presharedKey { key.append(base64To: &line) } else { line.append(text: absent) }
                line.append("\t")
                if let endpoint = peer.endpoint {
                    line.append(endpoint, scope: scope)
                } else {
                    line.append(text: absent)
                }
                line.append("\t")
                if peer.allowedIPs.isEmpty { line.append(text: absent) }
                for index in peer.allowedIPs.indices {
                    if index > 0 { line.append(",") }
                    line.append(peer.allowedIPs[index])
                }
                line.append("\t")
                if peer.latestHandshakeSeconds < 0 { line.append("-") }
                line.append(decimal: peer.latestHandshakeSeconds.magnitude)
                line.append("\t")
                line.append(decimal: peer.receivedBytes)
                line.append("\t")
                line.append(decimal: peer.sentBytes)
                line.append("\t")
                if peer.persistentKeepaliveSeconds == 0 {
                    line.append(text: off)
                } else {
                    line.append(decimal: UInt64(peer.persistentKeepaliveSeconds))
                }
                line.append("\n")
            }
            drain(&self)
        }
    }

    /// `address:port`, `[address]:port`, `[fe80::1%eth0]:port` or `(none)`.
    mutating func appendEndpoint(of peer: PeerSnapshot, _ linkNames: LinkNames) {
        guard let endpoint = peer.endpoint else { return append(none) }
        let scope = scopeText(of: peer, linkNames)
        append(atMost: scope.count + endpointLimitBytes) { $0.append(endpoint, scope: scope) }
    }

    private mutating func appendAllowedIPs(of peer: PeerSnapshot, _ separator: String) {
        if peer.allowedIPs.isEmpty { append(none) }
        for (index, prefix) in peer.allowedIPs.enumerated() {
            if index > 0 { append(separator) }
            append(prefix)
        }
    }
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append(_ endpoint: Endpoint, scope: [UInt8]) {
        let isV4 = endpoint.address.isV4
        if !isV4 { append("[") }
        append(endpoint.address)
        append(text: scope)
        if !isV4 { append("]") }
        append(":")
        append(decimal: UInt64(endpoint.port))
    }
}

/// `%` and what getnameinfo(3) calls the scope of a v6 endpoint; empty for most.
private func scopeText(of peer: PeerSnapshot, _ linkNames: LinkNames) -> [UInt8] {
    guard peer.endpointScope != 0, let address = peer.endpoint?.address, !address.isV4 else { return [] }
    // Only link-local scopes have the names of links.
    let isLinkScope = address.isLinkLocal || (address.bytes[0] == 0xff && address.bytes[1] & 0x0f == 2)
    let name = isLinkScope ? linkNames(peer.endpointScope) : nil
    return Array("%\(name ?? String(peer.endpointScope))".utf8)
}

private let none = "(none)"

/// An address in brackets, and a port of five digits.
private let endpointLimitBytes = IPAddress.textLimitBytes + 8
/// Two keys, an endpoint, three numbers of up to 20 digits and a sign, a keepalive, and what stands between them.
private let dumpLineBytes = 2 * 44 + endpointLimitBytes + 4 * 21 + 9

private func fwmarkText(_ mark: UInt32) -> String { mark == 0 ? "off" : "0x" + String(mark, radix: 16) }

private func keepaliveText(_ peer: PeerSnapshot) -> String {
    peer.persistentKeepaliveSeconds == 0 ? "off" : String(peer.persistentKeepaliveSeconds)
}
