import AgentCore
import Glibc
package import MeshModel
import NetlinkWire

/// Why the agent cannot start or go on: one line for the user and the exit status that names it.
package struct AgentFailure: Error, Hashable, CustomStringConvertible {
    package var status: ExitStatus
    /// One line: what is wrong, then what to do about it.
    package var description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

/// The system's own words for `errno`, as `strerror` has them.
func errorText(_ errno: Int32) -> String { String(cString: strerror(errno)) }

extension AgentFailure {
    /// The kernel's refusal as one line that says what to do.
    ///
    /// - Parameter desired: what was wanted, for the port's number; `nil`: nothing was to be set.
    init(kernel error: NetlinkError, desired: DesiredState?) {
        switch error.code {
        case EEXIST where error.detail?.contains("is not ours") == true:
            self.init(.nameTaken, error.detail ?? error.description)
        case ENOENT where error.operation.hasPrefix("nft "), EOPNOTSUPP where error.operation.contains("nftables"):
            let remedy = "modprobe nf_tables nft_chain_nat nft_ct"
            self.init(.failure, "this kernel lacks a part of nf_tables (\(error)): \(remedy)")
        case ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT:
            self.init(
                .noWireGuard,
                "this kernel has no WireGuard (\(error)): load the module (modprobe wireguard) or install a kernel with it"
            )
        case EPERM, EACCES:
            self.init(.notPrivileged, "\(error): run as root or with CAP_NET_ADMIN")
        case EADDRINUSE:
            self.init(.portTaken, portTakenText(desired?.device.listenPort ?? 0))
        default:
            self.init(.failure, error.description)
        }
    }
}

func portTakenText(_ port: UInt16) -> String {
    "UDP port \(port) is in use by another program: stop it (ss -lunp shows it), or choose another --listen-port"
}
