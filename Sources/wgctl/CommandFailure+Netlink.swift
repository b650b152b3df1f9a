import MeshModel
import NetlinkWire

extension CommandFailure {
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
