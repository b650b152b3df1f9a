import MapCompiler
import MeshModel

/// What the server remembers. The seam to the database engine: everything above it speaks in records and snapshots.
///
/// Each call is one transaction. Every change that another peer can see raises the serial in the same transaction, so
/// that it never goes back, restarts included. Calls throw what the engine throws, and `RegistrationRefusal` or
/// `SelectionError` where that is said.
protocol Store: Sendable {
    /// One consistent snapshot of all that network maps are made of.
    func directory() async throws -> Directory

    /// A number that differs after any commit of any process: how the server notices what a command did beside it.
    func changeToken() async throws -> Int64

    /// - Returns: `nil` if no peer has that key.
    func peer(key: PublicKey) async throws -> PeerRecord?

    /// Sorted by name, then identifier.
    func peers() async throws -> [PeerRecord]

    /// Adds a peer with the next free addresses and name, and counts the use of its setup key.
    ///
    /// - Throws: `RegistrationRefusal`.
    func register(_ registration: PeerRegistration, atSeconds now: Int64) async throws -> PeerRecord

    /// Notes a login of a registered peer. An unknown identifier changes nothing.
    func recordLogin(
        of peerID: String,
        sshPublicKey: String,
        extraLabels: [String],
        atSeconds now: Int64
    ) async throws

    /// Replaces what the peer says about its host. An unknown identifier changes nothing.
    func update(_ meta: PeerMeta, of peerID: String) async throws

    /// Notes the start or end of the peer's newest stream. An unknown identifier changes nothing.
    func setConnected(_ isConnected: Bool, peerID: String, atSeconds now: Int64) async throws

    /// No stream survives a restart, so none is open when the server starts.
    func disconnectAll() async throws

    /// Unknown identifiers change nothing.
    ///
    /// - Returns: how many peers were deleted.
    func deletePeers(_ ids: [String]) async throws -> Int

    /// - Parameter selector: identifier, name or public key.
    /// - Throws: `SelectionError` unless exactly one peer matches.
    func deletePeer(matching selector: String) async throws -> PeerRecord

    /// Newest first.
    func setupKeys() async throws -> [SetupKeyRecord]

    func insert(_ setupKey: SetupKeyRecord) async throws

    /// - Parameter selector: identifier or name.
    /// - Throws: `SelectionError` unless exactly one key that is not revoked matches.
    func revokeSetupKey(matching selector: String) async throws -> SetupKeyRecord

    /// Sorted by name.
    func groups() async throws -> [StoredGroup]

    /// - Throws: `ChangeRefusal` if the name is taken.
    func createGroup(name: String) async throws -> StoredGroup

    /// - Parameter selector: identifier or name.
    /// - Throws: `SelectionError`; `ChangeRefusal` while something names the group.
    func deleteGroup(matching selector: String) async throws -> StoredGroup

    /// Puts a peer into a group or takes it out. What is so already changes nothing.
    ///
    /// - Throws: `SelectionError`; `ChangeRefusal` for the group of all peers.
    func setMember(_ peer: String, ofGroup group: String, to isMember: Bool) async throws -> StoredGroup

    /// Sorted by network identifier, then metric.
    func routes() async throws -> [StoredRoute]

    /// - Throws: `SelectionError` for its peers and groups; `ChangeRefusal`.
    func createRoute(_ change: RouteChange) async throws -> StoredRoute

    /// - Parameter selector: identifier or network identifier.
    /// - Throws: `SelectionError`; `ChangeRefusal`.
    func updateRoute(matching selector: String, _ change: RouteChange) async throws -> StoredRoute

    /// - Parameter selector: identifier or network identifier.
    /// - Throws: `SelectionError`.
    func deleteRoute(matching selector: String) async throws -> StoredRoute

    /// Sorted by name.
    func networks() async throws -> [StoredNetwork]

    /// - Throws: `ChangeRefusal` if the name is taken.
    func createNetwork(name: String) async throws -> StoredNetwork

    /// - Parameter selector: identifier or name, as in the four calls below.
    /// - Throws: `SelectionError`; `ChangeRefusal`, as these do.
    func deleteNetwork(matching selector: String) async throws -> StoredNetwork

    func addResource(_ request: ResourceRequest, toNetwork selector: String) async throws -> StoredNetwork

    /// - Parameter resource: identifier or name.
    func removeResource(_ resource: String, fromNetwork selector: String) async throws -> StoredNetwork

    func addRouter(_ request: RouterRequest, toNetwork selector: String) async throws -> StoredNetwork

    /// - Parameter router: identifier, or name of the peer.
    func removeRouter(_ router: String, fromNetwork selector: String) async throws -> StoredNetwork

    /// One consistent look at the rows, for the API.
    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Answer
    ) async throws -> Answer

    /// One transaction over the rows, for the API. What `body` throws undoes all of it.
    func write<Answer: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Answer
    ) async throws -> Answer
}

/// A group and the names of its members, sorted.
struct StoredGroup: Sendable {
    var record: GroupRecord
    var members: [String]
}

/// A route and the names of whom it concerns, sorted.
struct StoredRoute: Sendable {
    var record: RouteRecord
    /// `nil`: groups carry it.
    var routerName: String?
    var groups: [RouteGroupRecord.Role: [String]]
}

/// Why a change cannot be made; nothing of it was.
struct ChangeRefusal: Error, Hashable, CustomStringConvertible {
    var description: String
    /// There is such a thing already.
    var isConflict = false
}

/// A peer that asks to join with a setup key.
struct PeerRegistration: Sendable {
    var publicKey: PublicKey
    /// See `SetupKeySecret.hash(of:)`.
    var setupKeyHash: String
    /// A line of authorized_keys; empty: none.
    var sshPublicKey: String
    /// Further names; empty unless the setup key allows them.
    var extraLabels: [String] = []
    var meta: PeerMeta
}

/// Why a peer may not join.
enum RegistrationRefusal: Error, Hashable, CustomStringConvertible {
    /// `reason` is for the server's log: the peer is not told which.
    case setupKeyInvalid(reason: String)
    case alreadyRegistered
    case extraLabelsRefused
    /// The host name has no usable first label.
    case hostnameUnusable
    /// No free address was found, or the name that goes with it is taken.
    case addressesExhausted

    var description: String {
        switch self {
        case .setupKeyInvalid(let reason): "setup key is \(reason)"
        case .extraLabelsRefused: "the setup key of this peer allows no extra DNS labels"
        case .alreadyRegistered: "peer has been already registered"
        case .hostnameUnusable: "host name has no usable first label"
        case .addressesExhausted: "no free overlay address was found"
        }
    }
}

/// Why a selector of the command line names nothing.
enum SelectionError: Error, Hashable, CustomStringConvertible {
    case none(String)
    case several(String, ids: [String])

    var description: String {
        switch self {
        case .none(let text): "nothing matches \(text); list shows what there is"
        case .several(let text, let ids): "\(text) matches \(ids.joined(separator: ", ")); name one by its identifier"
        }
    }
}
