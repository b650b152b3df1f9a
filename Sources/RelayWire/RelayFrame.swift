/// One message of the relay protocol, version 1. Source: spec/wire/relay.md 3.
///
/// A message is one WebSocket binary message, so it carries no length of its own. For packets in bulk see
/// `RelayTransport`, which copies nothing.
public enum RelayFrame: Hashable, Sendable {
    /// A packet: towards the relay with the id of its destination, from the relay with that of its source.
    case transport(RelayPeerID, payload: [UInt8])
    case close
    /// Sent by the relay every 25 s and echoed at once.
    case healthCheck
    /// The first message of a client: its own id, and `RelayToken.wire`.
    case auth(RelayPeerID, token: [UInt8])
    /// The relay's answer: the address that names this relay to other peers, such as `rels://relay.example.com:443`.
    case authResponse(instanceURL: String)
    /// Asks to be told when these peers come and go; those that are there already are told at once.
    case subscribe([RelayPeerID])
    case unsubscribe([RelayPeerID])
    case peersOnline([RelayPeerID])
    case peersWentOffline([RelayPeerID])

    /// The second byte of a message.
    public enum Kind: UInt8, Hashable, Sendable {
        case transport = 3
        case close = 4
        case healthCheck = 5
        case auth = 6
        case authResponse = 7
        case subscribe = 8
        case unsubscribe = 9
        case peersOnline = 10
        case peersWentOffline = 11

        /// What a message is, from its first two bytes.
        ///
        /// - Throws: `RelayFrameError`: `truncated`, `unknownVersion`, `unknownKind`.
        public init(of message: RawSpan) throws(RelayFrameError) {
            guard message.byteCount >= RelayLimits.headerBytes else {
                throw .truncated("\(message.byteCount) bytes, a relay message has 2")
            }
            let version = message.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
            guard version == RelayFrame.version else { throw .unknownVersion(version) }
            let number = message.unsafeLoad(fromByteOffset: 1, as: UInt8.self)
            guard let kind = Kind(rawValue: number) else { throw .unknownKind(number) }
            self = kind
        }
    }

    /// The first byte of a message.
    static let version: UInt8 = 1
    /// The first bytes of `auth`, before the id.
    static let authMagic: [UInt8] = [0x21, 0x12, 0xa4, 0x42]

    public var kind: Kind {
        switch self {
        case .transport: .transport
        case .close: .close
        case .healthCheck: .healthCheck
        case .auth: .auth
        case .authResponse: .authResponse
        case .subscribe: .subscribe
        case .unsubscribe: .unsubscribe
        case .peersOnline: .peersOnline
        case .peersWentOffline: .peersWentOffline
        }
    }
}

/// Why bytes are no relay message.
public enum RelayFrameError: Error, Hashable, Sendable, CustomStringConvertible {
    case truncated(String)
    case tooLong(String)
    case unknownVersion(UInt8)
    case unknownKind(UInt8)
    /// A body that its type does not allow.
    case malformed(String)

    public var description: String {
        switch self {
        case .truncated(let text), .tooLong(let text), .malformed(let text): text
        case .unknownVersion(let version): "relay protocol version \(version), expected 1"
        case .unknownKind(let number): "unknown relay message type \(number)"
        }
    }
}
