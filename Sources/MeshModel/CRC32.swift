/// CRC-32 of ISO 3309 (polynomial 0x04c11db7, reflected; all ones at start and end), as in Ethernet, STUN's FINGERPRINT, the
/// foundations of candidates and access tokens.
package func crc32(_ bytes: RawSpan) -> UInt32 {
    var crc: UInt32 = 0xffff_ffff
    let table = table.span
    for offset in bytes.byteOffsets {
        crc =
            crc >> 8
            ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))]
    }
    return ~crc
}

private let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
}
