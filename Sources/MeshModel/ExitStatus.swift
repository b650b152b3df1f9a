/// Exit status of every wgmesh program. 0 to 6 are the same for all; from 10 on, each names one thing to repair.
public enum ExitStatus: Int32, Sendable {
    case success = 0
    case failure = 1
    case usage = 2
    /// The daemon's socket does not answer.
    case daemonUnreachable = 3
    /// The agent has no valid registration.
    case notLoggedIn = 4
    /// It runs, but not everything it should do works.
    case degraded = 5
    case refusedByPolicy = 6
    /// Root or `CAP_NET_ADMIN` is needed.
    case notPrivileged = 10
    /// The kernel has no WireGuard.
    case noWireGuard = 11
    /// The UDP or TCP port is in use.
    case portTaken = 12
    /// A file in the state directory cannot be read as what it should be.
    case stateDamaged = 13
    /// The server's database cannot be read as one.
    case databaseDamaged = 14
    /// The setup key is wrong, expired, used up or revoked.
    case setupKeyRefused = 15
    /// Another instance holds the lock of the state directory.
    case alreadyRunning = 16
    /// A link of that name exists and is not ours.
    case nameTaken = 17
}
