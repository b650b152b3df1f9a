import MeshModel
package import WGKernel

/// One thing that is so of the host's network, such as an address on a link.
package struct HostFact: Hashable, Sendable, Comparable {
    package enum Kind: String, Hashable, Sendable, CaseIterable { case link, device, peer, address, route, rule }

    package var kind: Kind
    /// In the words of ip(8) and wg(8), without secrets.
    package var text: String
    /// What of it is secret: another one is another fact, of which the text is the same.
    private var presharedKey: PresharedKey?

    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    /// What is configured of one peer: not its counters and handshakes.
    package init(_ peer: PeerSnapshot, of link: String, linkNames: (UInt32) -> String?) {
        var words = ["\(link) \(peer.publicKey)"]
        if peer.presharedKey != nil { words.append("preshared-key (hidden)") }
        if peer.endpoint != nil {
            var text = ByteText("endpoint ")
            text.appendEndpoint(of: peer, linkNames)
            words.append(text.string)
        }
        let list = peer.allowedIPs.sorted().map(\.description).joined(separator: ",")
        words.append("allowed-ips " + (list.isEmpty ? "(none)" : list))
        if peer.persistentKeepaliveSeconds != 0 {
            words.append("persistent-keepalive \(peer.persistentKeepaliveSeconds)")
        }
        self.init(.peer, words.joined(separator: " "))
        presharedKey = peer.presharedKey
    }

    /// A device and its peers.
    package static func facts(of device: DeviceSnapshot, linkNames: (UInt32) -> String?) -> Set<HostFact> {
        let publicKey = device.publicKey.map(\.description) ?? "(none)"
        let fwmark = device.fwmark == 0 ? "off" : "0x" + String(device.fwmark, radix: 16)
        let text = "\(device.name) public-key \(publicKey) listen-port \(device.listenPort) fwmark \(fwmark)"
        var facts: Set = [HostFact(.device, text)]
        for peer in device.peers { facts.insert(HostFact(peer, of: device.name, linkNames: linkNames)) }
        return facts
    }

    private var order: Int { Kind.allCases.firstIndex(of: kind) ?? 0 }

    /// Links before their devices and peers before their addresses before their routes.
    package static func < (a: Self, b: Self) -> Bool { (a.order, a.text) < (b.order, b.text) }
}

/// A fact that came or went.
package struct HostFactChange: Hashable, Sendable {
    package var fact: HostFact
    package var isAddition: Bool

    /// Removals from the top down, then additions from the ground up.
    package static func changes(from old: Set<HostFact>, to new: Set<HostFact>) -> [HostFactChange] {
        let removals = old.subtracting(new).sorted(by: >).map { HostFactChange(fact: $0, isAddition: false) }
        return removals + new.subtracting(old).sorted().map { HostFactChange(fact: $0, isAddition: true) }
    }

    /// `2026-01-02T03:04:05Z + address 10.0.0.1/24 dev wg0`, or one line of JSON.
    ///
    /// - Parameter time: RFC 3339.
    package func line(time: String, isJSON: Bool) -> String {
        guard isJSON else { return "\(time) \(isAddition ? "+" : "-") \(fact.kind.rawValue) \(fact.text)" }
        return JSONValue.object([
            JSONValue.Member("time", .string(time)),
            JSONValue.Member("change", .string(isAddition ? "added" : "removed")),
            JSONValue.Member("kind", .string(fact.kind.rawValue)),
            JSONValue.Member("text", .string(fact.text)),
        ]).text
    }
}

/// RFC 3339 in UTC, whole seconds; from 1970 to 9999.
package func timestamp(secondsSince1970 seconds: Int64) -> String {
    let seconds = min(max(seconds, 0), 253_402_300_799)
    let (days, rest) = seconds.quotientAndRemainder(dividingBy: 86_400)
    // Civil date from days, with years that begin in March (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    return "\(date)T\(padded(rest / 3_600, 2)):\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))Z"
}
