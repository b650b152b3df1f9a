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
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(String(host)), address.isV4 != isBracketed else { return nil }
        self.init(address: address, port: port)
    }

    public var description: String { address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)" }

    public static func < (a: Self, b: Self) -> Bool {
        a.address == b.address ? a.port < b.port : a.address < b.address
    }
}
