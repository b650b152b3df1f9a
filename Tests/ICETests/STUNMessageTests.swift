import ICE
import MeshModel
import TestSupport
import Testing

@Suite struct STUNMessageTests {
    /// RFC 5769, section 2.1: sample request with long-term attributes left out.
    static let sampleRequest = bytes(
        """
        00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
        00 24 00 04 6e 00 01 ff 80 29 00 08 93 2f f9 b1 51 26 3b 36
        00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
        00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2
        80 28 00 04 e5 7a 3b cf
        """
    )
    /// RFC 5769, section 2.2: sample IPv4 response.
    static let sampleResponse = bytes(
        """
        01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
        00 20 00 08 00 01 a1 47 e1 12 a6 43
        00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
        80 28 00 04 c0 7d 4c 96
        """
    )
    /// RFC 5769, section 2.3: sample IPv6 response.
    static let sampleResponseV6 = bytes(
        """
        01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
        00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
        00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
        80 28 00 04 c8 fb 0b 4c
        """
    )
    static let password = "VOkJxbRl1RmTxUk/WvJxBt"

    @Test func `the request of RFC 5769 is read and verified`() throws {
        let message = try STUNMessage(datagram: Self.sampleRequest)
        #expect(message.kind == .bindingRequest)
        #expect(message.username == "evtj:h6vY")
        #expect(message.priority == 0x6e00_01ff)
        #expect(message.role?.isControlling == false)
        #expect(message.role?.tieBreaker == 0x932f_f9b1_5126_3b36)
        #expect(message.hasValidIntegrity(key: Self.password))
        #expect(!message.hasValidIntegrity(key: "another password"))
        #expect(message.hasValidFingerprint)
    }

    @Test(arguments: [
        (sampleResponse, "192.0.2.1:32853"), (sampleResponseV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ])
    func `the responses of RFC 5769 are read and verified`(_ response: [UInt8], _ mapped: String) throws {
        let message = try STUNMessage(datagram: response)
        #expect(message.kind == .bindingSuccess)
        #expect(message.mappedAddress == Endpoint(mapped))
        #expect(message.hasValidIntegrity(key: Self.password))
        #expect(message.hasValidFingerprint)
    }

    @Test func `a check has the attributes and the trailing pair that stock agents expect`() throws {
        let encoded = STUNMessage.encode(
            .bindingRequest,
            transactionID: Array(0..<12),
            attributes: [
                (.username, Array("rrrrrrrrrrrrrrrr:llllllllllllllll".utf8)), (.useCandidate, []),
                (.iceControlling, Array(repeating: 7, count: 8)), (.priority, [0x7e, 0xff, 0xff, 0xff]),
            ],
            integrityKey: "secret",
            candidatePair: String(repeating: "a", count: 32) + ":" + String(repeating: "b", count: 32)
        )
        #expect(encoded.count == 188)
        let message = try STUNMessage(datagram: encoded)
        #expect(message.attributes.map(\.type) == [0x0006, 0x0025, 0x802a, 0x0024, 0x0008, 0x8028, 0x8100])
        #expect(message.hasUseCandidate)
        #expect(message.hasValidIntegrity(key: "secret"))
        #expect(message.hasValidFingerprint)
        #expect(message.candidatePair?.source == String(repeating: "a", count: 32))
    }

    @Test func `damaged messages are refused or read, never a trap`() {
        var random = SeededGenerator(seed: 1)
        for sample in [Self.sampleRequest, Self.sampleResponse, Self.sampleResponseV6] {
            for _ in 0..<3000 {
                var damaged = sample
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    damaged[Int.random(in: damaged.indices, using: &random)] = .random(
                        in: .min ... .max,
                        using: &random
                    )
                }
                damaged = Array(damaged.prefix(Int.random(in: 0...damaged.count, using: &random)))
                guard let message = try? STUNMessage(datagram: damaged) else { continue }
                _ = (message.username, message.role?.tieBreaker, message.errorCode, message.mappedAddress)
                _ = (message.candidatePair?.source, message.hasValidFingerprint)
                #expect(message.bytes.count <= damaged.count)
            }
        }
    }

    @Test func `a flipped bit under MESSAGE-INTEGRITY is noticed`() throws {
        for index in 20..<68 {
            var damaged = Self.sampleRequest
            damaged[index] ^= 1
            guard let message = try? STUNMessage(datagram: damaged) else { continue }
            #expect(!message.hasValidIntegrity(key: Self.password), "byte \(index)")
        }
    }

    @Test func `messages that cannot be are refused by name`() {
        #expect(throws: STUNError.notSTUN) { try STUNMessage(datagram: Array(repeating: 0, count: 20)) }
        #expect(throws: STUNError.truncated("3 bytes, a STUN header has 20")) { try STUNMessage(datagram: [0, 1, 0]) }
        #expect(throws: STUNError.tooLong("4000 bytes, at most 2048")) {
            try STUNMessage(datagram: Self.sampleRequest + Array(repeating: 0, count: 4000 - Self.sampleRequest.count))
        }
        #expect(throws: STUNError.unknownType(0x0002)) {
            try STUNMessage(datagram: [0, 2] + Self.sampleRequest.dropFirst(2))
        }
    }
}
