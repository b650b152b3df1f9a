public import MeshModel

/// Every decision of the agent, as a value.
///
/// Sans-IO: it never reads a clock, a socket or randomness of its own.
///
/// Drive it: deliver inputs with `handle`, perform the returned effects in order, and deliver `.tick` at `deadline`.
public struct AgentCore: Sendable {
    public enum Input: Sendable {
        /// A new map from the control plane; the caller has validated it.
        case networkMap(NetworkMap)
        /// The control plane says that this agent is not, or no longer, part of the mesh.
        case deregistered(reason: String)
        case management(ConnectionState)
        case signalServer(ConnectionState)
        /// A decrypted, validated message from a peer.
        case signal(from: PublicKey, SignalMessage)
        /// Addresses that may serve as host candidates: those of every usable interface but our own.
        case localAddresses([IPAddress])
        /// The UDP port that the kernel's WireGuard socket is bound to.
        case listenPort(UInt16)
        /// A STUN message that arrived on WireGuard's port.
        case datagram(Datagram)
        /// What the kernel says about the peers.
        case observed([PublicKey: PeerObservation])
        /// The user's wish: `false` takes the tunnel down and keeps it down.
        case setEnabled(Bool)
        /// `deadline` has come.
        case tick
    }

    public enum Effect: Sendable {
        /// Make the kernel agree with this. The newest wins; level-triggered. `nil`: remove everything of ours.
        case reconcile(DesiredState?)
        /// Seal and send through the signal server, in order.
        case signal(to: PublicKey, SignalMessage)
        /// Send from WireGuard's port.
        case send(Datagram)
        /// Something the core did not act on, and why; for the log, at level debug.
        case ignored(String)
    }
}
