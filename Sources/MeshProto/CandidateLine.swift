package import MeshModel

extension RemoteCandidate {
    /// Parses one trickled candidate line, with or without `candidate:` in front. Source: spec/wire/ice.md 5, RFC 8839.
    ///
    /// Unknown extensions and an address zone (`%eth0`) are skipped; the foundation is not kept, it is computed.
    ///
    /// - Throws: `WireError` for TCP candidates, host names in place of addresses, and everything malformed.
    package init(line: String) throws(WireError) {
        guard line.utf8.count <= maximumLineBytes else {
            throw candidateError("\(line.utf8.count) bytes, allowed are \(maximumLineBytes)")
        }
        var fields = line.split(separator: " ", omittingEmptySubsequences: true)
        if let first = fields.first, first.hasPrefix("candidate:") { fields[0] = first.dropFirst("candidate:".count) }
        guard fields.count >= 8 else { throw candidateError("\(fields.count) fields, expected at least 8") }
        guard fields[1] == "1" else { throw candidateError("component \(quoted(String(fields[1]))), expected 1") }
        guard fields[2].lowercased() == "udp" else {
            throw candidateError("transport \(quoted(String(fields[2]))) is not supported, only udp")
        }
        guard let priority = decimal(fields[3], as: UInt32.self) else {
            throw candidateError("\(quoted(String(fields[3]))) is no priority")
        }
        guard let address = addressWithoutZone(fields[4]) else {
            throw candidateError("\(quoted(String(fields[4]))) is no address")
        }
        guard let port = decimal(fields[5], as: UInt16.self), port != 0 else {
            throw candidateError("\(quoted(String(fields[5]))) is no port")
        }
        guard fields[6] == "typ", let kind = Kind(rawValue: String(fields[7])) else {
            throw candidateError("\(quoted("\(fields[6]) \(fields[7])")) is no candidate type")
        }
        self.init(kind: kind, endpoint: Endpoint(address: address, port: port), priority: priority)
        readExtensions(fields.dropFirst(8))
    }

    private mutating func readExtensions(_ fields: ArraySlice<Substring>) {
        var relatedAddress: IPAddress?
        var relatedPort: UInt16?
        var rest = fields
        while let name = rest.popFirst(), let value = rest.popFirst() {
            switch name {
            case "raddr": relatedAddress = addressWithoutZone(value)
            case "rport": relatedPort = decimal(value, as: UInt16.self)
            case "cid": id = String(value)
            default: break
            }
        }
        if let relatedAddress, let relatedPort, relatedPort != 0 {
            related = Endpoint(address: relatedAddress, port: relatedPort)
        }
    }

    /// The line as stock agents print it, without `candidate:`.
    package func line(usernameFragment: String) -> String {
        var text = "\(foundation) 1 udp \(priority) \(endpoint.address) \(endpoint.port) typ \(kind.rawValue)"
        if let related, related.port != 0 { text += " raddr \(related.address) rport \(related.port)" }
        if !usernameFragment.isEmpty { text += " ufrag \(usernameFragment)" }
        if let id { text += " cid \(id)" }
        return text
    }

    /// CRC-32 of kind, address and network, such as `host192.168.1.5udp4`: equal for candidates whose checks may be
    /// frozen together. Source: spec/wire/ice.md 5.
    package var foundation: UInt32 {
        let text = "\(kind.rawValue)\(endpoint.address)\(endpoint.address.isV4 ? "udp4" : "udp6")"
        return crc32(Array(text.utf8).span.bytes)
    }
}

/// Stock lines have at most some 250 bytes; the bound keeps hostile ones cheap.
private let maximumLineBytes = 1024

private func candidateError(_ reason: String) -> WireError { WireError("candidate", reason) }

private func addressWithoutZone(_ text: Substring) -> IPAddress? {
    IPAddress(String(text.prefix { $0 != "%" }))
}

/// Digits only: Swift's own initializers also take a sign.
func decimal<Number: FixedWidthInteger>(_ text: some StringProtocol, as type: Number.Type) -> Number? {
    guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
    return Number(text)
}
