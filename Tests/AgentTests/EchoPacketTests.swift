import Agent
import MeshModel
import TestSupport
import Testing

@Suite struct EchoPacketTests {
    /// An echo reply of 127.0.0.1 to itself without payload: identifier 0x1234, sequence 1.
    private let packet: [UInt8] = bytes(
        "4500 001c 0001 0000 4001 7cde 7f000001 7f000001 0000 edca 1234 0001"
    )

    @Test func `a request carries identifier, sequence and, for IPv4, its checksum`() {
        #expect(
            EchoPacket.encodeRequest(identifier: 0x1234, sequence: 1, isV4: true)
                == bytes("0800 8d95 1234 0001 77676d657368 0000")
        )
        #expect(
            EchoPacket.encodeRequest(identifier: 0x1234, sequence: 0xffff, isV4: false)
                == bytes("8000 0000 1234 ffff 77676d657368 0000")
        )
    }

    @Test func `a reply is read, with IP options too`() throws {
        let reply = try #require(EchoPacket.decodeIPv4(packet, identifier: 0x1234))
        #expect(reply.remote == IPAddress("127.0.0.1") && reply.sequence == 1)
        var optioned = packet
        optioned[0] = 0x46
        optioned[3] = 0x20
        optioned.insert(contentsOf: [1, 1, 1, 0], at: 20)
        #expect(EchoPacket.decodeIPv4(optioned, identifier: 0x1234) == reply)
        let v6 = try #require(IPAddress("fd00::1"))
        let answer = EchoPacket.decodeICMPv6(bytes("8100 beef 1234 0102"), from: v6, identifier: 0x1234)
        #expect(answer?.remote == v6 && answer?.sequence == 0x0102)
    }

    @Test func `the word of a gateway that is drained is read, and no other word`() throws {
        let head = "4500 0024 0001 0000 4001 7cd6 7f000001 7f000001 "
        let drained = bytes(head + "0000 9594 1234 0001 77676d657368 0001")
        #expect(EchoPacket.decodeIPv4(drained, identifier: 0x1234)?.isDraining == true)
        let plain = bytes(head + "0000 9595 1234 0001 77676d657368 0000")
        #expect(EchoPacket.decodeIPv4(plain, identifier: 0x1234)?.isDraining == false)
        let v6 = try #require(IPAddress("fd00::1"))
        for (payload, isDraining) in [
            ("77676d657368 0001", true), ("77676d657368 0002", false), ("77676d657368 000100", false),
            ("77676d657368", false), ("77676d657369 0001", false), ("", false),
        ] {
            let answer = EchoPacket.decodeICMPv6(bytes("8100 beef 1234 0102" + payload), from: v6, identifier: 0x1234)
            #expect(answer?.isDraining == isDraining, "\(payload)")
        }
    }

    @Test func `another identifier, another type and a wrong checksum are not ours`() {
        #expect(EchoPacket.decodeIPv4(packet, identifier: 0x1235) == nil)
        for index in [6, 9, 20, 21, 22, 25, 27] {
            var changed = packet
            changed[index] ^= 1
            #expect(EchoPacket.decodeIPv4(changed, identifier: 0x1234) == nil, "byte \(index)")
        }
    }

    @Test func `every cut is refused`() {
        for length in packet.indices {
            #expect(EchoPacket.decodeIPv4(packet[..<length], identifier: 0x1234) == nil)
        }
        for length in 0..<8 {
            let message = bytes("8100 0000 1234 0001").prefix(length)
            #expect(EchoPacket.decodeICMPv6(message, from: IPAddress("::1") ?? loopback, identifier: 0x1234) == nil)
        }
    }

    private var loopback: IPAddress {
        guard let address = IPAddress("127.0.0.1") else { preconditionFailure("an address") }
        return address
    }
}
