public import MeshModel

/// State of one of the agent's connections to the control plane.
public enum ConnectionState: Hashable, Sendable {
    case disconnected(reason: String)
    case connecting
    case connected
}

/// What `wgctl status` shows: a snapshot of everything the core knows.
public struct AgentStatus: Hashable, Sendable {
    public var isEnabled: Bool
    /// Why the control plane does not know this agent any more; `nil`: it does.
    public var deregistration: String?
    /// `nil` until the control plane has said so.
    public var own: SelfConfiguration?
    public var publicKey: PublicKey
    public var interfaceName: String
    /// 0 until the kernel has said so.
    public var listenPort: UInt16
    public var management: ConnectionState
    public var signalServer: ConnectionState
    /// Of the relay that we can be reached at; `nil`: the mesh has none.
    public var relay: ConnectionState?
    /// Its URL.
    public var relayServer: String?
    /// Serial of the map in force; `nil` before the first one.
    public var mapSerial: UInt64?
    /// When the map in force came, seconds since 1970, if it is the stored one of an earlier run; `nil`: it is fresh.
    public var mapStoredSeconds: Int64?
    /// Of the map in force, not all of them used.
    public var mapRoutes: [NetworkRoute] = []
    /// Of the map in force.
    public var firewallRules: [FirewallRule] = []
    /// Sorted by overlay address.
    public var peers: [PeerStatus]
    public var routes = RouteStatus()
}

/// What `wgctl status` shows of one peer.
public struct PeerStatus: Hashable, Sendable {
    public enum Path: Hashable, Sendable {
        /// No offer answered yet.
        case idle
        /// No traffic: the next packet wakes it.
        case sleeping
        /// Candidates are being tried.
        case connecting
        /// The pair that carries the traffic.
        case direct(
            local: Endpoint,
            localKind: RemoteCandidate.Kind,
            remote: Endpoint,
            remoteKind: RemoteCandidate.Kind
        )
        /// Over a relay server, named by its URL.
        case relayed(server: String)
        /// ICE says nothing, yet the kernel's session is alive at this endpoint.
        case kernelSession(Endpoint)
    }

    public var publicKey: PublicKey
    public var fqdn: String
    public var agentVersion: String
    public var allowedIPs: [IPPrefix]
    public var path: Path
    /// `nil` before the first check was answered.
    public var roundTrip: Duration?
    public var observed: PeerObservation?
    /// Why the last attempt failed; `nil` if none did.
    public var lastError: String?
}
