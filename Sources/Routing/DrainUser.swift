public import MeshModel
import NetlinkWire

/// A peer that sent packets through this gateway while it was being drained.
public struct DrainUser: Hashable, Sendable {
    /// Its overlay address.
    public var address: IPAddress
    /// Since its last packet; at most `memory`.
    public var idle: Duration

    public init(address: IPAddress, idle: Duration) {
        self.address = address
        self.idle = idle
    }

    /// The sets that the rules of our table keep.
    static let setV4 = "drain_users"
    static let setV6 = "drain_users6"
    /// For how long a peer is remembered that sends nothing any more: 10 minutes, for whoever looks at it meanwhile.
    static let memoryMilliseconds: UInt64 = 600_000
    /// More peers than a mesh has; the kernel allocates as they come.
    static let limit: UInt32 = 65_536
}

extension NftablesRuleset {
    /// Who used this gateway since it is being drained; sorted, latest first.
    public var drainUsers: [DrainUser] {
        let elements = elements(of: DrainUser.setV4) + elements(of: DrainUser.setV6)
        let users = elements.compactMap { element -> DrainUser? in
            guard let address = IPAddress(bytes: element.key), let left = element.expiresInMilliseconds else {
                return nil
            }
            let memory = DrainUser.memoryMilliseconds
            return DrainUser(address: address, idle: .milliseconds(Int64(memory - min(memory, left))))
        }
        return users.sorted { ($0.idle, $0.address) < ($1.idle, $1.address) }
    }
}
