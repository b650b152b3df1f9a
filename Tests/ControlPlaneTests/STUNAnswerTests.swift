import MeshModel
import TestSupport
import Testing

@testable import ControlPlane

@Suite struct STUNAnswerTests {
    static let request = bytes("0001 0000 2112a442 000102030405060708090a0b")

    @Test func `the answer is that of the specification`() throws {
        #expect(
            try answer(Self.request, "203.0.113.7:51820").hex
                == "010100142112a442000102030405060708090a0b002000080001eb7eea12d54580280004518cb9fb"
        )
    }

    @Test func `an IPv6 source is shown with its family`() throws {
        let answer = try answer(Self.request, "[2001:db8::1]:51820")
        #expect(answer.count == STUNAnswer.longestBytes)
        #expect(Array(answer[..<20]) == bytes("0101 0020 2112a442 000102030405060708090a0b"))
        #expect(Array(answer[20..<28]) == bytes("0020 0014 0002 eb7e"))
        let address = zip(answer[28..<44], answer[4..<20]).map { $0 ^ $1 }
        #expect(IPAddress(bytes: address) == IPAddress("2001:db8::1"))
        #expect(Array(answer[44..<48]) == bytes("8028 0004"))
    }

    @Test func `attributes of a request do not matter, nor what follows it`() throws {
        let plain = try answer(Self.request, "192.0.2.1:1")
        for more in ["0004 8022 0000", "0008 8022 0001 aa000000", "0008 0006 0004 61626364"] {
            var request = Self.request
            let parts = bytes(more)
            request.replaceSubrange(2..<4, with: parts[..<2])
            request += parts[2...]
            #expect(try answer(request, "192.0.2.1:1") == plain)
            #expect(try answer(request + [1, 2, 3], "192.0.2.1:1") == plain)
        }
    }

    @Test(arguments: [
        "", "00", "0001 0000 2112a442 000102030405060708090a",  // 19 bytes
        "0001 0000 2112a443 000102030405060708090a0b",  // no cookie
        "0011 0000 2112a442 000102030405060708090a0b",  // an indication
        "0101 0000 2112a442 000102030405060708090a0b",  // an answer: or two servers would talk for ever
        "0003 0000 2112a442 000102030405060708090a0b",  // TURN's allocate
        "0001 0004 2112a442 000102030405060708090a0b",  // attributes that are not there
        "0001 0002 2112a442 000102030405060708090a0b 8022",  // no multiple of 4
        "0001 0004 2112a442 000102030405060708090a0b 8022 0004",  // an attribute beyond the end
        "0001 ffff 2112a442 000102030405060708090a0b",
    ])
    func `all else is met with silence`(hex: String) throws {
        #expect(try answer(bytes(hex), "192.0.2.1:1").isEmpty)
    }

    @Test func `an answer is at most one and a half times the request's packet`() {
        let ipv4 = (20 + 8 + 40.0) / (20 + 8 + 20)
        let ipv6 = (40 + 8 + Double(STUNAnswer.longestBytes)) / (40 + 8 + 20)
        #expect(ipv4 < 1.5 && ipv6 < 1.5)
    }

    @Test func `a source gets a bounded number of answers in each second, whatever others get`() {
        var limit = STUNRateLimit()
        let admitted = (0..<5000).count { _ in limit.admits(source: 7, atSecond: 1) }
        #expect(admitted == Int(STUNRateLimit.answersPerSecond))
        let others = [limit.admits(source: 8, atSecond: 1), limit.admits(source: 7, atSecond: 2)]
        #expect(others == [true, true])
    }

    private func answer(_ request: [UInt8], _ source: String) throws -> [UInt8] {
        let source = try #require(Endpoint(source))
        var room = request + [UInt8](repeating: 0, count: 64)
        let length = room.withUnsafeMutableBytes { room in
            source.address.bytes.withUnsafeBytes { address in
                STUNAnswer.write(over: room, length: request.count, address: address, port: source.port)
            }
        }
        return Array(room[..<length])
    }
}
