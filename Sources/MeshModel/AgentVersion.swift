/// The version that an agent reports, as far as the protocol depends on it.
///
/// Development builds count as newer than any release, texts that are no version as older.
/// Source: spec/wire/management.md A4.2.
public enum AgentVersion: Hashable, Sendable, Comparable {
    case unknown
    case release(major: Int, minor: Int, patch: Int)
    case development

    /// Total: `0.60.1`, `v0.60.1`, `0.60.1-rc.2` (as 0.60.1), `development`, `dev-...`, `ci-...`; all else is `unknown`.
    public init(_ text: String) {
        if text == "development" || text.hasPrefix("dev-") || text.hasPrefix("ci-") {
            self = .development
            return
        }
        let digits = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let core = digits.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            part.utf8.allSatisfy { 0x30...0x39 ~= $0 } ? Int(part) : nil
        }
        guard parts.count == 3, numbers.count == 3 else {
            self = .unknown
            return
        }
        self = .release(major: numbers[0], minor: numbers[1], patch: numbers[2])
    }

    public static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.release(let major, let minor, let patch), .release(let otherMajor, let otherMinor, let otherPatch)):
            (major, minor, patch) < (otherMajor, otherMinor, otherPatch)
        default: a.rank < b.rank
        }
    }

    private var rank: Int {
        switch self {
        case .unknown: 0
        case .release: 1
        case .development: 2
        }
    }

    /// Before it, agents read the peers from the top level of SyncResponse.
    public static let networkMapPeers = release(major: 0, minor: 29, patch: 3)
    /// First to understand port ranges in firewall rules.
    public static let portRanges = release(major: 0, minor: 48, patch: 0)
    /// First to forward DNS on port 22054.
    public static let forwarderPort = release(major: 0, minor: 59, patch: 0)
    /// First with an SSH server of its own on port 22022.
    public static let nativeSSH = release(major: 0, minor: 60, patch: 0)
}
