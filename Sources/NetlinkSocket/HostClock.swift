import CNetlink

/// What the kernel says of its wall clock.
public enum HostClock {
    /// `nil`: it does not say. Source: adjtimex(2), `TIME_ERROR`.
    public static var isSynchronised: Bool? {
        switch CNetlink_isClockSynchronised() {
        case 0: false
        case 1...: true
        default: nil
        }
    }
}
