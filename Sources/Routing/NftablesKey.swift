import CNetlink
import MeshModel
import NetlinkWire

/// The key of an element. Keys of at most 16 bytes, an address, stand in place: a set can have many thousands.
struct NftablesKey: Hashable, Sendable {
    // Numbers in place, the first byte uppermost, behind the last byte zero.
    private let high: UInt64
    private let low: UInt64
    /// Longer keys.
    private let long: [UInt8]
    /// Of the bytes in place.
    private let count: UInt8

    init(_ bytes: [UInt8]) {
        let isLong = bytes.count > Self.shortBytes
        long = isLong ? bytes : []
        count = isLong ? 0 : UInt8(bytes.count)
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for (index, byte) in bytes.prefix(isLong ? 0 : Self.shortBytes).enumerated() {
            if index < 8 {
                words.high |= UInt64(byte) << UInt64(56 - 8 * index)
            } else {
                words.low |= UInt64(byte) << UInt64(120 - 8 * index)
            }
        }
        (high, low) = words
    }

    init(_ address: IPAddress) {
        long = []
        let words = address.words
        (high, low) = address.isV4 ? (words.low << 32, 0) : words
        count = address.isV4 ? 4 : 16
    }

    var bytes: [UInt8] {
        if !long.isEmpty { return long }
        return Array(capacity: Int(count)) { append(to: &$0) }
    }

    /// Appends an element of nothing but this key, in one step: most of a set's many thousands are such.
    ///
    /// - Returns: whether it did: a key that does not stand in place is left to others.
    func appendElement(to list: inout AttributeEncoder) -> Bool {
        guard long.isEmpty, count > 0 else { return false }
        let header = UInt16(AttributeEncoder.headerBytes)
        let value = UInt16(count)
        let padding = (4 - value & 3) & 3
        let nested = UInt16(NLA_F_NESTED)
        list.append(rawBytes: Int(3 * header + value + padding)) { element in
            element.appendInteger(3 * header + value + padding)
            element.appendInteger(UInt16(NFTA_LIST_ELEM.rawValue) | nested)
            element.appendInteger(2 * header + value + padding)
            element.appendInteger(UInt16(NFTA_SET_ELEM_KEY.rawValue) | nested)
            element.appendInteger(header + value)
            element.appendInteger(UInt16(NFTA_DATA_VALUE.rawValue))
            if value == 4 {
                element.appendInteger(UInt32(truncatingIfNeeded: high >> 32).bigEndian)
            } else {
                append(to: &element)
                for _ in 0..<padding { element.append(0) }
            }
        }
        return true
    }

    /// Appends an attribute that holds the key.
    func append(_ type: Int, to list: inout AttributeEncoder) {
        if !long.isEmpty { return list.append(type, bytes: long) }
        list.append(type, count: Int(count)) { $0.append(addingCapacity: Int(count)) { append(to: &$0) } }
    }

    private func append(to span: inout OutputSpan<UInt8>) {
        for index in 0..<Int(count) {
            let word = index < 8 ? high : low
            span.append(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index & 7))))
        }
    }

    private static let shortBytes = 16
}
