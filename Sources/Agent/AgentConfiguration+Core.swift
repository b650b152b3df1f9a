import AgentCore
import MeshProto

extension AgentCore.Configuration {
    init(_ configuration: AgentConfiguration, identity: Identity) {
        self.init(
            interfaceName: configuration.interfaceName,
            marks: configuration.marks,
            privateKey: identity.privateKey,
            publicKey: identity.publicKey,
            listenPort: configuration.listenPort,
            mtuBytes: configuration.mtuBytes,
            persistentKeepaliveSeconds: keepaliveSeconds,
            exitReachesPrivateNetworks: configuration.exitReachesPrivateNetworks,
            blocksLocalNetworks: configuration.blocksLocalNetworks,
            agentVersion: LoginAttempt.wireVersion,
            exitFailure: configuration.exitFailure,
            lazy: configuration.lazy
        )
    }
}

/// Below the 30 s after which the strictest NATs forget a UDP mapping; wg(8) suggests it, NetBird uses it.
private let keepaliveSeconds: UInt16 = 25
