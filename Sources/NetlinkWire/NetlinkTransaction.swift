/// Netfilter changes that the kernel makes all together or not at all.
public struct NetlinkTransaction: Hashable, Sendable {
    /// For errors and logs, such as `replace table inet wgmesh`.
    public var operation: String
    /// `NFNL_SUBSYS_*` of all changes.
    public var subsystem: UInt8
    /// The state of the subsystem that the changes were planned for; if it is no longer that, nothing is changed and
    /// the error is `ERESTART`. `nil`: whatever it is.
    public var generation: UInt32?
    /// In order; each with the target `.netfilter`.
    public var changes: [NetlinkRequest]

    public init(operation: String, subsystem: UInt8, generation: UInt32? = nil, changes: [NetlinkRequest]) {
        self.operation = operation
        self.subsystem = subsystem
        self.generation = generation
        self.changes = changes
    }
}
