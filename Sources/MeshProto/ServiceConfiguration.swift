import MeshModel

/// Where the other services of the mesh are, as the control plane tells its agents.
package struct ServiceConfiguration: Hashable, Sendable {
    /// `nil` only in control updates: a login's answer always names it.
    package var signal: SignalServer?
    /// UDP.
    package var stunServers: [HostPort]
    /// `nil`: the mesh has no relay (in a received message: stop using one).
    package var relay: RelayAccess?

    package init(signal: SignalServer?, stunServers: [HostPort] = [], relay: RelayAccess? = nil) {
        self.signal = signal
        self.stunServers = stunServers
        self.relay = relay
    }
}

package struct SignalServer: Hashable, Sendable {
    package var address: HostPort
    /// `false`: plaintext HTTP/2 with prior knowledge.
    package var usesTLS: Bool

    package init(address: HostPort, usesTLS: Bool) {
        self.address = address
        self.usesTLS = usesTLS
    }
}

/// Relay servers and the token that opens them. The signature prints as `(hidden)`.
package struct RelayAccess: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// `rel://host:port`, or `rels://host:port` for TLS.
    package var urls: [String]
    /// Seconds since 1970 when the token ends, as decimal text.
    package var tokenPayload: String
    package var tokenSignature: String

    package init(urls: [String], tokenPayload: String, tokenSignature: String) {
        self.urls = urls
        self.tokenPayload = tokenPayload
        self.tokenSignature = tokenSignature
    }

    package var description: String { "\(urls) token \(tokenPayload) (hidden)" }
    package var customMirror: Mirror { Mirror(self, children: ["urls": urls]) }
}

/// A host name or address and a port: `host:port`, `[v6]:port`.
package struct HostPort: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// Without brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// - Returns: `nil` without a port, with a scheme or path, or for a v6 address without brackets.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = decimal(text[text.index(after: colon)...], as: UInt16.self),
            port != 0
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        if isBracketed {
            guard let address = IPAddress(String(host)), !address.isV4 else { return nil }
        } else {
            guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(isNameByte) else { return nil }
        }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Letters, digits, `-`, `.` and `_`: host names and IPv4 addresses.
private func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
    default: false
    }
}
