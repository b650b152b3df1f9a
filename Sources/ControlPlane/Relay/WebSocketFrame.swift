/// WebSocket frames (RFC 6455, section 5) as a relay needs them: whole binary messages from clients, and control frames.
///
/// Written here rather than taken from NIOWebSocket, because a packet is then touched once between the two sockets: it is
/// unmasked into the place from which it is sent, behind the header it is sent with.
enum WebSocketFrame {
    enum Opcode: UInt8, Sendable {
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10
    }

    /// The start of a frame from a client.
    struct Header: Hashable, Sendable {
        let opcode: Opcode
        let payloadBytes: Int
        /// As it lies in memory.
        let mask: UInt32
        /// Of the header itself.
        let headerBytes: Int

        /// - Parameter longestPayloadBytes: of a message; below 65,536.
        /// - Returns: `nil` while the header is not whole.
        /// - Throws: `WebSocketError` for what a client must not send, or we do not take.
        init?(_ bytes: RawSpan, longestPayloadBytes: Int) throws(WebSocketError) {
            guard bytes.byteCount >= 2 else { return nil }
            let first = bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
            let second = bytes.unsafeLoad(fromByteOffset: 1, as: UInt8.self)
            guard first & 0x70 == 0 else { throw .extensionBits }
            guard let opcode = Opcode(rawValue: first & 0x0f) else { throw .opcode(first & 0x0f) }
            guard first & 0x80 != 0 else { throw .fragment }
            guard second & 0x80 != 0 else { throw .unmasked }
            var length = Int(second & 0x7f)
            if opcode != .binary, length > 125 { throw .tooLong }
            guard length < 127 else { throw .tooLong }
            let isExtended = length == 126
            headerBytes = isExtended ? 8 : 6
            if isExtended {
                guard bytes.byteCount >= 4 else { return nil }
                length = Int(UInt16(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            }
            guard length <= longestPayloadBytes else { throw .tooLong }
            guard bytes.byteCount >= headerBytes else { return nil }
            self.opcode = opcode
            payloadBytes = length
            mask = bytes.unsafeLoadUnaligned(fromByteOffset: headerBytes - 4, as: UInt32.self)
        }
    }

    /// Bytes that a server's frame has before a payload: it is not masked.
    static func serverHeaderBytes(payloadBytes: Int) -> Int { payloadBytes > 125 ? 4 : 2 }

    /// Writes the header of a server's frame at the start of `buffer`.
    ///
    /// - Parameter payloadBytes: below 65,536.
    static func writeServerHeader(_ opcode: Opcode, payloadBytes: Int, to buffer: UnsafeMutableRawBufferPointer) {
        buffer[0] = 0x80 | opcode.rawValue
        if payloadBytes > 125 {
            buffer[1] = 126
            buffer[2] = UInt8(payloadBytes >> 8)
            buffer[3] = UInt8(payloadBytes & 0xff)
        } else {
            buffer[1] = UInt8(payloadBytes)
        }
    }

    /// A server's frame.
    static func serverFrame(_ opcode: Opcode, _ payload: [UInt8]) -> [UInt8] {
        let header = serverHeaderBytes(payloadBytes: payload.count)
        var frame = [UInt8](repeating: 0, count: header)
        frame.withUnsafeMutableBytes { writeServerHeader(opcode, payloadBytes: payload.count, to: $0) }
        return frame + payload
    }

    /// Writes the unmasked bytes of `source` to `target`, which are equally long.
    static func unmask(_ source: UnsafeRawBufferPointer, _ mask: UInt32, into target: UnsafeMutableRawBufferPointer) {
        precondition(source.count == target.count, "unmasking \(source.count) bytes into \(target.count)")
        let wide = UInt64(mask) << 32 | UInt64(mask)
        var offset = 0
        while offset + 8 <= source.count {
            let word = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            target.storeBytes(of: word ^ wide, toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        withUnsafeBytes(of: mask) { mask in
            while offset < source.count {
                target[offset] = source[offset] ^ mask[offset & 3]
                offset += 1
            }
        }
    }
}

/// What breaks a relay's WebSocket connection. Source: spec/wire/relay.md 1, 3.
enum WebSocketError: Error, Hashable, Sendable {
    /// RSV bits: no extension was agreed on.
    case extensionBits
    /// Text, or none that RFC 6455 knows.
    case opcode(UInt8)
    /// A message in several frames.
    case fragment
    case unmasked
    case tooLong
}
