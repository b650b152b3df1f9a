import Agent
import MeshModel
import TestSupport
import Testing

private let stun = bytes("0001 0000 2112a442 000102030405060708090a0b")
private let udp = bytes("0d96 ca6c 001c 0000") + stun

private func endpoint(_ text: String) throws -> Endpoint { try #require(Endpoint(text)) }

/// An IPv4 packet with `options` (a multiple of 4 bytes) around a UDP packet.
private func packet(_ udp: [UInt8], options: [UInt8] = [], fragment: UInt16 = 0) -> [UInt8] {
    let header = 20 + options.count
    let total = header + udp.count
    return [UInt8(0x40 | header / 4), 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 0]
        + [UInt8(fragment >> 8), UInt8(fragment & 0xff), 64, 17, 0, 0, 203, 0, 113, 7, 10, 0, 0, 1] + options + udp
}

@Suite struct RawUDPPacketTests {
    @Test func `an answer gets ports, length and a checksum that adds up`() throws {
        let datagram = Datagram(
            local: try endpoint("10.0.0.1:51820"),
            remote: try endpoint("203.0.113.7:3478"),
            bytes: stun
        )
        let encoded = try #require(RawUDPPacket.encode(datagram))
        #expect(encoded.prefix(6).elementsEqual(bytes("ca6c 0d96 001c")))
        #expect(encoded.suffix(20).elementsEqual(stun))
        // RFC 1071: with its own checksum in place the sum over everything is all ones.
        let covered = bytes("0a000001 cb007107 0011 001c") + encoded
        var sum: UInt32 = 0
        for index in stride(from: 0, to: covered.count, by: 2) {
            sum += UInt32(covered[index]) << 8 | UInt32(covered[index + 1])
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        #expect(sum == 0xffff)
    }

    @Test func `the kernel fills in the checksum for IPv6`() throws {
        let datagram = Datagram(local: try endpoint("[fd00::1]:1"), remote: try endpoint("[fd00::2]:2"), bytes: [9])
        #expect(RawUDPPacket.encode(datagram) == bytes("0001 0002 0009 0000 09"))
    }

    @Test func `addresses of two families and oversized payloads are not sent`() throws {
        let v4 = try endpoint("10.0.0.1:1")
        let v6 = try endpoint("[fd00::1]:1")
        #expect(RawUDPPacket.encode(Datagram(local: v4, remote: v6, bytes: [])) == nil)
        let huge = [UInt8](repeating: 0, count: 65_528)
        #expect(RawUDPPacket.encode(Datagram(local: v4, remote: v4, bytes: huge)) == nil)
    }

    @Test(arguments: [[], bytes("01010101"), [UInt8](repeating: 1, count: 40)])
    func `a packet is read, with or without IP options and trailing padding`(options: [UInt8]) throws {
        let expected = Datagram(
            local: try endpoint("10.0.0.1:51820"),
            remote: try endpoint("203.0.113.7:3478"),
            bytes: stun
        )
        #expect(RawUDPPacket.decodeIPv4(packet(udp, options: options), port: 51820) == expected)
        #expect(RawUDPPacket.decodeIPv4(packet(udp, options: options) + [0, 0, 0], port: 51820) == expected)
    }

    @Test func `what is not STUN for our port is left out`() {
        #expect(RawUDPPacket.decodeIPv4(packet(udp), port: 51821) == nil)
        #expect(RawUDPPacket.decodeIPv4(packet(udp, fragment: 0x2000), port: 51820) == nil)
        #expect(RawUDPPacket.decodeIPv4(packet(udp, fragment: 0x0001), port: 51820) == nil)
        var wireGuard = udp
        wireGuard.replaceSubrange(12..<16, with: [1, 0, 0, 0])
        #expect(RawUDPPacket.decodeIPv4(packet(wireGuard), port: 51820) == nil)
    }

    @Test func `no prefix and no damaged byte of a packet traps`() {
        let whole = packet(udp, options: bytes("01010101"))
        for length in 0..<whole.count { #expect(RawUDPPacket.decodeIPv4(whole.prefix(length), port: 51820) == nil) }
        for index in whole.indices {
            for value: UInt8 in [0x00, 0x0f, 0x45, 0x7f, 0xff] {
                var damaged = whole
                damaged[index] = value
                let datagram = RawUDPPacket.decodeIPv4(damaged, port: 51820)
                #expect(datagram.map { $0.bytes.count <= whole.count } ?? true)
            }
        }
    }
}
