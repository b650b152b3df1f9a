import FoundationEssentials
package import MeshModel

extension SignalMessage {
    /// Reads an opened signal body. Total: any body gives a message or a reason.
    ///
    /// - Throws: `WireError` for a malformed one, and for the types that carry nothing for us (MODE, unknown ones).
    ///   Source: spec/wire/signal.md 2.2.
    package init(wire: Signalexchange_Body) throws(WireError) {
        switch wire.type {
        case .offer: self = .offer(try SessionDescription(wire: wire))
        case .answer: self = .answer(try SessionDescription(wire: wire))
        case .candidate: self = .candidate(try RemoteCandidate(line: wire.payload))
        case .goIdle: self = .goIdle
        case .heartbeat: self = .heartbeat
        case .mode: throw WireError("type", "MODE is a message of old agents, not used")
        case .UNRECOGNIZED(let number): throw WireError("type", "unknown type \(number)")
        }
    }
}

extension Signalexchange_Body {
    /// - Parameter usernameFragment: our own, which stock agents expect in candidate lines; unused by other messages.
    package init(_ message: SignalMessage, usernameFragment: String) {
        self.init()
        switch message {
        case .offer(let description):
            type = .offer
            fill(with: description)
        case .answer(let description):
            type = .answer
            fill(with: description)
        case .candidate(let candidate):
            type = .candidate
            payload = candidate.line(usernameFragment: usernameFragment)
        case .goIdle: type = .goIdle
        case .heartbeat: type = .heartbeat
        }
    }

    private mutating func fill(with description: SessionDescription) {
        payload = description.credentials.map { "\($0.usernameFragment):\($0.password)" } ?? ":"
        wgListenPort = UInt32(description.wireGuardPort)
        netBirdVersion = description.agentVersion
        rosenpassConfig = Signalexchange_RosenpassConfig()  // always present; empty says that we do not use it
        if let relayServer = description.relayServer { relayServerAddress = relayServer }
        if description.credentials != nil, let id = description.sessionID { sessionID = Data(id) }
    }
}

extension SessionDescription {
    /// The bytes of a session id; any other length counts as none.
    private static let sessionIDBytes = 5
    /// STUN's USERNAME holds two fragments and a colon in 513 bytes (RFC 8489, section 14.3).
    private static let credentialLengths = 1...256

    fileprivate init(wire: Signalexchange_Body) throws(WireError) {
        let parts = wire.payload.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw WireError("payload", "\(parts.count - 1) colons, expected ufrag:password")
        }
        var credentials: ICECredentials?
        if !parts[0].isEmpty || !parts[1].isEmpty {
            for (name, part) in [("ufrag", parts[0]), ("password", parts[1])] {
                guard Self.credentialLengths.contains(part.utf8.count), part.utf8.allSatisfy({ 0x21...0x7e ~= $0 })
                else {
                    throw WireError("payload", "\(name) of \(part.utf8.count) bytes, expected 1 to 256 visible ones")
                }
            }
            credentials = ICECredentials(usernameFragment: String(parts[0]), password: String(parts[1]))
        }
        guard let port = UInt16(exactly: wire.wgListenPort) else {
            throw WireError("wgListenPort", "\(wire.wgListenPort) is no port")
        }
        self.init(
            credentials: credentials,
            sessionID: wire.sessionID.count == Self.sessionIDBytes ? Array(wire.sessionID) : nil,
            wireGuardPort: port,
            agentVersion: wire.netBirdVersion,
            relayServer: wire.relayServerAddress.isEmpty ? nil : wire.relayServerAddress
        )
    }
}
