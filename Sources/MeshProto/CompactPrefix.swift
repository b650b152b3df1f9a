import FoundationEssentials
import MeshModel

extension IPPrefix {
    /// Address bytes, then one byte of prefix length: 5 bytes for IPv4, 17 for IPv6. Host bits are kept.
    ///
    /// Source: spec/wire/management.md A9.
    var compact: Data { Data(address.bytes + [UInt8(length)]) }

    /// - Returns: `nil` for any other number of bytes, or a length beyond the address. A v4-mapped IPv6 address becomes
    ///   IPv4.
    init?(compact: Data) {
        guard let length = compact.last, let address = IPAddress(bytes: compact.dropLast()) else { return nil }
        let unmapped = address.unmapped
        let isMapped = unmapped.isV4 && !address.isV4
        self.init(address: unmapped, length: isMapped ? Int(length) - 96 : Int(length))
    }
}
