import MeshModel
public import NetlinkWire

extension DeviceSnapshot {
    /// Joins the messages of one `WG_CMD_GET_DEVICE` dump.
    ///
    /// A device that does not fit one message is continued in the next: later messages carry only the name, the index and
    /// more peers, and a peer whose allowed IPs were cut stands there again with the rest of them.
    ///
    /// - Parameter messages: each begins with `struct genlmsghdr`.
    /// - Throws: `DecodeError` with the attribute's path; also if there is no message.
    public static func decode(_ messages: [NetlinkMessage]) throws(DecodeError) -> DeviceSnapshot {
        var device = DeviceSnapshot(name: "", index: 0)
        for message in messages {
            let attributes = try GenericNetlinkHeader.decode(message.payload[...]).attributes
            try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
                try device.read(attribute)
            }
        }
        guard !device.name.isEmpty else { throw DecodeError("WGDEVICE_A_IFNAME: missing") }
        return device
    }

    private mutating func read(_ attribute: Attribute) throws(DecodeError) {
        switch attribute.type {
        case WireGuardFamily.Device.index: index = try attribute.integer("WGDEVICE_A_IFINDEX")
        case WireGuardFamily.Device.name: name = try attribute.string("WGDEVICE_A_IFNAME")
        case WireGuardFamily.Device.privateKey:
            let bytes = try attribute.bytes("WGDEVICE_A_PRIVATE_KEY", count: WireGuardFamily.keyBytes)
            privateKey = isZero(bytes) ? nil : PrivateKey(bytes: bytes)
        case WireGuardFamily.Device.publicKey:
            let bytes = try attribute.bytes("WGDEVICE_A_PUBLIC_KEY", count: WireGuardFamily.keyBytes)
            publicKey = isZero(bytes) ? nil : PublicKey(bytes: bytes)
        case WireGuardFamily.Device.listenPort: listenPort = try attribute.integer("WGDEVICE_A_LISTEN_PORT")
        case WireGuardFamily.Device.fwmark: fwmark = try attribute.integer("WGDEVICE_A_FWMARK")
        case WireGuardFamily.Device.peers:
            try attribute.forEachElement("WGDEVICE_A_PEERS") { element throws(DecodeError) in
                let peer = try PeerSnapshot.decode(element)
                if let last = peers.last, last.publicKey == peer.publicKey {
                    peers[peers.count - 1].allowedIPs += peer.allowedIPs
                } else {
                    peers.append(peer)
                }
            }
        default: break
        }
    }
}

extension PeerSnapshot {
    fileprivate static func decode(_ attributes: ArraySlice<UInt8>) throws(DecodeError) -> PeerSnapshot {
        var key: PublicKey?
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            guard attribute.type == WireGuardFamily.Peer.publicKey else { return }
            key = PublicKey(bytes: try attribute.bytes("WGPEER_A_PUBLIC_KEY", count: WireGuardFamily.keyBytes))
        }
        guard let key else { throw DecodeError("missing", path: ["WGPEER_A_PUBLIC_KEY"]) }
        var peer = PeerSnapshot(publicKey: key)
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in try peer.read(attribute) }
        return peer
    }

    private mutating func read(_ attribute: Attribute) throws(DecodeError) {
        switch attribute.type {
        case WireGuardFamily.Peer.presharedKey:
            let bytes = try attribute.bytes("WGPEER_A_PRESHARED_KEY", count: WireGuardFamily.keyBytes)
            presharedKey = isZero(bytes) ? nil : PresharedKey(bytes: bytes)
        case WireGuardFamily.Peer.endpoint:
            (endpoint, endpointScope) = try Endpoint.decode(sockaddr: attribute.payload, name: "WGPEER_A_ENDPOINT")
        case WireGuardFamily.Peer.keepalive:
            persistentKeepaliveSeconds = try attribute.integer("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL")
        case WireGuardFamily.Peer.lastHandshake:
            // struct __kernel_timespec: two 64-bit integers on every architecture.
            let time = try attribute.bytes("WGPEER_A_LAST_HANDSHAKE_TIME", count: 16)
            latestHandshakeSeconds = time.integer(at: 0, as: Int64.self) ?? 0
            latestHandshakeNanoseconds = time.integer(at: 8, as: Int64.self) ?? 0
        case WireGuardFamily.Peer.receivedBytes: receivedBytes = try attribute.integer("WGPEER_A_RX_BYTES")
        case WireGuardFamily.Peer.sentBytes: sentBytes = try attribute.integer("WGPEER_A_TX_BYTES")
        case WireGuardFamily.Peer.protocolVersion: protocolVersion = try attribute.integer("WGPEER_A_PROTOCOL_VERSION")
        case WireGuardFamily.Peer.allowedIPs:
            try attribute.forEachElement("WGPEER_A_ALLOWEDIPS") { element throws(DecodeError) in
                allowedIPs.append(try decodeAllowedIP(element))
            }
        default: break
        }
    }
}

private func decodeAllowedIP(_ attributes: ArraySlice<UInt8>) throws(DecodeError) -> IPPrefix {
    var address: IPAddress?
    var length: UInt8?
    try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
        switch attribute.type {
        case WireGuardFamily.AllowedIP.address:
            address = IPAddress(bytes: attribute.payload)
            if address == nil {
                let problem = "\(attribute.payload.count) bytes, expected 4 or 16"
                throw DecodeError(problem, path: ["WGALLOWEDIP_A_IPADDR"])
            }
        case WireGuardFamily.AllowedIP.length: length = try attribute.integer("WGALLOWEDIP_A_CIDR_MASK")
        default: break
        }
    }
    guard let address else { throw DecodeError("missing", path: ["WGALLOWEDIP_A_IPADDR"]) }
    guard let length else { throw DecodeError("missing", path: ["WGALLOWEDIP_A_CIDR_MASK"]) }
    guard let prefix = IPPrefix(address: address, length: Int(length)) else {
        throw DecodeError("\(length), expected 0 to \(address.bitWidth)", path: ["WGALLOWEDIP_A_CIDR_MASK"])
    }
    return prefix
}

private func isZero(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.allSatisfy { $0 == 0 } }
