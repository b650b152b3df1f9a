import MeshModel
import Testing

@Test func `the check value of CRC-32 is that of the catalogue`() {
    // CRC-32/ISO-HDLC.
    #expect(crc32(Array("123456789".utf8).span.bytes) == 0xcbf4_3926)
    #expect(crc32([UInt8]().span.bytes) == 0)
}
