public import MeshModel

/// One change to a WireGuard interface.
public enum DeviceOperation: Hashable, Sendable {
    case setPrivateKey(PrivateKey)
    case setListenPort(UInt16)
    case setFwmark(UInt32)
    /// Removes every peer, whatever the kernel holds.
    case removeAllPeers
    case setPeer(PeerChange)
    /// Removing an absent peer changes nothing.
    case removePeer(PublicKey)
}

/// A change to one peer; what is `nil` or empty stays as it is.
public struct PeerChange: Hashable, Sendable {
    public enum PresharedKeyChange: Hashable, Sendable {
        case set(PresharedKey)
        case clear
    }

    public var publicKey: PublicKey
    /// Change it only if it exists; `false` makes it.
    public var updateOnly: Bool
    public var presharedKey: PresharedKeyChange?
    public var endpoint: Endpoint?
    /// Link index that a link-local endpoint belongs to; 0: none.
    public var endpointScope: UInt32
    /// 0: off.
    public var persistentKeepaliveSeconds: UInt16?
    /// Whether `addedAllowedIPs` is the whole new list.
    public var replaceAllowedIPs: Bool
    /// Each moves here from the peer that holds it.
    public var addedAllowedIPs: [IPPrefix]
    /// Needs kernel 6.16, which is the first to know `WGALLOWEDIP_F_REMOVE_ME`.
    public var removedAllowedIPs: [IPPrefix]

    public init(
        publicKey: PublicKey,
        updateOnly: Bool = false,
        presharedKey: PresharedKeyChange? = nil,
        endpoint: Endpoint? = nil,
        endpointScope: UInt32 = 0,
        persistentKeepaliveSeconds: UInt16? = nil,
        replaceAllowedIPs: Bool = false,
        addedAllowedIPs: [IPPrefix] = [],
        removedAllowedIPs: [IPPrefix] = []
    ) {
        self.publicKey = publicKey
        self.updateOnly = updateOnly
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.endpointScope = endpointScope
        self.persistentKeepaliveSeconds = persistentKeepaliveSeconds
        self.replaceAllowedIPs = replaceAllowedIPs
        self.addedAllowedIPs = addedAllowedIPs
        self.removedAllowedIPs = removedAllowedIPs
    }
}

/// Arguments of `wg set INTERFACE`; secrets print as `(hidden)`.
extension DeviceOperation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .setPrivateKey(let key): "private-key \(key)"
        case .setListenPort(let port): "listen-port \(port)"
        case .setFwmark(0): "fwmark off"
        case .setFwmark(let mark): "fwmark 0x\(String(mark, radix: 16))"
        case .removeAllPeers: "(every peer) remove"
        case .setPeer(let change): "\(change)"
        case .removePeer(let key): "peer \(key) remove"
        }
    }
}

extension PeerChange: CustomStringConvertible {
    public var description: String {
        var words = ["peer \(publicKey)"]
        switch presharedKey {
        case nil: break
        case .set(let key): words.append("preshared-key \(key)")
        case .clear: words.append("preshared-key /dev/null")
        }
        if let endpoint { words.append("endpoint \(endpointText(endpoint))") }
        if let seconds = persistentKeepaliveSeconds {
            words.append("persistent-keepalive \(seconds == 0 ? "off" : String(seconds))")
        }
        if let list = allowedIPsText { words.append("allowed-ips \(list)") }
        return words.joined(separator: " ")
    }

    /// `[fe80::1%3]:51820` names the scope by its link index, which every reader of the text understands.
    private func endpointText(_ endpoint: Endpoint) -> String {
        endpointScope == 0 ? "\(endpoint)" : "[\(endpoint.address)%\(endpointScope)]:\(endpoint.port)"
    }

    /// `+` and `-` mark a change of the list, as in wg(8); a list without them is the whole list.
    private var allowedIPsText: String? {
        if replaceAllowedIPs && removedAllowedIPs.isEmpty {
            return addedAllowedIPs.isEmpty ? "\"\"" : addedAllowedIPs.map(\.description).joined(separator: ",")
        }
        let items = removedAllowedIPs.map { "-\($0)" } + addedAllowedIPs.map { "+\($0)" }
        return items.isEmpty ? nil : items.joined(separator: ",")
    }
}
