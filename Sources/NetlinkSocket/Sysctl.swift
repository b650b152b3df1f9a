import CNetlink
public import NetlinkWire

/// One network setting of the kernel: a file under `/proc/sys/net`. This file is the only one that reads and writes
/// them.
///
/// The files belong to the network namespace of the thread that opens them.
public struct Sysctl: Hashable, Sendable, CustomStringConvertible {
    /// Below `/proc/sys/net`, one name for each folder: a link may have a dot in its name, but no slash.
    public let path: [String]

    /// - Parameter path: such as `["ipv4", "conf", "wgm0", "rp_filter"]`.
    /// - Returns: `nil` for names that lead elsewhere: empty ones, `.`, `..`, or with a slash or NUL.
    public init?(_ path: [String]) {
        let isValid = path.allSatisfy { name in
            !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
        }
        guard isValid, !path.isEmpty else { return nil }
        self.path = path
    }

    /// A setting of one link, such as `rp_filter` of `ipv4` or `accept_ra` of `ipv6`.
    public init?(link: String, isV4: Bool, _ name: String) {
        guard isValidLinkName(link) else { return nil }
        self.init([isV4 ? "ipv4" : "ipv6", "conf", link, name])
    }

    /// The file.
    public var description: String { "/proc/sys/net/" + path.joined(separator: "/") }

    /// The value without the final line break.
    ///
    /// - Parameter namespace: the path of a network namespace; `nil`: that of the calling thread.
    /// - Throws: `NetlinkError`, `ENOENT` if the kernel or the link is not there.
    public func read(namespace: String? = nil) throws(NetlinkError) -> String {
        var buffer = [UInt8](repeating: 0, count: Self.limitBytes)
        let size = CNetlink_readFile(description, namespace, &buffer, buffer.count)
        guard size >= 0 else { throw NetlinkError(operation: "read \(self)", code: Int32(-size)) }
        var text = buffer.prefix(size)
        while text.last == UInt8(ascii: "\n") { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }

    /// Writes a value, unless it is there already.
    ///
    /// - Returns: what to note in a journal *before* the next change: the value until now; `nil`: it was there already,
    ///   and is nobody's to restore.
    /// - Throws: `NetlinkError`, `ENOENT` as `read`, `EINVAL` for a value the kernel does not take, `EPERM` or `EACCES`
    ///   without the privilege, `EROFS` where `/proc/sys` is read-only.
    public func write(_ value: String, namespace: String? = nil) throws(NetlinkError) -> String? {
        let old = try read(namespace: namespace)
        if old == value { return nil }
        let bytes = Array(value.utf8)
        let code = CNetlink_writeFile(description, namespace, bytes, bytes.count)
        if code != 0 { throw NetlinkError(operation: "write \(value) to \(self)", code: code) }
        return old
    }

    /// Puts `old` back where the value is still the one that we wrote.
    ///
    /// - Returns: `false`: somebody else has changed it since, and it stays.
    /// - Throws: `NetlinkError` as `write`.
    public func restore(_ old: String, written: String, namespace: String? = nil) throws(NetlinkError) -> Bool {
        guard try read(namespace: namespace) == written else { return false }
        _ = try write(old, namespace: namespace)
        return true
    }

    /// The longest values under `/proc/sys/net` are lists of ports.
    private static let limitBytes = 4096
}
