extension RelayFrame {
    /// Parses one message, whoever sent it.
    ///
    /// Bytes after the header of `close` and `healthCheck` are ignored, as stock programs do. A list of no peers is one.
    ///
    /// - Throws: `RelayFrameError` that says what is wrong.
    public init(_ message: RawSpan) throws(RelayFrameError) {
        guard message.byteCount <= RelayLimits.longestMessageBytes else {
            throw .tooLong("\(message.byteCount) bytes, a relay message has at most \(RelayLimits.longestMessageBytes)")
        }
        let kind = try Kind(of: message)
        let body = message.extracting(RelayLimits.headerBytes..<message.byteCount)
        switch kind {
        case .transport:
            guard let peer = RelayTransport.peer(of: message) else {
                throw .truncated("transport: \(message.byteCount) bytes, at least \(RelayLimits.transportHeaderBytes)")
            }
            self = .transport(peer, payload: Self.bytes(body, from: RelayPeerID.lengthBytes))
        case .close: self = .close
        case .healthCheck: self = .healthCheck
        case .auth: self = try Self.auth(body)
        case .authResponse: self = try Self.authResponse(body)
        case .subscribe: self = .subscribe(try Self.peers(body))
        case .unsubscribe: self = .unsubscribe(try Self.peers(body))
        case .peersOnline: self = .peersOnline(try Self.peers(body))
        case .peersWentOffline: self = .peersWentOffline(try Self.peers(body))
        }
    }

    /// As of a span.
    public init(_ message: [UInt8]) throws(RelayFrameError) { try self.init(message.span.bytes) }

    /// The message as it goes over the wire.
    ///
    /// A list of more than `RelayLimits.peersPerMessage` peers, or a longer payload, token or address than the limits
    /// allow, is the caller's mistake: `messages(listing:as:)` splits lists.
    public func encode() -> [UInt8] {
        var message = [Self.version, kind.rawValue]
        switch self {
        case .transport(let peer, let payload):
            message.reserveCapacity(RelayLimits.transportHeaderBytes + payload.count)
            peer.append(to: &message)
            message += payload
        case .close, .healthCheck: break
        case .auth(let peer, let token):
            message += Self.authMagic
            peer.append(to: &message)
            message += token
        case .authResponse(let instanceURL): message += Array(instanceURL.utf8)
        case .subscribe(let peers), .unsubscribe(let peers), .peersOnline(let peers), .peersWentOffline(let peers):
            message.reserveCapacity(RelayLimits.headerBytes + peers.count * RelayPeerID.lengthBytes)
            for peer in peers { peer.append(to: &message) }
        }
        precondition(message.count <= RelayLimits.longestMessageBytes, "a relay message of \(message.count) bytes")
        return message
    }

    /// A list of any length as messages of at most `RelayLimits.peersPerMessage` peers each; none for none.
    ///
    /// - Parameter frame: such as `RelayFrame.subscribe`.
    public static func messages(
        listing peers: [RelayPeerID],
        as frame: ([RelayPeerID]) -> RelayFrame
    ) -> [RelayFrame] {
        stride(from: 0, to: peers.count, by: RelayLimits.peersPerMessage).map { start in
            frame(Array(peers[start..<min(start + RelayLimits.peersPerMessage, peers.count)]))
        }
    }

    private static func auth(_ body: RawSpan) throws(RelayFrameError) -> RelayFrame {
        let longest = RelayLimits.longestAuthBytes - RelayLimits.headerBytes
        guard body.byteCount <= longest else {
            throw .tooLong("auth: \(body.byteCount) bytes after the header, at most \(longest)")
        }
        let tokenOffset = authMagic.count + RelayPeerID.lengthBytes
        guard body.byteCount >= tokenOffset else {
            throw .truncated("auth: \(body.byteCount) bytes after the header, at least \(tokenOffset)")
        }
        guard bytes(body.extracting(0..<authMagic.count), from: 0) == authMagic else {
            throw .malformed("auth: wrong magic number")
        }
        return .auth(RelayPeerID(unchecked: body, at: authMagic.count), token: bytes(body, from: tokenOffset))
    }

    private static func authResponse(_ body: RawSpan) throws(RelayFrameError) -> RelayFrame {
        guard body.byteCount <= RelayLimits.longestAuthResponseBytes - RelayLimits.headerBytes else {
            throw .tooLong("auth response: \(body.byteCount) bytes after the header")
        }
        guard !body.isEmpty else { throw .truncated("auth response: no address") }
        guard let url = String(validating: bytes(body, from: 0), as: UTF8.self) else {
            throw .malformed("auth response: the address is no UTF-8")
        }
        return .authResponse(instanceURL: url)
    }

    private static func peers(_ body: RawSpan) throws(RelayFrameError) -> [RelayPeerID] {
        guard body.byteCount.isMultiple(of: RelayPeerID.lengthBytes) else {
            throw .malformed("list of peers: \(body.byteCount) bytes, no multiple of \(RelayPeerID.lengthBytes)")
        }
        return stride(from: 0, to: body.byteCount, by: RelayPeerID.lengthBytes).map {
            RelayPeerID(unchecked: body, at: $0)
        }
    }

    private static func bytes(_ body: RawSpan, from offset: Int) -> [UInt8] {
        body.extracting(offset..<body.byteCount).withUnsafeBytes { Array($0) }
    }
}
