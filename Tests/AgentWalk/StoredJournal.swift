import Routing
import Synchronization

/// A disk for the journal of settings.
final class StoredJournal: Sendable {
    private let value = Mutex(SysctlJournal())

    var journal: SysctlJournal { value.withLock { $0 } }

    func put(_ journal: SysctlJournal) { value.withLock { $0 = journal } }
}
