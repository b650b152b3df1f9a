import MeshModel
package import WGKernel

extension JSONValue {
    /// A device in the shape of wireguard-tools' `contrib/json/wg-json`: `{"wg0": {..., "peers": {KEY: {...}}}}` without the
    /// outer braces. What is not set is absent; times are seconds since 1970.
    ///
    /// - Parameters:
    ///   - field: one field only; `nil`: all, as `show` and `dump` have them.
    ///   - hidesKeys: whether secrets read `(hidden)`.
    package static func device(
        _ device: DeviceSnapshot,
        field: DeviceField? = nil,
        hidesKeys: Bool,
        linkNames: LinkNames
    ) -> Member {
        var members: [Member] = []
        func has(_ candidate: DeviceField) -> Bool { field == nil || field == .dump || field == candidate }
        func secret(_ key: JSONValue) -> JSONValue { hidesKeys ? .string("(hidden)") : key }
        if has(.privateKey), let key = device.privateKey {
            members.append(Member("privateKey", secret(.privateKey(key))))
        }
        if has(.publicKey), let key = device.publicKey { members.append(Member("publicKey", .string(key.base64))) }
        if has(.listenPort), device.listenPort != 0 {
            members.append(Member("listenPort", .unsigned(UInt64(device.listenPort))))
        }
        if has(.fwmark), device.fwmark != 0 { members.append(Member("fwmark", .unsigned(UInt64(device.fwmark)))) }
        if let field, field.isOfDevice { return Member(device.name, .object(members)) }
        let peers = device.peers.map { peer in
            var members: [Member] = []
            if has(.presharedKeys), let key = peer.presharedKey {
                members.append(Member("presharedKey", secret(.presharedKey(key))))
            }
            if has(.endpoints), peer.endpoint != nil {
                var endpoint = ByteText()
                endpoint.appendEndpoint(of: peer, linkNames)
                members.append(Member("endpoint", .string(endpoint.string)))
            }
            if has(.latestHandshakes), peer.latestHandshakeSeconds != 0 {
                members.append(Member("latestHandshake", .integer(peer.latestHandshakeSeconds)))
            }
            if has(.transfer) {
                members.append(Member("transferRx", .unsigned(peer.receivedBytes)))
                members.append(Member("transferTx", .unsigned(peer.sentBytes)))
            }
            if has(.persistentKeepalive), peer.persistentKeepaliveSeconds != 0 {
                members.append(Member("persistentKeepalive", .unsigned(UInt64(peer.persistentKeepaliveSeconds))))
            }
            if has(.allowedIPs) {
                members.append(Member("allowedIps", .list(peer.allowedIPs.map { .string($0.description) })))
            }
            return Member(peer.publicKey.base64, .object(members))
        }
        members.append(Member("peers", .object(peers)))
        return Member(device.name, .object(members))
    }
}

extension DeviceField {
    fileprivate var isOfDevice: Bool {
        switch self {
        case .publicKey, .privateKey, .listenPort, .fwmark: true
        case .peers, .presharedKeys, .endpoints, .allowedIPs, .latestHandshakes, .transfer, .persistentKeepalive, .dump:
            false
        }
    }
}
