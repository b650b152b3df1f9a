import NetlinkWire
import TestSupport
import Testing

struct NetlinkMessageTests {
    @Test func `a message, byte by byte`() {
        let message = NetlinkMessage(type: 0x10, flags: 0x5, sequence: 7, payload: [1, 2, 3, 4])
        #expect(message.encode().hex == bytes("14000000 1000 0500 07000000 00000000 01020304").hex)
    }

    @Test func `a datagram with padding between messages`() throws {
        let datagram = bytes("11000000 1000 0200 07000000 00000000 ff 000000 10000000 0300 0200 07000000 00000000")
        let messages = try NetlinkMessage.decode(datagram: datagram[...])
        #expect(messages.map(\.payload) == [[0xff], []])
        #expect(messages.last?.isDone == true)
    }

    @Test(
        arguments: [
            ("11000000 1000", "nlmsghdr: 6 bytes, expected at least 16"),
            ("11000000 1000 0200 07000000 00000000", "nlmsghdr: length 17, expected 16 to 16"),
            ("0f000000 1000 0200 07000000 00000000", "nlmsghdr: length 15, expected 16 to 16"),
            ("ffffffff 1000 0200 07000000 00000000", "nlmsghdr: length 4294967295, expected 16 to 16"),
        ]
    )
    func `a length that does not fit is an error`(hex: String, problem: String) {
        let error = #expect(throws: DecodeError.self) { try NetlinkMessage.decode(datagram: bytes(hex)[...]) }
        #expect(error?.description == problem)
    }

    @Test func `an acknowledgement with code 0 is success`() throws {
        let message = NetlinkMessage(
            type: 2,
            flags: 0x100,
            payload: bytes("00000000 14000000 1000 0500 07000000 00000000")
        )
        #expect(try message.failure(of: "set wgm0") == nil)
    }

    @Test func `an error carries the kernel's words and where it points`() throws {
        // EPERM, the request's header (capped), NLMSGERR_ATTR_MSG "no way", NLMSGERR_ATTR_OFFS 24.
        let payload = bytes(
            """
            ffffffff 20000000 1000 0500 07000000 00000000
            0b00 0100 6e6f2077617900 00 0800 0200 18000000
            """
        )
        let message = NetlinkMessage(type: 2, flags: 0x300, payload: payload)
        let error = try #require(try message.failure(of: "set wgm0"))
        #expect(error.description == "set wgm0: Operation not permitted (kernel: no way)")
        #expect(error.offsetBytes == 24)
        #expect(error.isNotPermitted)
    }

    @Test func `an error that repeats the request is read past it`() throws {
        let payload = bytes(
            """
            ffffffff 14000000 1000 0500 07000000 00000000 deadbeef
            0b00 0100 6e6f2077617900 00
            """
        )
        let error = try NetlinkMessage(type: 2, flags: 0x200, payload: payload).failure(of: "x")
        #expect(error?.detail == "no way")
    }

    @Test func `mutated errors give an outcome or an error, never a trap`() {
        var generator = SeededGenerator(seed: 31)
        let payload = bytes("ffffffff 20000000 1000 0500 07000000 00000000 0b00 0100 6e6f2077617900 00")
        for _ in 0..<5000 {
            var mutated = payload
            for _ in 0..<3 {
                guard let index = mutated.indices.randomElement(using: &generator) else { break }
                mutated[index] = .random(in: 0...255, using: &generator)
                if Bool.random(using: &generator) { mutated.removeLast() }
            }
            for type in [2, 3] as [UInt16] {
                let message = NetlinkMessage(
                    type: type,
                    flags: .random(in: 0...0x300, using: &generator),
                    payload: mutated
                )
                // Both outcomes are right; that it comes back at all is the test.
                _ = Result { try message.failure(of: "x") }
                _ = Result { try NetlinkMessage.decode(datagram: (message.encode() + mutated)[...]) }
            }
        }
    }

    @Test(arguments: [
        ("wgm0", true), ("", false), ("0123456789abcdef", false), ("a/b", false), ("..", false), ("a b", false),
    ])
    func `link names`(name: String, isValid: Bool) { #expect(isValidLinkName(name) == isValid) }
}
