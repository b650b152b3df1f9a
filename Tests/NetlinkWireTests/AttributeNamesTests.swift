import NetlinkWire
import TestSupport
import Testing

struct AttributeNamesTests {
    private let names = AttributeNames.table([
        1: .init("NAME"), 8: .init("PEERS", .list(.table([1: .init("KEY"), 4: .init("ENDPOINT")]))),
    ])

    /// NAME at 0, PEERS at 8, its first element at 12 with KEY at 16, its second at 24 with KEY at 28 and ENDPOINT at 36.
    private var message: [UInt8] {
        var encoder = AttributeEncoder()
        encoder.append(1, string: "wg0")
        encoder.nest(8) { list in
            list.nest(0) { $0.append(1, integer: UInt32(7)) }
            list.nest(0) {
                $0.append(1, integer: UInt32(8))
                $0.append(4, integer: UInt16(9))
            }
        }
        return encoder.bytes
    }

    @Test(
        arguments: [
            (0, "NAME"), (5, "NAME"), (8, "PEERS"), (12, "PEERS[0]"), (16, "PEERS[0].KEY"), (24, "PEERS[1]"),
            (36, "PEERS[1].ENDPOINT"), (41, "PEERS[1].ENDPOINT"), (44, nil), (-4, nil),
        ] as [(Int, String?)]
    )
    func `an offset is an attribute's path`(offset: Int, path: String?) {
        #expect(attributePath(at: offset, in: message[...], names: names) == path)
    }

    @Test func `without names the path is of numbers`() {
        #expect(attributePath(at: 36, in: message[...], names: .none) == "8.0.4")
    }

    @Test func `any bytes give a path or none`() {
        var generator = SeededGenerator(seed: 8)
        for _ in 0..<5000 {
            var bytes = message
            for _ in 0..<3 {
                let index = Int.random(in: bytes.indices, using: &generator)
                bytes[index] = .random(in: .min ... .max, using: &generator)
            }
            // Any outcome is right; that it comes back at all is the test.
            _ = attributePath(at: Int.random(in: -9..<60, using: &generator), in: bytes[...], names: names)
        }
    }
}
