import MeshModel
import NIOCore

extension Endpoint {
    /// - Returns: `nil` for a socket that has no IP address, or one with a zone.
    init?(socketAddress: SocketAddress) {
        guard let address = socketAddress.ipAddress.flatMap({ IPAddress($0) }),
            let port = socketAddress.port.flatMap({ UInt16(exactly: $0) })
        else { return nil }
        self.init(address: address, port: port)
    }
}
