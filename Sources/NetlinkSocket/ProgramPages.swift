import CNetlink

/// The program's own files in this process's memory.
public enum ProgramPages {
    /// Takes the pages that were only read out of the resident set: most are needed by the start and never again. Those that
    /// are come back from the page cache. Source: madvise(2), `MADV_DONTNEED` of a private file mapping.
    public static func release() { CNetlink_releaseProgramPages() }

    /// The kernel gives this process no huge pages from now on: one for the stack of a thread that sleeps is 2 MiB.
    public static func avoidHugePages() {
        // A kernel that cannot be asked has none, or wastes what it did before.
        _ = CNetlink_disableHugePages()
    }
}
