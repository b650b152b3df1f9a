import MeshModel

/// Where a gRPC server listens and whether TLS protects the way there.
package struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// A DNS name or an address without brackets.
    package var host: String
    package var port: UInt16
    package var usesTLS: Bool

    package init(host: String, port: UInt16, usesTLS: Bool) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
    }

    /// `http://host:port` or `https://host[:port]`, with nothing but an optional `/` behind it.
    ///
    /// - Returns: `nil` for anything else; `http` needs a port, since 80 is hardly ever meant.
    package init?(url: String) {
        let usesTLS = url.hasPrefix("https://")
        guard usesTLS || url.hasPrefix("http://") else { return nil }
        var rest = url.dropFirst(usesTLS ? 8 : 7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        self.init(authority: String(rest), usesTLS: usesTLS)
    }

    /// `host:port`, `[v6]:port`, or `host` alone with TLS, which means 443.
    package init?(authority: String, usesTLS: Bool) {
        var host = authority[...]
        var port: UInt16? = usesTLS ? 443 : nil
        let afterBracket = authority.lastIndex(of: "]") ?? authority.startIndex
        if let colon = authority[afterBracket...].lastIndex(of: ":") {
            let digits = authority[authority.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            port = UInt16(digits)
            host = authority[..<colon]
        }
        guard let port, port != 0 else { return nil }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        let isV6 = IPAddress(String(host)).map { !$0.isV4 } ?? false
        let isName = host.utf8.allSatisfy { byte in
            (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x2e
                || byte == 0x5f
        }
        guard isBracketed ? isV6 : isName, (1...253).contains(host.utf8.count) else { return nil }
        self.init(host: String(host), port: port, usesTLS: usesTLS)
    }

    package var description: String {
        let isV6 = host.utf8.contains(UInt8(ascii: ":"))
        return "\(usesTLS ? "https" : "http")://\(isV6 ? "[\(host)]" : host):\(port)"
    }
}
