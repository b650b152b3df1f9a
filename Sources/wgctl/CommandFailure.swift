import MeshModel
import NetlinkWire

/// A failure with one line for the user and the exit status that names it.
///
/// As CommandLineSupport's, which would bring ArgumentParser and with it half of this program's size and start-up.
struct CommandFailure: Error, CustomStringConvertible {
    var status: ExitStatus
    /// One line: what is wrong, then what to do about it.
    var description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }

    /// The kernel's refusal, and what to do about it.
    init(_ error: NetlinkError, link: String) {
        if error.isNotPermitted {
            self.init(.notPrivileged, "\(error); it needs root: run it with sudo")
        } else if error.isNoSuchDevice {
            self.init(.failure, "there is no link \(link); `wgctl show interfaces` names them")
        } else if error.isNoSuchFamily {
            self.init(.noWireGuard, "the kernel has no WireGuard; load it with `modprobe wireguard`")
        } else if error.isNotSupported {
            self.init(
                .failure,
                "the link \(link) is not of kind wireguard; `wgctl show interfaces` names those that are"
            )
        } else {
            self.init(.failure, "\(error)")
        }
    }
}
