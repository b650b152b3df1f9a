package import MeshModel
package import WGKernel

/// How `show INTERFACE` is dressed.
package struct ShowStyle: Hashable, Sendable {
    package var isColored: Bool
    package var hidesKeys: Bool

    package init(isColored: Bool = false, hidesKeys: Bool = true) {
        self.isColored = isColored
        self.hidesKeys = hidesKeys
    }

    /// As wg(8) reads its environment: `WG_COLOR_MODE` is `always`, `never` or anything else, which means colours on a
    /// terminal; `WG_HIDE_KEYS=never` shows keys.
    package init(colorMode: String?, hideKeys: String?, isTerminal: Bool) {
        isColored = colorMode == "always" || (colorMode != "never" && isTerminal)
        hidesKeys = hideKeys != "never"
    }
}

/// A device for people to read, byte for byte as `wg show INTERFACE`.
package struct ShowText {
    package private(set) var text = ByteText()
    private let style: ShowStyle
    private let nowSeconds: Int64
    private let linkNames: LinkNames

    /// - Parameter nowSeconds: wall-clock time since 1970, which handshakes are told against.
    package init(style: ShowStyle, nowSeconds: Int64, linkNames: @escaping LinkNames) {
        self.style = style
        self.nowSeconds = nowSeconds
        self.linkNames = linkNames
    }

    /// - Parameter rates: of peers; `nil`: rates are not told.
    package mutating func append(_ device: DeviceSnapshot, rates: [PublicKey: TransferRate]? = nil) {
        text.append("\(color(.reset))\(heading("interface", .green)): \(color(.green))\(device.name)\(color(.reset))\n")
        if let key = device.publicKey { appendSetting("public key", key.base64) }
        if let key = device.privateKey { appendSecret("private key") { $0.append(key) } }
        if device.listenPort != 0 { appendSetting("listening port", decimalText(UInt64(device.listenPort))) }
        if device.fwmark != 0 { appendSetting("fwmark", "0x" + String(device.fwmark, radix: 16)) }
        if !device.peers.isEmpty { text.append("\n") }
        for (index, peer) in newestHandshakeFirst(device.peers).enumerated() {
            if index > 0 { text.append("\n") }
            append(peer)
            if let rate = rates?[peer.publicKey] { append(rate) }
        }
    }

    /// Overwrites the text and forgets it.
    package mutating func wipe() { text.wipe() }

    /// Between two devices.
    package mutating func appendSeparator() { text.append("\n") }

    private mutating func append(_ peer: PeerSnapshot) {
        let key = peer.publicKey.base64
        text.append("\(heading("peer", .yellow)): \(color(.yellow))\(key)\(color(.reset))\n")
        if let key = peer.presharedKey { appendSecret("preshared key") { $0.append(key) } }
        if peer.endpoint != nil {
            text.append("  \(heading("endpoint")): ")
            text.appendEndpoint(of: peer, linkNames)
            text.append("\n")
        }
        text.append("  \(heading("allowed ips")): ")
        if peer.allowedIPs.isEmpty { text.append("(none)") }
        for (index, prefix) in peer.allowedIPs.enumerated() {
            if index > 0 { text.append(", ") }
            text.append(prefix.address)
            text.append("\(color(.cyan))/\(color(.reset))\(decimalText(UInt64(prefix.length)))")
        }
        text.append("\n")
        if peer.latestHandshakeSeconds != 0 {
            appendSetting("latest handshake", agoText(peer.latestHandshakeSeconds))
        }
        if peer.receivedBytes != 0 || peer.sentBytes != 0 {
            let received = sizeText(peer.receivedBytes)
            appendSetting("transfer", "\(received) received, \(sizeText(peer.sentBytes)) sent")
        }
        if peer.persistentKeepaliveSeconds != 0 {
            let interval = durationText(UInt64(peer.persistentKeepaliveSeconds))
            appendSetting("persistent keepalive", "every \(interval)")
        }
    }

    private mutating func append(_ rate: TransferRate) {
        appendSetting("rate", "\(sizeText(rate.received))/s received, \(sizeText(rate.sent))/s sent")
    }

    private mutating func appendSetting(_ name: String, _ value: String) {
        text.append("  \(heading(name)): \(value)\n")
    }

    /// - Parameter append: appends the key, if keys are shown.
    private mutating func appendSecret(_ name: String, _ append: (inout ByteText) -> Void) {
        if style.hidesKeys { return appendSetting(name, "(hidden)") }
        text.append("  \(heading(name)): ")
        append(&text)
        text.append("\n")
    }

    private func agoText(_ seconds: Int64) -> String {
        if seconds == nowSeconds { return "Now" }
        guard seconds < nowSeconds else {
            let warning = "System clock wound backward; connection problems may ensue."
            return "(\(color(.red))\(warning)\(color(.reset)))"
        }
        // No overflow: a time before 1970 has no handshake, but the kernel's number is not ours to trust.
        return durationText(UInt64(bitPattern: nowSeconds &- seconds)) + " ago"
    }

    private func durationText(_ seconds: UInt64) -> String {
        let units: [(name: String, seconds: UInt64)] = [
            ("year", 31_536_000), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1),
        ]
        var rest = seconds
        var parts: [String] = []
        for unit in units {
            let count = rest / unit.seconds
            rest %= unit.seconds
            if count == 0 { continue }
            parts.append("\(decimalText(count)) \(color(.cyan))\(unit.name)\(count == 1 ? "" : "s")\(color(.reset))")
        }
        return parts.joined(separator: ", ")
    }

    private func sizeText(_ bytes: UInt64) -> String {
        let (amount, unit) = sizeParts(bytes)
        return "\(amount) \(color(.cyan))\(unit)\(color(.reset))"
    }

    private enum Color: String {
        case reset = "\u{1b}[0m"
        case bold = "\u{1b}[1m"
        case red = "\u{1b}[31m"
        case green = "\u{1b}[32m"
        case yellow = "\u{1b}[33m"
        case cyan = "\u{1b}[36m"
    }

    private func color(_ color: Color) -> String { style.isColored ? color.rawValue : "" }

    private func heading(_ name: String, _ tint: Color? = nil) -> String {
        "\(tint.map(color) ?? "")\(color(.bold))\(name)\(color(.reset))"
    }
}

/// Peers without a handshake come last; equals keep the kernel's order.
func newestHandshakeFirst(_ peers: [PeerSnapshot]) -> [PeerSnapshot] {
    peers.enumerated().sorted { a, b in
        let first = (a.element.latestHandshakeSeconds, a.element.latestHandshakeNanoseconds)
        let second = (b.element.latestHandshakeSeconds, b.element.latestHandshakeNanoseconds)
        return first == second ? a.offset < b.offset : first > second
    }.map(\.element)
}

/// `1023` and `B`, or `1.00` and `KiB` up to `TiB`, with two decimals as `printf("%.2f")` rounds them.
func sizeParts(_ bytes: UInt64) -> (amount: String, unit: String) {
    if bytes < 1024 { return (decimalText(bytes), "B") }
    let units: [(name: String, shift: UInt128)] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)]
    let fitting = units.last { bytes >> UInt64($0.shift) != 0 } ?? units[0]
    // Through a double, which is exact below 2^53 and rounds above it, as wg(8) does.
    let scaled = UInt128(Double(bytes)) * 100
    let unit: UInt128 = 1 << fitting.shift
    var hundredths = scaled >> fitting.shift
    let remainder = scaled & (unit - 1)
    if remainder * 2 > unit || (remainder * 2 == unit && hundredths & 1 == 1) { hundredths += 1 }
    let decimals = String(hundredths % 100)
    return ("\(hundredths / 100).\(decimals.count == 1 ? "0" : "")\(decimals)", fitting.name)
}
