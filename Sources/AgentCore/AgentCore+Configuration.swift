public import MeshModel
public import Routing

extension AgentCore {
    /// What does not change while the agent runs.
    public struct Configuration: Sendable {
        public var interfaceName: String
        /// What our objects in the kernel bear; the fwmark and the routing table among it.
        public var marks: OwnerMarks
        public var privateKey: PrivateKey
        public var publicKey: PublicKey
        /// What the user asked for; 0 lets the kernel choose.
        public var listenPort: UInt16
        /// Unless the control plane says otherwise.
        public var mtuBytes: UInt32
        public var persistentKeepaliveSeconds: UInt16
        /// As a gateway: whether clients of our default routes reach private networks behind us too.
        public var exitReachesPrivateNetworks: Bool
        /// As a gateway: whether the networks of this host's own links are closed to the mesh.
        public var blocksLocalNetworks: Bool
        /// What peers are told; informational.
        public var agentVersion: String
        /// What happens to an exit node's traffic when none of its gateways works.
        public var exitFailure: ExitFailurePolicy
        public var lazy: LazyPolicy

        public init(
            interfaceName: String,
            marks: OwnerMarks,
            privateKey: PrivateKey,
            publicKey: PublicKey,
            listenPort: UInt16,
            mtuBytes: UInt32,
            persistentKeepaliveSeconds: UInt16,
            exitReachesPrivateNetworks: Bool = false,
            blocksLocalNetworks: Bool = false,
            agentVersion: String,
            exitFailure: ExitFailurePolicy = .closed,
            lazy: LazyPolicy = LazyPolicy()
        ) {
            self.interfaceName = interfaceName
            self.marks = marks
            self.privateKey = privateKey
            self.publicKey = publicKey
            self.listenPort = listenPort
            self.mtuBytes = mtuBytes
            self.persistentKeepaliveSeconds = persistentKeepaliveSeconds
            self.exitReachesPrivateNetworks = exitReachesPrivateNetworks
            self.blocksLocalNetworks = blocksLocalNetworks
            self.agentVersion = agentVersion
            self.exitFailure = exitFailure
            self.lazy = lazy
        }
    }
}
