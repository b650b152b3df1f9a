package import Routing
import Synchronization

/// A disk for the journal of settings.
package final class StoredJournal: Sendable {
    private let value = Mutex(SysctlJournal())

    package init() {}

    package var journal: SysctlJournal { value.withLock { $0 } }

    package func put(_ journal: SysctlJournal) { value.withLock { $0 = journal } }
}
