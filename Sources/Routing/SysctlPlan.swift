public import MeshModel

/// A value that one of the kernel's network settings must have.
public struct SysctlRequirement: Hashable, Sendable {
    /// Below `/proc/sys/net`.
    public var path: [String]
    public var value: String
    /// Only where the setting is one of these now; `nil`: whatever it is.
    public var replaces: Set<String>?

    public init(_ path: [String], _ value: String, replaces: Set<String>? = nil) {
        self.path = path
        self.value = value
        self.replaces = replaces
    }
}

/// What a state of the host needs of the kernel's settings, in the order to write them.
///
/// - Parameter links: every link of the host.
public func sysctlRequirements(of host: HostConfiguration, links: [LinkSnapshot]) -> [SysctlRequirement] {
    let others = links.filter { !$0.isLoopback && $0.name != host.link.name }.map(\.name).sorted()
    var requirements: [SysctlRequirement] = []
    if host.policy?.hasExitNode == true {
        // Answers to our marked packets are looked up with their mark, so that they are not taken for spoofed.
        requirements.append(SysctlRequirement(["ipv4", "conf", "all", "src_valid_mark"], "1"))
        // Strict filtering would drop all that comes in by another link than the tunnel. 2: loose (RFC 3704).
        requirements += (["all", "default"] + others).map {
            SysctlRequirement(["ipv4", "conf", $0, "rp_filter"], "2", replaces: ["1"])
        }
    }
    guard let gateway = host.gateway else { return requirements }
    if gateway.servesV4 { requirements.append(SysctlRequirement(["ipv4", "ip_forward"], "1")) }
    if gateway.servesV6 {
        // A host that forwards ignores router advertisements, and so would lose its own default route. 2: not these.
        requirements += (["default"] + others).map {
            SysctlRequirement(["ipv6", "conf", $0, "accept_ra"], "2", replaces: ["1"])
        }
        requirements.append(SysctlRequirement(["ipv6", "conf", "all", "forwarding"], "1"))
    }
    return requirements
}

/// What we wrote, and what was there before: kept on disk, so that it can be put back by another process after a crash.
public struct SysctlJournal: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        public var path: [String]
        public var old: String
        public var written: String

        public init(path: [String], old: String, written: String) {
            self.path = path
            self.old = old
            self.written = written
        }
    }

    /// In the order they were written.
    public private(set) var entries: [Entry]

    public init(entries: [Entry] = []) { self.entries = entries }

    public func entry(_ path: [String]) -> Entry? { entries.first { $0.path == path } }

    /// Keeps the value from before our first write.
    mutating func note(_ path: [String], old: String, written: String) {
        if let index = entries.firstIndex(where: { $0.path == path }) {
            entries[index].written = written
        } else {
            entries.append(Entry(path: path, old: old, written: written))
        }
    }

    mutating func forget(_ path: [String]) { entries.removeAll { $0.path == path } }
}

/// One line for each entry, its fields separated by tabs: path with slashes, value before ours, ours.
extension SysctlJournal {
    /// - Returns: `nil` for anything that `text` does not write.
    public init?(text: String) {
        entries = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3, entries.count < Self.maximumEntries else { return nil }
            let path = fields[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard !path.contains("") else { return nil }
            entries.append(Entry(path: path, old: fields[1], written: fields[2]))
        }
    }

    public var text: String {
        entries.map { "\($0.path.joined(separator: "/"))\t\($0.old)\t\($0.written)\n" }.joined()
    }

    /// Far more than a host has links.
    private static let maximumEntries = 10_000
}

/// One step with a setting. The journal is stored before a value is written, and after one is put back.
public enum SysctlChange: Hashable, Sendable, CustomStringConvertible {
    case write(SysctlRequirement)
    case restore(SysctlJournal.Entry)

    /// A command of sysctl(8) that does the same.
    public var description: String {
        switch self {
        case .write(let requirement): "sysctl -w net/\(requirement.path.joined(separator: "/"))=\(requirement.value)"
        case .restore(let entry): "sysctl -w net/\(entry.path.joined(separator: "/"))=\(entry.old)"
        }
    }
}

/// Lists what to write and what to put back, and gives the journal that belongs to it.
///
/// Pure. What somebody else has changed since we wrote it is theirs: it is written again while we need our value, and
/// left alone when we do not.
///
/// - Parameter current: the values of the settings that exist, of the required and the journal's ones.
public func plan(
    current: [[String]: String],
    required: [SysctlRequirement],
    journal: SysctlJournal
) -> (changes: [SysctlChange], journal: SysctlJournal) {
    var changes: [SysctlChange] = []
    var journal = journal
    let wanted = Set(required.map(\.path))
    for entry in journal.entries.reversed() where !wanted.contains(entry.path) {
        if current[entry.path] == entry.written { changes.append(.restore(entry)) }
        journal.forget(entry.path)
    }
    for requirement in required {
        guard let value = current[requirement.path], value != requirement.value,
            requirement.replaces?.contains(value) ?? true
        else { continue }
        changes.append(.write(requirement))
        journal.note(requirement.path, old: value, written: requirement.value)
    }
    return (changes, journal)
}
