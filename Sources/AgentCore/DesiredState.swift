public import MeshModel

/// What the kernel should hold: one value, compared with what it does hold.
public struct DesiredState: Hashable, Sendable {
    public var host: HostConfiguration
    public var device: DeviceConfiguration

    public init(host: HostConfiguration, device: DeviceConfiguration) {
        self.host = host
        self.device = device
    }
}
