import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing

/// Removes exactly what is ours when no agent runs: rules, routes, the link if it bears our mark, our nftables table, and
/// puts back the kernel's settings that the agent's journal names.
struct DirectRemoval {
    private let link: String
    private let marks: OwnerMarks
    private let journalPath: String

    /// - Parameters:
    ///   - instance: `nil`: the default instance.
    ///   - stateDirectory: the agent's; `nil`: where it is unless somebody moved it.
    init(link: String, instance: String?, stateDirectory: String?) {
        self.link = link
        marks = OwnerMarks(instance: instance)
        let standard = "/var/lib/wgmesh" + (instance.map { "/" + $0 } ?? "")
        journalPath = (stateDirectory ?? standard) + "/settings"
    }

    /// - Returns: a line that says what was done.
    /// - Throws: `CommandFailure`: `notPrivileged`, or `nameTaken` if the link is somebody else's.
    func run() async throws(CommandFailure) -> String {
        do throws(NetlinkError) {
            let host = HostNetwork(transport: try openNetlink())
            let removal = plan(
                current: try await host.snapshot(linkName: link),
                desired: nil,
                alias: marks.alias
            )
            if let conflict = removal.conflicts.first {
                throw NetlinkError(operation: "", code: EEXIST, detail: "\(conflict)")
            }
            let policy = plan(
                current: try await host.policySnapshot(table: marks.table),
                desired: nil,
                marks: marks
            )
            try await host.apply(policy.removals)
            try await host.apply(removal.operations)
            let hadTable = try await removeTable(host)
            let settings = try restoreSettings()
            guard removal.operations.isEmpty, policy.removals.isEmpty, !hadTable, settings == 0 else {
                return "removed the link \(link) and all else that is ours; no agent runs"
            }
            return "nothing to remove: no agent runs, and there is no link \(link)"
        } catch {
            if error.code == EEXIST, let conflict = error.detail { throw CommandFailure(.nameTaken, conflict) }
            throw CommandFailure(error, link: link)
        }
    }

    /// With netfilter where the kernel has it; without, it holds no table.
    private func openNetlink() throws(NetlinkError) -> MainThreadNetlinkSocket {
        do throws(NetlinkError) {
            return try MainThreadNetlinkSocket(withNetfilter: true)
        } catch {
            guard error.code == EPROTONOSUPPORT else { throw error }
            return try MainThreadNetlinkSocket()
        }
    }

    private func removeTable(_ host: HostNetwork<MainThreadNetlinkSocket>) async throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            guard try await host.nftablesTables().contains(where: { $0.name == marks.nftablesTable && marks.own($0) })
            else { return false }
        } catch {
            // A kernel without nf_tables.
            guard error.code == EOPNOTSUPP || error.code == EINVAL || error.code == EPROTONOSUPPORT else { throw error }
            return false
        }
        try await host.commit([.removeTable(marks.nftablesTable)])
        return true
    }

    /// - Returns: how many settings the journal named.
    private func restoreSettings() throws(NetlinkError) -> Int {
        // try?: there is no journal, or it is damaged; either way there is nothing that we could know.
        guard let bytes = try? readFile(journalPath), let text = String(validating: bytes, as: UTF8.self),
            let journal = SysctlJournal(text: text)
        else { return 0 }
        for entry in journal.entries.reversed() {
            guard let setting = Sysctl(entry.path) else { continue }
            do throws(NetlinkError) {
                _ = try setting.restore(entry.old, written: entry.written)
            } catch {
                // A link that is gone took its settings along.
                guard error.isAbsent || error.code == ENOENT else { throw error }
            }
        }
        if !journal.entries.isEmpty { truncate(journalPath, 0) }
        return journal.entries.count
    }
}
