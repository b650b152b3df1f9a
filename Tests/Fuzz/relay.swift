import RelayWire

/// A message from a stranger to a relay, or from a relay to an agent.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var message = bytes(start, count)
    do throws(RelayFrameError) {
        let frame = try RelayFrame(message)
        require(message.count <= RelayLimits.longestMessageBytes, "a frame of \(message.count) bytes")
        switch frame {
        case .close, .healthCheck: require(message.starts(with: frame.encode()), "encodes to something else")
        case .authResponse(let url): require(url.utf8.count + 2 == message.count, "bytes of the address were lost")
        case .auth(_, let token):
            // A secret that nobody signed with: whatever the token says, it is refused.
            do throws(RelayTokenError) {
                try RelaySecret(text: "fuzz").verify(token, nowSeconds: 0)
                require(false, "a forged token was taken")
            } catch {}
            require(frame.encode() == message, "encodes to something else")
        default: require(frame.encode() == message, "encodes to something else")
        }
        if case .transport(let peer, let payload) = frame {
            require(RelayTransport.peer(of: message.span.bytes) == peer, "the fast path sees another peer")
            var span = message.mutableSpan
            var raw = span.mutableBytes
            RelayTransport.setPeer(.healthProbe, in: &raw)
            require(
                message == RelayFrame.transport(.healthProbe, payload: payload).encode(),
                "rewriting the peer changed something else"
            )
        }
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
