import Dispatch

/// Runs an actor's jobs one after the other on a dispatch queue of its own.
///
/// Netlink calls block (the kernel may hold its configuration lock for long); here they block a thread of Dispatch and
/// none of Swift's cooperative pool, which has only as many threads as the machine has cores.
final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) { queue = DispatchQueue(label: label) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
