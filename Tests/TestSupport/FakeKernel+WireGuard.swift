import CNetlink
import MeshModel
import NetlinkWire
import Routing
import WGKernel

/// The generic netlink family `wireguard`, after drivers/net/wireguard/netlink.c.
extension FakeKernel {
    func dumpDevice(_ payload: ArraySlice<UInt8>) throws(Refusal) -> [NetlinkMessage] {
        let device = try findDevice(payload)
        var messages: [NetlinkMessage] = []
        var peers = device.peers[...]
        var allowedIPs = peers.first?.allowedIPs[...] ?? []
        var isContinued = false
        repeat {
            var encoder = AttributeEncoder(header: [UInt8(WG_CMD_GET_DEVICE.rawValue), 1, 0, 0])
            encoder.append(Int(WGDEVICE_A_IFINDEX.rawValue), integer: device.index)
            encoder.append(Int(WGDEVICE_A_IFNAME.rawValue), string: device.name)
            if messages.isEmpty { append(device, to: &encoder) }
            var room = max(traits.dumpItems, 2)
            encoder.nest(Int(WGDEVICE_A_PEERS.rawValue)) { list in
                while room >= 2, let peer = peers.first {
                    room -= 1
                    let part = allowedIPs.prefix(room)
                    list.nest(0) { append(peer, allowedIPs: part, isContinued: isContinued, to: &$0) }
                    room -= part.count
                    allowedIPs = allowedIPs.dropFirst(part.count)
                    isContinued = !allowedIPs.isEmpty
                    if isContinued { break }
                    peers = peers.dropFirst()
                    allowedIPs = peers.first?.allowedIPs[...] ?? []
                }
            }
            messages.append(NetlinkMessage(type: 0x1d, flags: UInt16(NLM_F_MULTI), payload: encoder.bytes))
        } while !peers.isEmpty
        return messages
    }

    func setDevice(_ payload: ArraySlice<UInt8>) throws(Refusal) {
        var device = try findDevice(payload)
        let oldPort = device.listenPort
        let peers = try Refusal.reading { () throws(DecodeError) in try read(payload, into: &device) }
        // A link that is down only remembers the port; switching it on binds it.
        let isUp = links.first { $0.name == device.name }?.isUp ?? false
        if device.listenPort != oldPort, isUp, takenPorts.contains(device.listenPort) { throw Refusal(EADDRINUSE) }
        // A refusal undoes nothing of what came before it.
        defer { devices[device.name] = device }
        for peer in peers { try apply(peer, to: &device) }
    }

    private func read(
        _ payload: ArraySlice<UInt8>,
        into device: inout DeviceSnapshot
    ) throws(DecodeError) -> [DecodedPeer] {
        var peers: [DecodedPeer] = []
        try AttributeDecoder.forEach(payload) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case WGDEVICE_A_PRIVATE_KEY.rawValue:
                var bytes = Array(try attribute.bytes("WGDEVICE_A_PRIVATE_KEY", count: 32))
                // The kernel clamps what it is given, and reports the result.
                bytes[0] &= 248
                bytes[31] = bytes[31] & 127 | 64
                device.privateKey = PrivateKey(bytes: bytes)
                device.publicKey = fakePublicKey(of: bytes)
            case WGDEVICE_A_LISTEN_PORT.rawValue: device.listenPort = try attribute.integer("WGDEVICE_A_LISTEN_PORT")
            case WGDEVICE_A_FWMARK.rawValue: device.fwmark = try attribute.integer("WGDEVICE_A_FWMARK")
            case WGDEVICE_A_PEERS.rawValue:
                try attribute.forEachElement("WGDEVICE_A_PEERS") { element throws(DecodeError) in
                    peers.append(try DecodedPeer(element))
                }
            default: break
            }
        }
        return peers
    }

    private func apply(_ change: DecodedPeer, to device: inout DeviceSnapshot) throws(Refusal) {
        var found = device.peers.firstIndex { $0.publicKey == change.key }
        if change.flags & WGPEER_F_REMOVE_ME.rawValue != 0 {
            if let found { device.peers.remove(at: found) }
            return
        }
        if found == nil {
            // The kernel skips an update of an absent peer without an error.
            if change.flags & WGPEER_F_UPDATE_ONLY.rawValue != 0 { return }
            device.peers.append(PeerSnapshot(publicKey: change.key, protocolVersion: 1))
            found = device.peers.count - 1
        }
        guard let position = found else { return }
        if let key = change.presharedKey { device.peers[position].presharedKey = key }
        if change.clearsPresharedKey { device.peers[position].presharedKey = nil }
        if let endpoint = change.endpoint { device.peers[position].endpoint = endpoint }
        if let seconds = change.keepalive { device.peers[position].persistentKeepaliveSeconds = seconds }
        if change.flags & WGPEER_F_REPLACE_ALLOWEDIPS.rawValue != 0 { device.peers[position].allowedIPs = [] }
        for (prefix, isRemoval) in change.allowedIPs {
            // Looked at only now: what came before it in the message has been done.
            if isRemoval, !traits.removesAllowedIPs { throw Refusal(EINVAL, "unknown attribute") }
            if isRemoval {
                device.peers[position].allowedIPs.removeAll { $0 == prefix }
                continue
            }
            // The kernel has one owner for each prefix: the last that claims it.
            for other in device.peers.indices { device.peers[other].allowedIPs.removeAll { $0 == prefix } }
            device.peers[position].allowedIPs.append(prefix)
        }
    }

    private func findDevice(_ payload: ArraySlice<UInt8>) throws(Refusal) -> DeviceSnapshot {
        let name = try Refusal.reading { () throws(DecodeError) -> String in
            var name = ""
            try AttributeDecoder.forEach(payload) { attribute throws(DecodeError) in
                guard attribute.type == Int(WGDEVICE_A_IFNAME.rawValue) else { return }
                name = try attribute.string("WGDEVICE_A_IFNAME")
            }
            return name
        }
        guard links.contains(where: { $0.name == name }) else { throw Refusal(ENODEV) }
        guard let device = devices[name] else { throw Refusal(EOPNOTSUPP) }
        return device
    }
}

private func append(_ device: DeviceSnapshot, to encoder: inout AttributeEncoder) {
    if let key = device.privateKey { encoder.append(Int(WGDEVICE_A_PRIVATE_KEY.rawValue), bytes: key.bytes) }
    if let key = device.publicKey { encoder.append(Int(WGDEVICE_A_PUBLIC_KEY.rawValue), bytes: key.bytes) }
    encoder.append(Int(WGDEVICE_A_LISTEN_PORT.rawValue), integer: device.listenPort)
    encoder.append(Int(WGDEVICE_A_FWMARK.rawValue), integer: device.fwmark)
}

/// A continued peer has its key and more allowed IPs only.
private func append(
    _ peer: PeerSnapshot,
    allowedIPs: ArraySlice<IPPrefix>,
    isContinued: Bool,
    to encoder: inout AttributeEncoder
) {
    encoder.append(Int(WGPEER_A_PUBLIC_KEY.rawValue), bytes: peer.publicKey.bytes)
    if !isContinued {
        let none = [UInt8](repeating: 0, count: Int(WG_KEY_LEN))
        encoder.append(Int(WGPEER_A_PRESHARED_KEY.rawValue), bytes: peer.presharedKey?.bytes ?? none)
        var time: [UInt8] = []
        time.appendInteger(peer.latestHandshakeSeconds)
        time.appendInteger(peer.latestHandshakeNanoseconds)
        encoder.append(Int(WGPEER_A_LAST_HANDSHAKE_TIME.rawValue), bytes: time)
        let keepalive = Int(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL.rawValue)
        encoder.append(keepalive, integer: peer.persistentKeepaliveSeconds)
        encoder.append(Int(WGPEER_A_TX_BYTES.rawValue), integer: peer.sentBytes)
        encoder.append(Int(WGPEER_A_RX_BYTES.rawValue), integer: peer.receivedBytes)
        encoder.append(Int(WGPEER_A_PROTOCOL_VERSION.rawValue), integer: UInt32(1))
        if let endpoint = peer.endpoint {
            encoder.append(Int(WGPEER_A_ENDPOINT.rawValue), bytes: socketAddress(of: endpoint))
        }
    }
    if allowedIPs.isEmpty { return }
    encoder.nest(Int(WGPEER_A_ALLOWEDIPS.rawValue)) { list in
        for prefix in allowedIPs {
            list.nest(0) { item in
                let family = prefix.isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6
                item.append(Int(WGALLOWEDIP_A_CIDR_MASK.rawValue), integer: UInt8(prefix.length))
                item.append(Int(WGALLOWEDIP_A_FAMILY.rawValue), integer: UInt16(family))
                item.append(Int(WGALLOWEDIP_A_IPADDR.rawValue), bytes: prefix.address.bytes)
            }
        }
    }
}

/// One element of `WGDEVICE_A_PEERS` in a request.
private struct DecodedPeer {
    var key: PublicKey
    var flags: UInt32 = 0
    var presharedKey: PresharedKey?
    var clearsPresharedKey = false
    var endpoint: Endpoint?
    var keepalive: UInt16?
    var allowedIPs: [(prefix: IPPrefix, isRemoval: Bool)] = []

    init(_ attributes: ArraySlice<UInt8>) throws(DecodeError) {
        var key: PublicKey?
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            if attribute.type == Int(WGPEER_A_PUBLIC_KEY.rawValue) { key = PublicKey(bytes: attribute.payload) }
        }
        guard let key else { throw DecodeError("WGPEER_A_PUBLIC_KEY: missing") }
        self.key = key
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in try read(attribute) }
    }

    private mutating func read(_ attribute: Attribute) throws(DecodeError) {
        switch UInt32(attribute.type) {
        case WGPEER_A_FLAGS.rawValue: flags = try attribute.integer("WGPEER_A_FLAGS")
        case WGPEER_A_PRESHARED_KEY.rawValue:
            let bytes = try attribute.bytes("WGPEER_A_PRESHARED_KEY", count: 32)
            clearsPresharedKey = bytes.allSatisfy { $0 == 0 }
            presharedKey = clearsPresharedKey ? nil : PresharedKey(bytes: bytes)
        case WGPEER_A_ENDPOINT.rawValue: endpoint = decodedEndpoint(attribute.payload)
        case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL.rawValue: keepalive = try attribute.integer("keepalive")
        case WGPEER_A_ALLOWEDIPS.rawValue:
            try attribute.forEachElement("WGPEER_A_ALLOWEDIPS") { element throws(DecodeError) in
                try readAllowedIP(element)
            }
        default: break
        }
    }

    private mutating func readAllowedIP(_ attributes: ArraySlice<UInt8>) throws(DecodeError) {
        var address: IPAddress?
        var length: UInt8?
        var itemFlags: UInt32 = 0
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch attribute.type {
            case Int(WGALLOWEDIP_A_IPADDR.rawValue): address = IPAddress(bytes: attribute.payload)
            case Int(WGALLOWEDIP_A_CIDR_MASK.rawValue): length = try attribute.integer("WGALLOWEDIP_A_CIDR_MASK")
            case Int(CNETLINK_WGALLOWEDIP_A_FLAGS): itemFlags = try attribute.integer("WGALLOWEDIP_A_FLAGS")
            default: break
            }
        }
        guard let address, let length, let prefix = IPPrefix(address: address, length: Int(length)) else {
            throw DecodeError("incomplete allowed IP")
        }
        allowedIPs.append((prefix.network, itemFlags & UInt32(CNETLINK_WGALLOWEDIP_F_REMOVE_ME) != 0))
    }
}

/// - Returns: `nil` for any other length or family: the kernel ignores such an endpoint silently.
private func decodedEndpoint(_ bytes: ArraySlice<UInt8>) -> Endpoint? {
    guard let family = bytes.integer(at: 0, as: UInt16.self), let port = bytes.integer(at: 2, as: UInt16.self) else {
        return nil
    }
    let address: IPAddress?
    switch (bytes.count, Int(family)) {
    case (16, Int(CNETLINK_AF_INET)): address = IPAddress(bytes: bytes.dropFirst(4).prefix(4))
    case (28, Int(CNETLINK_AF_INET6)): address = IPAddress(bytes: bytes.dropFirst(8).prefix(16))
    default: address = nil
    }
    return address.map { Endpoint(address: $0, port: UInt16(bigEndian: port)) }
}

private func socketAddress(of endpoint: Endpoint) -> [UInt8] {
    var bytes: [UInt8] = []
    let isV4 = endpoint.address.isV4
    bytes.appendInteger(UInt16(isV4 ? CNETLINK_AF_INET : CNETLINK_AF_INET6))
    bytes.appendInteger(endpoint.port.bigEndian)
    if !isV4 { bytes.appendInteger(UInt32(0)) }
    bytes += endpoint.address.bytes
    return bytes + [UInt8](repeating: 0, count: isV4 ? 8 : 4)
}

/// Stands for the real key, which would need Curve25519: every byte inverted, so that it is not the private key.
private func fakePublicKey(of privateKey: [UInt8]) -> PublicKey? { PublicKey(bytes: privateKey.map { ~$0 }) }
