import MeshModel
public import NetlinkWire

extension DeviceSnapshot {
    /// Joins the messages of one `WG_CMD_GET_DEVICE` dump.
    ///
    /// - Parameter messages: each begins with `struct genlmsghdr`.
    /// - Throws: `DecodeError` with the attribute's path; also if there is no message.
    public static func decode(_ messages: [NetlinkMessage]) throws(DecodeError) -> DeviceSnapshot {
        var device = DeviceSnapshot(name: "", index: 0)
        for message in messages { try device.add(message.payload.span.bytes) }
        return try device.checked()
    }

    /// Reads one more message of a dump.
    ///
    /// A device that does not fit one message is continued in the next: later messages carry only the name, the index and
    /// more peers, and a peer whose allowed IPs were cut stands there again with the rest of them.
    mutating func add(_ message: RawSpan) throws(DecodeError) {
        var attributes = try GenericNetlinkHeader.attributes(of: message)
        while let attribute = try attributes.next(in: message) { try read(attribute, in: message) }
    }

    /// The device, if it has been read whole.
    func checked() throws(DecodeError) -> DeviceSnapshot {
        guard !name.isEmpty else { throw DecodeError("WGDEVICE_A_IFNAME: missing") }
        return self
    }

    private mutating func read(_ attribute: AttributePlace, in bytes: RawSpan) throws(DecodeError) {
        switch attribute.type {
        case WireGuardFamily.Device.index: index = try attribute.integer("WGDEVICE_A_IFINDEX", in: bytes)
        case WireGuardFamily.Device.name: name = try attribute.string("WGDEVICE_A_IFNAME", in: bytes)
        case WireGuardFamily.Device.privateKey:
            privateKey = try attribute.key("WGDEVICE_A_PRIVATE_KEY", in: bytes) { PrivateKey(bytes: $0) }
        case WireGuardFamily.Device.publicKey:
            publicKey = try attribute.key("WGDEVICE_A_PUBLIC_KEY", in: bytes) { PublicKey(bytes: $0) }
        case WireGuardFamily.Device.listenPort: listenPort = try attribute.integer("WGDEVICE_A_LISTEN_PORT", in: bytes)
        case WireGuardFamily.Device.fwmark: fwmark = try attribute.integer("WGDEVICE_A_FWMARK", in: bytes)
        case WireGuardFamily.Device.peers:
            try attribute.forEachElement("WGDEVICE_A_PEERS", in: bytes) { peer, bytes throws(DecodeError) in
                try readPeer(peer, in: bytes)
            }
        default: break
        }
    }

    private mutating func readPeer(_ element: AttributePlace, in bytes: RawSpan) throws(DecodeError) {
        var peer = PeerSnapshot(publicKey: try peerKey(of: element, in: bytes))
        var attributes = element.nested
        while let attribute = try attributes.next(in: bytes) { try peer.read(attribute, in: bytes) }
        let last = peers.count - 1
        if last >= 0, peers[last].publicKey == peer.publicKey {
            peers[last].allowedIPs += peer.allowedIPs
        } else {
            peers.append(peer)
        }
    }
}

/// The key may stand anywhere in a peer, and comes first.
private func peerKey(of peer: AttributePlace, in bytes: RawSpan) throws(DecodeError) -> PublicKey {
    var attributes = peer.nested
    while let attribute = try attributes.next(in: bytes) {
        guard attribute.type == WireGuardFamily.Peer.publicKey else { continue }
        try attribute.check("WGPEER_A_PUBLIC_KEY", count: WireGuardFamily.keyBytes)
        if let key = PublicKey(bytes: bytes.extracting(attribute.payload)) { return key }
    }
    throw DecodeError("missing", path: ["WGPEER_A_PUBLIC_KEY"])
}

extension PeerSnapshot {
    fileprivate mutating func read(_ attribute: AttributePlace, in bytes: RawSpan) throws(DecodeError) {
        switch attribute.type {
        case WireGuardFamily.Peer.presharedKey:
            presharedKey = try attribute.key("WGPEER_A_PRESHARED_KEY", in: bytes) { PresharedKey(bytes: $0) }
        case WireGuardFamily.Peer.endpoint:
            let sockaddr = bytes.extracting(attribute.payload)
            (endpoint, endpointScope) = try Endpoint.decode(sockaddr: sockaddr, name: "WGPEER_A_ENDPOINT")
        case WireGuardFamily.Peer.keepalive:
            persistentKeepaliveSeconds = try attribute.integer("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", in: bytes)
        case WireGuardFamily.Peer.lastHandshake:
            // struct __kernel_timespec: two 64-bit integers on every architecture.
            try attribute.check("WGPEER_A_LAST_HANDSHAKE_TIME", count: 16)
            let start = attribute.payload.lowerBound
            latestHandshakeSeconds = bytes.unsafeLoadUnaligned(fromByteOffset: start, as: Int64.self)
            latestHandshakeNanoseconds = bytes.unsafeLoadUnaligned(fromByteOffset: start + 8, as: Int64.self)
        case WireGuardFamily.Peer.receivedBytes: receivedBytes = try attribute.integer("WGPEER_A_RX_BYTES", in: bytes)
        case WireGuardFamily.Peer.sentBytes: sentBytes = try attribute.integer("WGPEER_A_TX_BYTES", in: bytes)
        case WireGuardFamily.Peer.protocolVersion:
            protocolVersion = try attribute.integer("WGPEER_A_PROTOCOL_VERSION", in: bytes)
        case WireGuardFamily.Peer.allowedIPs:
            allowedIPs.reserveCapacity(attribute.payload.count / leastAllowedIPBytes)
            try attribute.forEachElement("WGPEER_A_ALLOWEDIPS", in: bytes) { element, bytes throws(DecodeError) in
                allowedIPs.append(try decodeAllowedIP(element.nested, in: bytes))
            }
        default: break
        }
    }
}

private func decodeAllowedIP(_ list: AttributeCursor, in bytes: RawSpan) throws(DecodeError) -> IPPrefix {
    var attributes = list
    var address: IPAddress?
    var length: UInt8?
    while let attribute = try attributes.next(in: bytes) {
        switch attribute.type {
        case WireGuardFamily.AllowedIP.address:
            address = IPAddress(bytes: bytes.extracting(attribute.payload))
            if address == nil {
                let problem = "\(attribute.payload.count) bytes, expected 4 or 16"
                throw DecodeError(problem, path: ["WGALLOWEDIP_A_IPADDR"])
            }
        case WireGuardFamily.AllowedIP.length: length = try attribute.integer("WGALLOWEDIP_A_CIDR_MASK", in: bytes)
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

extension AttributePlace {
    /// - Returns: what `make` makes of the 32 bytes of a key; `nil`: they are zero, by which the kernel says that there is
    ///   none.
    fileprivate func key<Key>(
        _ name: StaticString,
        in bytes: RawSpan,
        _ make: (RawSpan) -> Key?
    ) throws(DecodeError) -> Key? {
        try check(name, count: WireGuardFamily.keyBytes)
        let key = bytes.extracting(payload)
        return isZero(key) ? nil : make(key)
    }
}

private func isZero(_ key: RawSpan) -> Bool {
    for offset in stride(from: 0, to: key.byteCount, by: 8)
    where key.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 { return false }
    return true
}

/// Of an IPv4 one: its own header; family, address and length with theirs and padding.
private let leastAllowedIPBytes = 28
