import MeshModel

/// The output of `wg show`, byte for byte. Source: spec/agent/cli-and-status.md, section 5.
public enum WGShow {
    /// The text for people: peers sorted by newest handshake, keys hidden.
    ///
    /// - Parameters:
    ///   - nowSeconds: seconds since 1970, for the age of handshakes.
    ///   - hidesKeys: `false` prints the private and preshared keys.
    ///   - linkNames: names for the scope of link-local endpoints; a link that is not there shows as its index.
    public static func pretty(
        _ device: DeviceSnapshot,
        nowSeconds: Int64,
        hidesKeys: Bool = true,
        linkNames: [UInt32: String] = [:]
    ) -> String {
        var lines = ["interface: \(device.name)"]
        if let key = device.publicKey { lines.append("  public key: \(key)") }
        if let key = device.privateKey { lines.append("  private key: \(hidesKeys ? hidden : key.base64)") }
        if device.listenPort != 0 { lines.append("  listening port: \(device.listenPort)") }
        if device.fwmark != 0 { lines.append("  fwmark: \(hexadecimal(device.fwmark))") }
        for peer in newestFirst(device.peers) {
            lines.append("")
            lines += prettyLines(peer, nowSeconds: nowSeconds, hidesKeys: hidesKeys, linkNames: linkNames)
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Tab-separated lines for programs, in the kernel's order. Shows the private and preshared keys.
    ///
    /// - Parameter isLabelled: begin each line with the interface, as in `wg show all dump`.
    public static func dump(
        _ device: DeviceSnapshot,
        isLabelled: Bool = false,
        linkNames: [UInt32: String] = [:]
    ) -> String {
        let own = [
            device.privateKey?.base64 ?? none, device.publicKey?.base64 ?? none, String(device.listenPort),
            device.fwmark == 0 ? off : hexadecimal(device.fwmark),
        ]
        let peers = device.peers.map { peer in
            [
                peer.publicKey.base64, peer.presharedKey?.base64 ?? none, endpointText(peer, linkNames) ?? none,
                list(peer.allowedIPs, separator: ","), String(peer.latestHandshakeSeconds),
                String(peer.receivedBytes), String(peer.sentBytes), keepaliveText(peer),
            ]
        }
        return lines([own] + peers, of: device, isLabelled: isLabelled)
    }

    /// One field of `wg show INTERFACE FIELD`.
    public enum Field: String, CaseIterable, Sendable {
        case publicKey = "public-key"
        case privateKey = "private-key"
        case listenPort = "listen-port"
        case fwmark
        case peers
        case presharedKeys = "preshared-keys"
        case endpoints
        case allowedIPs = "allowed-ips"
        case latestHandshakes = "latest-handshakes"
        case transfer
        case persistentKeepalive = "persistent-keepalive"
        case dump
    }

    /// - Parameter isLabelled: begin each line with the interface, as for `all`. `wg show all endpoints` itself does so only
    ///   on the first line of each interface, which looks like a slip and is not followed.
    public static func field(
        _ field: Field,
        of device: DeviceSnapshot,
        isLabelled: Bool = false,
        linkNames: [UInt32: String] = [:]
    ) -> String {
        func perPeer(_ columns: (PeerSnapshot) -> [String]) -> String {
            lines(device.peers.map { [$0.publicKey.base64] + columns($0) }, of: device, isLabelled: isLabelled)
        }
        func own(_ value: String) -> String { lines([[value]], of: device, isLabelled: isLabelled) }
        return switch field {
        case .publicKey: own(device.publicKey?.base64 ?? none)
        case .privateKey: own(device.privateKey?.base64 ?? none)
        case .listenPort: own(String(device.listenPort))
        case .fwmark: own(device.fwmark == 0 ? off : hexadecimal(device.fwmark))
        case .peers: perPeer { _ in [] }
        case .presharedKeys: perPeer { [$0.presharedKey?.base64 ?? none] }
        case .endpoints: perPeer { [endpointText($0, linkNames) ?? none] }
        case .allowedIPs: perPeer { [list($0.allowedIPs, separator: " ")] }
        case .latestHandshakes: perPeer { [String($0.latestHandshakeSeconds)] }
        case .transfer: perPeer { [String($0.receivedBytes), String($0.sentBytes)] }
        case .persistentKeepalive: perPeer { [keepaliveText($0)] }
        case .dump: dump(device, isLabelled: isLabelled, linkNames: linkNames)
        }
    }

    private static let none = "(none)"
    private static let off = "off"
    private static let hidden = "(hidden)"

    private static func lines(_ rows: [[String]], of device: DeviceSnapshot, isLabelled: Bool) -> String {
        rows.map { ((isLabelled ? [device.name] : []) + $0).joined(separator: "\t") + "\n" }.joined()
    }

    private static func prettyLines(
        _ peer: PeerSnapshot,
        nowSeconds: Int64,
        hidesKeys: Bool,
        linkNames: [UInt32: String]
    ) -> [String] {
        var lines = ["peer: \(peer.publicKey)"]
        if let key = peer.presharedKey { lines.append("  preshared key: \(hidesKeys ? hidden : key.base64)") }
        if let endpoint = endpointText(peer, linkNames) { lines.append("  endpoint: \(endpoint)") }
        lines.append("  allowed ips: \(list(peer.allowedIPs, separator: ", "))")
        if peer.latestHandshakeSeconds != 0 {
            lines.append("  latest handshake: \(ago(peer.latestHandshakeSeconds, nowSeconds: nowSeconds))")
        }
        if peer.receivedBytes != 0 || peer.sentBytes != 0 {
            lines.append("  transfer: \(size(peer.receivedBytes)) received, \(size(peer.sentBytes)) sent")
        }
        if peer.persistentKeepaliveSeconds != 0 {
            lines.append("  persistent keepalive: every \(duration(Int64(peer.persistentKeepaliveSeconds)))")
        }
        return lines
    }

    /// Stable, so that peers without a handshake stay in the kernel's order.
    private static func newestFirst(_ peers: [PeerSnapshot]) -> [PeerSnapshot] {
        peers.enumerated().sorted { a, b in
            let left = (a.element.latestHandshakeSeconds, a.element.latestHandshakeNanoseconds)
            let right = (b.element.latestHandshakeSeconds, b.element.latestHandshakeNanoseconds)
            return left == right ? a.offset < b.offset : left > right
        }.map(\.element)
    }

    private static func list(_ prefixes: [IPPrefix], separator: String) -> String {
        prefixes.isEmpty ? none : prefixes.map(\.description).joined(separator: separator)
    }

    private static func endpointText(_ peer: PeerSnapshot, _ linkNames: [UInt32: String]) -> String? {
        guard let endpoint = peer.endpoint else { return nil }
        if peer.endpointScope == 0 || endpoint.address.isV4 { return endpoint.description }
        let scope = linkNames[peer.endpointScope] ?? String(peer.endpointScope)
        return "[\(endpoint.address)%\(scope)]:\(endpoint.port)"
    }

    private static func keepaliveText(_ peer: PeerSnapshot) -> String {
        peer.persistentKeepaliveSeconds == 0 ? off : String(peer.persistentKeepaliveSeconds)
    }

    private static func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
}

extension WGShow {
    /// `1 minute, 5 seconds ago`; `Now`; for a handshake in the future wg's remark on the clock.
    static func ago(_ seconds: Int64, nowSeconds: Int64) -> String {
        if seconds == nowSeconds { return "Now" }
        if seconds > nowSeconds { return "(System clock wound backward; connection problems may ensue.)" }
        let (age, overflows) = nowSeconds.subtractingReportingOverflow(seconds)
        return duration(overflows ? .max : age) + " ago"
    }

    /// Years of 365 days, days, hours, minutes and seconds; parts that are zero are left out.
    static func duration(_ seconds: Int64) -> String {
        let units: [(name: String, seconds: Int64)] = [
            ("year", 31_536_000), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1),
        ]
        var rest = seconds
        var parts: [String] = []
        for unit in units {
            let count = rest / unit.seconds
            rest %= unit.seconds
            if count != 0 { parts.append("\(count) \(unit.name)\(count == 1 ? "" : "s")") }
        }
        return parts.joined(separator: ", ")
    }

    /// Below 1,024 whole bytes, else two decimals of the largest unit.
    static func size(_ bytes: UInt64) -> String {
        let units: [(name: String, shift: UInt64)] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
        guard let unit = units.first(where: { bytes >> $0.shift != 0 }) else { return "\(bytes) B" }
        // Hundredths, rounded half to even as printf does; exact, since the divisor is a power of two.
        let whole = bytes >> unit.shift
        let fraction = bytes & (1 << unit.shift - 1)
        let scaled = fraction * 100
        var hundredths = scaled >> unit.shift
        let remainder = scaled & (1 << unit.shift - 1)
        let half: UInt64 = 1 << (unit.shift - 1)
        if remainder > half || (remainder == half && !hundredths.isMultiple(of: 2)) { hundredths += 1 }
        let carried = whole + hundredths / 100
        let digits = String(hundredths % 100)
        return "\(carried).\(digits.count == 1 ? "0" : "")\(digits) \(unit.name)"
    }
}
