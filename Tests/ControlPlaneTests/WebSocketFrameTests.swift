import TestSupport
import Testing

@testable import ControlPlane

@Suite struct WebSocketFrameTests {
    @Test func `the examples of RFC 6455 are read and written`() throws {
        // Section 5.7, with the opcode of binary messages.
        let hello = bytes("82 85 37fa213d 7f9f4d5158")
        let header = try #require(try Self.header(hello))
        #expect(header.opcode == .binary && header.payloadBytes == 5 && header.headerBytes == 6)
        #expect(Self.unmasked(Array(hello[6...]), header.mask) == Array("Hello".utf8))
        #expect(WebSocketFrame.serverFrame(.binary, Array("Hello".utf8)) == bytes("82 05 48656c6c6f"))
        #expect(WebSocketFrame.serverFrame(.pong, []) == bytes("8a 00"))
        #expect(
            Array(WebSocketFrame.serverFrame(.binary, [UInt8](repeating: 1, count: 256)).prefix(5))
                == bytes("82 7e 0100 01")
        )
        #expect(WebSocketFrame.serverFrame(.binary, [UInt8](repeating: 1, count: 125)).count == 127)
        #expect(WebSocketFrame.serverFrame(.binary, [UInt8](repeating: 1, count: 126)).count == 130)
    }

    @Test func `a header in parts is waited for`() throws {
        let long = bytes("82 fe 2274 37fa213d")
        for count in 0..<long.count { #expect(try Self.header(Array(long.prefix(count))) == nil) }
        #expect(try Self.header(long)?.payloadBytes == 8820)
        #expect(try Self.header(long)?.headerBytes == 8)
    }

    @Test func `what a relay does not take is named`() {
        let refused: [(String, WebSocketError)] = [
            ("8185", .opcode(1)), ("8385", .opcode(3)), ("8085", .opcode(0)), ("c285", .extensionBits),
            ("0285", .fragment), ("8205", .unmasked), ("82ff", .tooLong), ("82fe2275", .tooLong),
            ("89fe", .tooLong), ("0985", .fragment), ("88ff", .tooLong),
        ]
        for (hex, error) in refused {
            #expect(throws: error) { try Self.header(bytes(hex)) }
        }
    }

    @Test func `unmasking is right at every length, and masking again undoes it`() {
        for count in 0..<70 {
            let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let mask: [UInt8] = [0x12, 0x80, 0xff, 0x07]
            let masked = plain.enumerated().map { $1 ^ mask[$0 % 4] }
            let word = mask.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            #expect(Self.unmasked(masked, word) == plain)
        }
    }

    @Test func `the accept header is that of the RFC`() {
        #expect(RelayUpgrade.accept(key: "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    static func header(_ bytes: [UInt8]) throws(WebSocketError) -> WebSocketFrame.Header? {
        try WebSocketFrame.Header(bytes.span.bytes, longestPayloadBytes: 8820)
    }

    static func unmasked(_ bytes: [UInt8], _ mask: UInt32) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: bytes.count)
        bytes.withUnsafeBytes { source in
            result.withUnsafeMutableBytes { WebSocketFrame.unmask(source, mask, into: $0) }
        }
        return result
    }
}
