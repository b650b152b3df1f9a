/// What two agents say to each other through the signal server, after decryption and validation.
public enum SignalMessage: Hashable, Sendable {
    case offer(SessionDescription)
    case answer(SessionDescription)
    case candidate(RemoteCandidate)
    /// The sender closed an idle connection and waits for traffic.
    case goIdle
    /// Sent to oneself to prove that the stream is alive.
    case heartbeat
}

/// The content of an offer or an answer: either one gives the receiver everything it needs.
///
/// Source: spec/wire/signal.md 2.2 and 7.
public struct SessionDescription: Hashable, Sendable {
    /// `nil`: the sender does no ICE for this peer.
    public var credentials: ICECredentials?
    /// Exactly 5 bytes; a new one means that the sender started over. `nil`: an old sender, or one without ICE.
    public var sessionID: [UInt8]?
    /// The sender's local WireGuard port; 0: assume 51820.
    public var wireGuardPort: UInt16
    /// Informational.
    public var agentVersion: String
    /// URL of the sender's home relay; `nil`: not connected to one.
    public var relayServer: String?

    public init(
        credentials: ICECredentials?,
        sessionID: [UInt8]?,
        wireGuardPort: UInt16,
        agentVersion: String,
        relayServer: String? = nil
    ) {
        self.credentials = credentials
        self.sessionID = sessionID
        self.wireGuardPort = wireGuardPort
        self.agentVersion = agentVersion
        self.relayServer = relayServer
    }
}

/// Short-term credentials of RFC 8445, section 5.3. The password prints as `(hidden)`.
public struct ICECredentials: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Identifies the session of the peer that made it.
    public var usernameFragment: String
    /// Key of MESSAGE-INTEGRITY for checks sent *to* the peer that made it.
    public var password: String

    public init(usernameFragment: String, password: String) {
        self.usernameFragment = usernameFragment
        self.password = password
    }

    public var description: String { "\(usernameFragment):(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: ["usernameFragment": usernameFragment]) }
}

/// A transport address the other side may be reached at, as trickled through signal.
public struct RemoteCandidate: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case host, srflx, prflx, relay }

    public var kind: Kind
    public var endpoint: Endpoint
    /// RFC 8445, section 5.1.2.
    public var priority: UInt32
    /// Base of a reflexive or relayed candidate; `nil`: none given.
    public var related: Endpoint?
    /// The sender's identifier of this candidate (32 characters), which routes checks inside its mux; `nil`: none given.
    public var id: String?

    public init(kind: Kind, endpoint: Endpoint, priority: UInt32, related: Endpoint? = nil, id: String? = nil) {
        self.kind = kind
        self.endpoint = endpoint
        self.priority = priority
        self.related = related
        self.id = id
    }
}
