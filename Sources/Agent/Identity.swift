package import MeshModel
import MeshProto

/// Who this agent is: its WireGuard key pair, made once and kept in the state directory.
package struct Identity: Sendable {
    package let privateKey: PrivateKey
    package let publicKey: PublicKey

    package init(privateKey: PrivateKey) {
        self.privateKey = privateKey
        publicKey = privateKey.publicKey
    }

    private static let fileName = "private.key"
    /// 44 characters of base64, and the end of their line.
    private static let fileBytes = 45

    /// Reads the key, or makes and stores one if there is none yet.
    ///
    /// - Throws: `AgentFailure` with `.stateDamaged` if the file holds no key: a new one would be a new peer with a new
    ///   address, which nobody asked for.
    package static func loadOrCreate(in directory: StateDirectory) throws(AgentFailure) -> Identity {
        if let identity = try load(from: directory) { return identity }
        let identity = Identity(privateKey: .generate())
        var text: [UInt8] = []
        text.reserveCapacity(fileBytes)
        defer { text.wipe() }
        identity.privateKey.append(base64To: &text)
        text.append(UInt8(ascii: "\n"))
        try directory.write(text, to: fileName)
        return identity
    }

    /// - Returns: `nil` if no key was made yet.
    /// - Throws: `AgentFailure` with `.stateDamaged` if the file holds no key.
    package static func load(from directory: StateDirectory) throws(AgentFailure) -> Identity? {
        guard var text = try directory.read(fileName, atMost: StateDirectory.smallFileBytes) else { return nil }
        defer { text.wipe() }
        guard text.last == UInt8(ascii: "\n"), let key = PrivateKey(base64: text.span.extracting(droppingLast: 1)),
            !key.isZero
        else { throw directory.damaged(fileName, "it holds no private key in base64") }
        return Identity(privateKey: key)
    }
}

/// The user's wish, `wgctl up` or `wgctl down`, kept over restarts.
package enum TunnelWish {
    private static let fileName = "wish"

    /// - Returns: `true` unless the last wish was `down`.
    /// - Throws: `AgentFailure` with `.stateDamaged` if the file holds neither word.
    package static func isEnabled(in directory: StateDirectory) throws(AgentFailure) -> Bool {
        switch try directory.read(fileName) {
        case nil, "up\n": return true
        case "down\n": return false
        default:
            throw AgentFailure(
                .stateDamaged,
                "\(directory.path)/\(fileName) is damaged (neither \"up\" nor \"down\"): remove it, and the tunnel comes up"
            )
        }
    }

    package static func store(isEnabled: Bool, in directory: StateDirectory) throws(AgentFailure) {
        try directory.write(isEnabled ? "up\n" : "down\n", to: fileName)
    }
}
