import GRDB
import MeshModel

/// One registered peer.
struct PeerRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "peer"

    var id: String
    /// Base64.
    var publicKey: String
    var addressV4: String
    /// `nil`: the peer cannot do IPv6 in the overlay.
    var addressV6: String?
    /// The host name given at registration; later ones do not change it. Source: spec/server/domain-model.md 4.
    var name: String
    /// First part of its name in the mesh, fixed at registration.
    var dnsLabel: String
    /// A line of authorized_keys; empty: none.
    var sshPublicKey: String
    /// Goes ten minutes after its last stream ended.
    var isEphemeral: Bool
    /// Stored as JSON.
    var meta: PeerMeta
    var createdAtSeconds: Int64
    var lastLoginSeconds: Int64
    /// Start or end of its newest Sync stream.
    var lastSeenSeconds: Int64
    /// Whether a Sync stream is open; meaningless while no server runs.
    var isConnected: Bool
    /// The administrator wants an SSH server on it.
    var isSSHEnabled = false
    /// As its setup key said.
    var allowsExtraLabels = false
    /// Stored as JSON.
    var extraLabels: [String] = []
}

/// Membership of one peer in one group.
struct PeerGroupMemberRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "peerGroupMember"

    var groupID: String
    var peerID: String
}
