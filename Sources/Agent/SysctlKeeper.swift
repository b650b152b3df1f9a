import Glibc
package import NetlinkWire
import Routing
import NetlinkSocket

/// Reads and writes the kernel's network settings; tests give their own.
package protocol SysctlAccess: Sendable {
    /// - Returns: `nil`: there is no such setting here.
    func read(_ path: [String]) async throws(NetlinkError) -> String?
    func write(_ value: String, to path: [String]) async throws(NetlinkError)
}

/// Those of this process's network namespace.
package struct KernelSysctls: SysctlAccess {
    package init() {}

    package func read(_ path: [String]) throws(NetlinkError) -> String? {
        guard let setting = Sysctl(path) else { return nil }
        do throws(NetlinkError) {
            return try setting.read()
        } catch {
            // A link that has just gone, or a kernel without IPv6.
            guard error.isAbsent || error.code == ENOENT else { throw error }
            return nil
        }
    }

    package func write(_ value: String, to path: [String]) throws(NetlinkError) {
        guard let setting = Sysctl(path) else { return }
        _ = try setting.write(value)
    }
}

/// Keeps settings at the values we need, and puts back what was there before.
///
/// The journal is on disk before a value is written: after a crash at any moment the next process knows what to put back.
struct SysctlKeeper: Sendable {
    private let access: any SysctlAccess
    private let store: @Sendable (SysctlJournal) throws(AgentFailure) -> Void
    private var journal: SysctlJournal

    init(
        access: any SysctlAccess,
        journal: SysctlJournal,
        store: @escaping @Sendable (SysctlJournal) throws(AgentFailure) -> Void
    ) {
        self.access = access
        self.journal = journal
        self.store = store
    }

    /// What is to be done, without doing it.
    func changes(_ required: [SysctlRequirement]) async throws(NetlinkError) -> [SysctlChange] {
        plan(current: try await values(required), required: required, journal: journal).changes
    }

    /// - Returns: what was done.
    /// - Throws: `NetlinkError` of the first setting that could not be read or written, or the journal's.
    mutating func apply(_ required: [SysctlRequirement]) async throws(NetlinkError) -> [SysctlChange] {
        let (changes, next) = plan(current: try await values(required), required: required, journal: journal)
        guard !changes.isEmpty || next != journal else { return [] }
        // Until all is done the journal knows the old entries as well as the new ones.
        try save(SysctlJournal(entries: journal.entries + next.entries.filter { journal.entry($0.path) == nil }))
        for change in changes {
            switch change {
            case .write(let requirement): try await access.write(requirement.value, to: requirement.path)
            case .restore(let entry): try await access.write(entry.old, to: entry.path)
            }
        }
        try save(next)
        return changes
    }

    private mutating func save(_ next: SysctlJournal) throws(NetlinkError) {
        if next == journal { return }
        do throws(AgentFailure) {
            try store(next)
        } catch {
            throw NetlinkError(operation: "store the journal of settings", code: 0, detail: error.description)
        }
        journal = next
    }

    private func values(_ required: [SysctlRequirement]) async throws(NetlinkError) -> [[String]: String] {
        var values: [[String]: String] = [:]
        for path in required.map(\.path) + journal.entries.map(\.path) where values[path] == nil {
            values[path] = try await access.read(path)
        }
        return values
    }
}
