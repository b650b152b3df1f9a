/// A UDP transport address: where WireGuard and STUN packets are sent.
public struct Endpoint: Hashable, Sendable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    public var address: IPAddress
    /// Host byte order.
    public var port: UInt16

    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `a.b.c.d:port` or `[v6]:port`, as `wg` prints it.
    public init?(_ text: String) { self.init(text: Array(text.utf8)) }

    /// As `init(_: String)`, of the text's bytes.
    public init?(text: [UInt8]) { self.init(text: text.span) }

    /// As `init(_: String)`, of the text's bytes.
    public init?(text: Span<UInt8>) {
        var colon = text.count - 1
        while colon >= 0, text[colon] != UInt8(ascii: ":") { colon -= 1 }
        guard colon > 0, (1...5).contains(text.count - colon - 1) else { return nil }
        var port = 0
        for index in colon + 1..<text.count {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[index]) else { return nil }
            port = port * 10 + Int(text[index] - UInt8(ascii: "0"))
        }
        let isBracketed = colon >= 2 && text[0] == UInt8(ascii: "[") && text[colon - 1] == UInt8(ascii: "]")
        let host = isBracketed ? text.extracting(1..<colon - 1) : text.extracting(..<colon)
        guard let port = UInt16(exactly: port), let address = IPAddress(text: host), address.isV4 != isBracketed else {
            return nil
        }
        self.init(address: address, port: port)
    }

    public var description: String { address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)" }

    public static func < (a: Self, b: Self) -> Bool {
        a.address == b.address ? a.port < b.port : a.address < b.address
    }
}
