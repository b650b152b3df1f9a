import GRPCCore
import Logging
import MapCompiler
import MeshModel
import MeshProto

extension ManagementService {
    /// - Throws: `RPCError` with FailedPrecondition without meta, InvalidArgument for texts that are none.
    func attempt(from wire: Management_LoginRequest) throws(RPCError) -> LoginAttempt {
        guard wire.hasMeta else {
            throw RPCError(code: .failedPrecondition, message: "peer system meta is required")
        }
        do {
            return try LoginAttempt(wire: wire)
        } catch {
            throw RPCError(code: .invalidArgument, message: "\(error)")
        }
    }

    /// Lets a known peer in, or registers an unknown one with its setup key. Source: spec/wire/management.md A4.3, A4.4.
    ///
    /// - Returns: the peer's own place in the mesh.
    func logIn(_ attempt: LoginAttempt, by key: PublicKey) async throws -> SelfConfiguration {
        let peer: PeerRecord
        if let known = try await store.peer(key: key) {
            // Its setup key, if any, is ignored, and so is its host name: both counted at registration.
            guard known.allowsExtraLabels || attempt.extraLabels.isEmpty else {
                throw RPCError(.extraLabelsRefused)
            }
            try await store.recordLogin(
                of: known.id,
                sshPublicKey: attempt.sshPublicKey,
                extraLabels: attempt.extraLabels,
                atSeconds: secondsSince1970()
            )
            try await store.update(attempt.meta, of: known.id)
            peer = known
        } else {
            peer = try await register(attempt, key: key)
        }
        publisher.directoryChanged()
        guard let own = compile(try await store.directory(), for: PeerID(rawValue: peer.id))?.own else {
            throw notFound(key)
        }
        return own
    }

    private func register(_ attempt: LoginAttempt, key: PublicKey) async throws -> PeerRecord {
        guard let setupKey = attempt.setupKey else {
            if attempt.token != nil {
                throw RPCError(
                    code: .invalidArgument,
                    message: "this server has no single sign-on; use a setup key"
                )
            }
            // By this code and no other a client learns that it must register.
            throw RPCError(
                code: .permissionDenied,
                message: "no peer auth method provided, please use a setup key or interactive SSO login"
            )
        }
        let registration = PeerRegistration(
            publicKey: key,
            setupKeyHash: SetupKeySecret.hash(of: setupKey),
            sshPublicKey: attempt.sshPublicKey,
            extraLabels: attempt.extraLabels,
            meta: attempt.meta
        )
        do {
            let peer = try await store.register(registration, atSeconds: secondsSince1970())
            logger.info("peer registered", metadata: ["peer": "\(peer.id)", "name": "\(peer.name)"])
            return peer
        } catch let refusal as RegistrationRefusal {
            logger.info(
                "registration refused",
                metadata: ["name": "\(attempt.meta.hostname)", "reason": "\(refusal)"]
            )
            throw RPCError(refusal)
        }
    }

    /// Keeps what the peer says about its host; a message that says nothing at all changes nothing.
    ///
    /// - Returns: what is known of the host now.
    func updateMeta(_ wire: Management_PeerSystemMeta, of peer: PeerRecord) async throws -> PeerMeta {
        guard wire != Management_PeerSystemMeta() else { return peer.meta }
        var meta: PeerMeta
        do {
            meta = try PeerMeta(wire: wire)
        } catch {
            throw RPCError(code: .invalidArgument, message: "\(error)")
        }
        if meta.interfaceVersion.isEmpty { meta.interfaceVersion = peer.meta.interfaceVersion }
        if meta != peer.meta {
            try await store.update(meta, of: peer.id)
            publisher.directoryChanged()
        }
        return meta
    }
}

extension RPCError {
    /// Stock servers answer NotFound to a bad setup key, on which stock clients try a dozen times over two minutes. On
    /// InvalidArgument with the same text they fail at once. Source: spec/wire/management.md A4.5.
    init(_ refusal: RegistrationRefusal) {
        switch refusal {
        case .setupKeyInvalid:
            self.init(code: .invalidArgument, message: "couldn't add peer: setup key is invalid")
        case .alreadyRegistered, .extraLabelsRefused:
            self.init(code: .failedPrecondition, message: "\(refusal)")
        case .hostnameUnusable, .addressesExhausted:
            self.init(code: .internalError, message: "couldn't add peer: \(refusal)")
        }
    }
}
