import CNetlink
import MeshModel
public import NetlinkWire

/// Reads and changes one kernel WireGuard interface.
public struct WireGuardDevice<Transport: NetlinkTransport>: Sendable {
    public let name: String
    private let transport: Transport

    public init(name: String, transport: Transport) {
        self.name = name
        self.transport = transport
    }

    /// Everything the kernel holds for the interface.
    ///
    /// - Throws: `NetlinkError`: `ENODEV` if there is no such link, `EOPNOTSUPP` if it is no WireGuard, `EPERM` without
    ///   `CAP_NET_ADMIN`, `ENOENT` if the kernel has no WireGuard, `EINVAL` for what no link can be called.
    public func snapshot() async throws(NetlinkError) -> DeviceSnapshot {
        let operation = "read \(name)"
        try checkName(operation)
        var attributes = AttributeEncoder()
        attributes.append(WireGuardFamily.Device.name, string: name)
        let target = Self.target(command: WireGuardFamily.getDevice)
        let request = NetlinkRequest(operation: operation, target: target, flags: .dump, payload: attributes.bytes)
        let device = try await transport.gather(request, into: DeviceSnapshot(name: "", index: 0)) {
            device,
            message throws(DecodeError) in
            try device.add(message)
        }
        do throws(DecodeError) {
            return try device.checked()
        } catch {
            throw NetlinkError(operation: operation, malformed: error)
        }
    }

    /// Applies `operations` in order, in as few messages as they fit.
    ///
    /// - Throws: `NetlinkError`: `ENODEV` if the link is gone, `EPERM` without `CAP_NET_ADMIN`, `EADDRINUSE` if the listen
    ///   port is taken (while the link is down, switching it on says so instead). Some operations may have been applied by then: read the device again.
    public func apply(_ operations: some Sequence<DeviceOperation>) async throws(NetlinkError) {
        let operation = "set \(name)"
        try checkName(operation)
        let budgetBytes = DeviceOperation.defaultBudgetBytes
        var messages = DeviceMessages(interface: name, budgetBytes: budgetBytes)
        defer { messages.wipe() }
        // Each message goes as soon as it is full: all of them together are megabytes.
        for change in operations {
            messages.append(change)
            if messages.hasFinished {
                var finished = messages.takeFinished()
                try await send(&finished, operation)
            }
        }
        messages.endMessage()
        var last = messages.takeFinished()
        try await send(&last, operation)
    }

    /// - Parameter messages: overwritten, whatever becomes of them: they may hold keys. Nobody else may hold them.
    private func send(_ messages: inout [[UInt8]], _ operation: String) async throws(NetlinkError) {
        defer { for index in messages.indices { messages[index].wipe() } }
        let target = Self.target(command: WireGuardFamily.setDevice)
        let names = WireGuardFamily.attributeNames
        for attributes in messages {
            _ = try await transport.execute(
                NetlinkRequest(operation: operation, target: target, payload: attributes, names: names)
            )
        }
    }

    private func checkName(_ operation: String) throws(NetlinkError) {
        guard isValidLinkName(name) else { throw NetlinkError(operation: operation, code: EINVAL) }
    }

    private static func target(command: UInt8) -> NetlinkRequest.Target {
        .generic(family: WireGuardFamily.name, command: command, version: WireGuardFamily.version)
    }
}
