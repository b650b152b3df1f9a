import CNetlink

/// `nlmsg_flags` of a request. `NLM_F_REQUEST` is not here: the transport sets it on every request.
public struct NetlinkFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Every object instead of one.
    public static let dump = NetlinkFlags(rawValue: UInt16(NLM_F_DUMP))
    /// Make the object if it is absent.
    public static let create = NetlinkFlags(rawValue: UInt16(NLM_F_CREATE))
    /// Fail with `EEXIST` if it is present.
    public static let exclusive = NetlinkFlags(rawValue: UInt16(NLM_F_EXCL))
    /// Overwrite it if it is present.
    public static let replace = NetlinkFlags(rawValue: UInt16(NLM_F_REPLACE))
    /// Put it behind those that are there.
    public static let append = NetlinkFlags(rawValue: UInt16(NLM_F_APPEND))
}
