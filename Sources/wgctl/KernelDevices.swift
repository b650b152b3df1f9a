import Glibc
import NetlinkSocket
import NetlinkWire
import Routing
import WGKernel
import WGTool

/// The WireGuard interfaces of this network namespace.
struct KernelDevices {
    private let transport: MainThreadNetlinkSocket

    /// - Throws: `NetlinkError` if the kernel has no netlink.
    init() throws(NetlinkError) { transport = try MainThreadNetlinkSocket() }

    /// In the kernel's order.
    func names() async throws(NetlinkError) -> [String] {
        try await HostNetwork(transport: transport).wireGuardLinkNames()
    }

    func snapshot(of name: String) async throws(NetlinkError) -> DeviceSnapshot {
        do throws(NetlinkError) {
            return try await WireGuardDevice(name: name, transport: transport).snapshot()
        } catch {
            throw error.asWG(name: name, tooLongName: EINVAL)
        }
    }

    /// Also where there is nothing to change, the link must be there and a WireGuard.
    func apply(_ operations: some Sequence<DeviceOperation>, to name: String) async throws(NetlinkError) {
        do throws(NetlinkError) {
            let device = WireGuardDevice(name: name, transport: transport)
            if operations.contains(where: { _ in true }) {
                try await device.apply(operations)
            } else {
                _ = try await device.snapshot()
            }
        } catch {
            throw error.asWG(name: name, tooLongName: ENODEV)
        }
    }

    /// Applies a change, by replacing lists where the kernel cannot take single allowed IPs away.
    func apply(_ change: DeviceChange, to name: String) async throws(NetlinkError) {
        do throws(NetlinkError) {
            try await apply(change.operations, to: name)
        } catch {
            // Kernels before 6.16 refuse the attribute, before they change the peer.
            guard error.code == EINVAL, change.removesSingleAllowedIPs else { throw error }
            let current = try await snapshot(of: name)
            try await apply(current.withoutSingleRemovals(change).operations, to: name)
        }
    }

    /// For the scopes of link-local endpoints.
    static func linkName(_ index: UInt32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            return if_indextoname(index, base).map { String(cString: $0) }
        }
    }
}

extension NetlinkError {
    /// The code that wg(8) reports in the same place.
    ///
    /// - Parameter tooLongName: for a name that no link can have because of its length; wg(8) cuts it when it writes.
    fileprivate func asWG(name: String, tooLongName: Int32) -> NetlinkError {
        var error = self
        if code == ENOENT { error.code = EPROTONOSUPPORT }  // A kernel without the family.
        if code == EINVAL, !isValidLinkName(name) {
            error.code = name.utf8.count >= Int(IF_NAMESIZE) ? tooLongName : ENODEV
        }
        return error
    }
}
