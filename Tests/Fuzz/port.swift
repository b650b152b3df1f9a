/// Bytes from a stranger to the server: a datagram on the STUN port, and WebSocket frames on the TCP port.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    answerSTUN(input)
    readFrames(input)
    return 0
}

private func answerSTUN(_ input: [UInt8]) {
    var datagram = Array(input.prefix(1500))
    let length = datagram.count
    datagram += [UInt8](repeating: 0, count: 64)
    for address in [[192, 0, 2, 1], [UInt8](repeating: 7, count: 16)] {
        let answer = datagram.withUnsafeMutableBytes { room in
            address.withUnsafeBytes { STUNAnswer.write(over: room, length: length, address: $0, port: 1) }
        }
        require([0, 40, 52].contains(answer), "an answer of \(answer) bytes")
        if answer > 0 {
            require(datagram[0] == 1 && datagram[1] == 1, "an answer that is none")
            return
        }
    }
}

private func readFrames(_ input: [UInt8]) {
    var offset = 0
    do throws(WebSocketError) {
        while let header = try WebSocketFrame.Header(
            input.span.bytes.extracting(offset..<input.count),
            longestPayloadBytes: 8820
        ) {
            let end = offset + header.headerBytes + header.payloadBytes
            guard end <= input.count else { return }
            var plain = [UInt8](repeating: 0, count: header.payloadBytes)
            input.withUnsafeBytes { source in
                plain.withUnsafeMutableBytes { target in
                    WebSocketFrame.unmask(
                        UnsafeRawBufferPointer(rebasing: source[(offset + header.headerBytes)..<end]),
                        header.mask,
                        into: target
                    )
                }
            }
            let frame = WebSocketFrame.serverFrame(header.opcode, plain)
            require(frame.count <= end - offset, "a frame grew on its way")
            offset = end
        }
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
}
