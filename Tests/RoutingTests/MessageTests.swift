import MeshModel
import NetlinkWire
import TestSupport
import Testing

@testable import Routing

struct MessageTests {
    @Test func `a v4 route, byte by byte`() throws {
        let route = RouteConfiguration(
            destination: try #require(IPPrefix("100.92.0.0/16")),
            metric: 50,
            routeProtocol: 77
        )
        let expected = bytes(
            """
            02 10 00 00 fe 4d fd 01 00000000
            0800 0100 645c0000
            0800 0400 05000000
            0800 0f00 fe000000
            0800 0600 32000000
            """
        )
        #expect(RouteMessage.encode(route, linkIndex: 5).hex == expected.hex)
    }

    @Test func `a default v6 route in a big table carries no destination`() throws {
        let route = RouteConfiguration(
            destination: try #require(IPPrefix("::/0")),
            table: 7007,
            metric: 0,
            routeProtocol: 77
        )
        let expected = bytes("0a 00 00 00 fc 4d 00 01 00000000 0800 0400 05000000 0800 0f00 5f1b0000")
        #expect(RouteMessage.encode(route, linkIndex: 5).hex == expected.hex)
    }

    @Test func `an address is added without prefix route, a v6 one without duplicate detection`() throws {
        let v4 = AddressMessage.addition(try #require(IPPrefix("100.92.10.5/16")), index: 5)
        #expect(v4.hex == bytes("02100000 05000000 0800 0200 645c0a05 0800 0100 645c0a05 0800 0800 00020000").hex)
        let v6 = AddressMessage.addition(try #require(IPPrefix("fd00::5/64")), index: 5)
        #expect(v6.suffix(8).elementsEqual(bytes("0800 0800 02020000")))
    }

    @Test func `the local side of a point-to-point address is ours`() throws {
        let message = bytes("02200000 05000000 0800 0100 0a000002 0800 0200 0a000001")
        let address = try AddressMessage.decode(message[...])
        #expect(address.prefix == IPPrefix("10.0.0.1/32"))
    }

    @Test func `mutated messages give an object or an error, never a trap`() throws {
        var generator = SeededGenerator(seed: 21)
        let route = RouteConfiguration(
            destination: try #require(IPPrefix("fd00::/64")),
            metric: 5,
            routeProtocol: 77
        )
        let samples = [
            RouteMessage.encode(route, linkIndex: 5),
            AddressMessage.addition(try #require(IPPrefix("10.0.0.1/8")), index: 5),
            LinkMessage.creation(name: "wgm0", mtuBytes: 1280),
        ]
        for _ in 0..<3000 {
            guard var sample = samples.randomElement(using: &generator) else { continue }
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                guard let index = sample.indices.randomElement(using: &generator) else { break }
                if Bool.random(using: &generator) {
                    sample.remove(at: index)
                } else {
                    sample[index] ^= 1 << (index & 7)
                }
            }
            // Any outcome is right; that it comes back at all is the test.
            _ = Result { try RouteMessage.decode(sample[...]) }
            _ = Result { try AddressMessage.decode(sample[...]) }
            _ = Result { try LinkMessage.decode(sample[...]) }
        }
    }
}
