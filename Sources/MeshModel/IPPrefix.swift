/// An address and a prefix length.
///
/// As a *network* (`allowedIPs`, routes) the host bits are zero: use `network`. As an *interface address* they are kept.
public struct IPPrefix: Hashable, Sendable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    public let address: IPAddress
    private let lengthBits: UInt8

    /// 0 to 32, or 0 to 128.
    public var length: Int { Int(lengthBits) }

    /// - Returns: `nil` if `length` does not fit the address family.
    public init?(address: IPAddress, length: Int) {
        guard (0...address.bitWidth).contains(length) else { return nil }
        self.init(address, length: length)
    }

    /// The prefix that holds only `address`: /32 or /128.
    public init(host address: IPAddress) {
        self.init(address, length: address.bitWidth)
    }

    /// A length that fits.
    private init(_ address: IPAddress, length: Int) {
        self.address = address
        lengthBits = UInt8(length)
    }

    /// `a.b.c.d/len`, `v6/len`, or an address alone, which means /32 or /128, as `wg` reads it.
    public init?(_ text: String) { self.init(text: Array(text.utf8)[...]) }

    /// As `init(_: String)`, of the text's bytes.
    public init?(text: ArraySlice<UInt8>) {
        guard let slash = text.firstIndex(of: UInt8(ascii: "/")) else {
            guard let address = IPAddress(text: text) else { return nil }
            self.init(host: address)
            return
        }
        let digits = text[(slash + 1)...]
        guard let address = IPAddress(text: text[..<slash]), (1...3).contains(digits.count),
            digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != 0x30
        else { return nil }
        self.init(address: address, length: digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
    }

    /// The same prefix with its host bits cleared.
    public var network: IPPrefix {
        IPPrefix(address.keeping(length: length), length: length)
    }

    public var isV4: Bool { address.isV4 }
    public var isHost: Bool { length == address.bitWidth }

    /// Whether `other` lies within this prefix (same family).
    public func contains(_ other: IPAddress) -> Bool {
        other.isV4 == isV4 && IPPrefix(address: other, length: length)?.network == network
    }

    /// Whether every address of `other` lies within this prefix.
    public func contains(_ other: IPPrefix) -> Bool { other.length >= length && contains(other.address) }

    /// Whether the two share an address.
    public func overlaps(_ other: IPPrefix) -> Bool { contains(other) || other.contains(self) }

    public var description: String { "\(address)/\(length)" }

    /// By address, then shorter prefixes first.
    public static func < (a: Self, b: Self) -> Bool {
        a.address == b.address ? a.length < b.length : a.address < b.address
    }
}
