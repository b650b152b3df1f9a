import NetlinkWire
import TestSupport
import Testing

struct AttributeTests {
    @Test func `attributes are padded to four bytes, their length is not`() {
        var encoder = AttributeEncoder()
        encoder.append(1, bytes: [0xaa])
        encoder.append(2, string: "wg0")
        encoder.append(3, integer: UInt16(0x0102))
        #expect(encoder.bytes.hex == bytes("0500 0100 aa 000000 0800 0200 77673000 0600 0300 0201 0000").hex)
    }

    @Test func `a nest has the flag and the length of what is inside`() {
        var encoder = AttributeEncoder(header: [9, 9, 9, 9])
        encoder.nest(8) { $0.nest(0) { $0.append(1, bytes: [1, 2, 3]) } }
        #expect(encoder.bytes.hex == bytes("09090909 1000 0880 0c00 0080 0700 0100 01020300").hex)
    }

    @Test func `what is encoded is decoded`() throws {
        var encoder = AttributeEncoder()
        encoder.append(1, integer: UInt64(77))
        encoder.nest(2) { list in
            for number in 0..<3 as Range<UInt32> { list.nest(0) { $0.append(5, integer: number) } }
        }
        var numbers: [UInt32] = []
        try AttributeDecoder.forEach(encoder.bytes[...]) { attribute throws(DecodeError) in
            switch attribute.type {
            case 1: #expect(try attribute.integer("A") as UInt64 == 77)
            case 2:
                try attribute.forEachElement("B") { element throws(DecodeError) in
                    try AttributeDecoder.forEach(element) { item throws(DecodeError) in
                        numbers.append(try item.integer("C"))
                    }
                }
            default: Issue.record("attribute \(attribute.type)")
            }
        }
        #expect(numbers == [0, 1, 2])
    }

    @Test(
        arguments: [
            ("0300 0100", "attribute length 3, expected 4 to 4"),
            ("0900 0100 00000000", "attribute length 9, expected 4 to 8"),
            ("0400 01", "3 bytes left, an attribute header needs 4"),
        ]
    )
    func `a length that does not fit is an error`(hex: String, problem: String) {
        let error = #expect(throws: DecodeError.self) { try AttributeDecoder.forEach(bytes(hex)[...]) { _ in } }
        #expect(error?.description == problem)
    }

    @Test func `the path goes from the outside in`() {
        let element = bytes("0e00 0280 0a00 0080 0600 0500 0102 0000")
        let error = #expect(throws: DecodeError.self) {
            try AttributeDecoder.forEach(element[...]) { attribute throws(DecodeError) in
                try attribute.forEachElement("LIST") { item throws(DecodeError) in
                    try AttributeDecoder.forEach(item) { inner throws(DecodeError) in
                        _ = try inner.integer("NUMBER") as UInt32
                    }
                }
            }
        }
        #expect(error?.description == "LIST[0].NUMBER: 2 bytes, expected 4")
    }

    @Test func `any bytes end in attributes or an error`() {
        var generator = SeededGenerator(seed: 41)
        for _ in 0..<5000 {
            let count = Int.random(in: 0...40, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...20, using: &generator) }
            // Both outcomes are right; that it comes back at all is the test.
            _ = Result {
                try AttributeDecoder.forEach(noise[...]) { attribute throws(DecodeError) in
                    try attribute.forEachNested("A") { inner throws(DecodeError) in _ = try inner.string("B") }
                }
            }
        }
    }
}
