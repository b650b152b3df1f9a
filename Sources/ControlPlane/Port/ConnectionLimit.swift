import Glibc

/// Raises this process's limit of open files as far as it may go.
///
/// - Returns: how many connections that leaves, beside the files that the server itself needs.
func raiseConnectionLimit() -> Int {
    let reserve = 128
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 - reserve }
    limit.rlim_cur = limit.rlim_max
    // Refused: the limit stays as it is, and is read again below.
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return max(64, Int(clamping: limit.rlim_cur) - reserve)
}
