public import MeshModel

/// One of our own addresses, offered to the other side.
public struct LocalCandidate: Hashable, Sendable {
    public var kind: RemoteCandidate.Kind
    /// Where the other side sends to. For a host candidate also where we send from.
    public var endpoint: Endpoint
    /// 32 characters that route checks inside a stock agent's mux; spec/wire/ice.md 4.
    public var id: String

    public init(kind: RemoteCandidate.Kind, endpoint: Endpoint, id: String) {
        self.kind = kind
        self.endpoint = endpoint
        self.id = id
    }

    public var priority: UInt32 { candidatePriority(of: kind) }
}

/// RFC 8445, section 5.1.2.1, with the type preferences of section 5.1.2.2, local preference 65535 and component 1.
public func candidatePriority(of kind: RemoteCandidate.Kind) -> UInt32 {
    let typePreference: UInt32 =
        switch kind {
        case .host: 126
        case .prflx: 110
        case .srflx: 100
        case .relay: 0
        }
    return typePreference << 24 + 65535 << 8 + 255
}
