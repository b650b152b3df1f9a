import Glibc
import MeshModel

/// A UDP socket on a port that the kernel chose.
struct UDPSocket {
    let descriptor: Int32
    let local: Endpoint

    init(address: IPAddress) throws(DriverError) {
        let family = address.isV4 ? AF_INET : AF_INET6
        let descriptor = Glibc.socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw DriverError(reason: "cannot make a socket") }
        let bound = Self.withAddress(of: Endpoint(address: address, port: 0)) { bind(descriptor, $0, $1) }
        guard bound == 0 else { throw DriverError(reason: "cannot bind \(address)") }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let named = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard named == 0, let endpoint = Self.endpoint(storage) else {
            throw DriverError(reason: "cannot read the socket's address")
        }
        self.descriptor = descriptor
        local = endpoint
    }

    /// Best effort, as UDP is.
    func send(_ bytes: [UInt8], to remote: Endpoint) {
        _ = Self.withAddress(of: remote) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
    }

    /// - Returns: `nil`: there is none after all.
    func receive() -> (bytes: [UInt8], remote: Endpoint)? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        guard count >= 0, let remote = Self.endpoint(storage) else { return nil }
        return (Array(buffer[..<count]), remote)
    }

    private static func endpoint(_ storage: sockaddr_storage) -> Endpoint? {
        withUnsafeBytes(of: storage) { raw in
            let port = UInt16(raw[2]) << 8 | UInt16(raw[3])  // both families have it there
            let address = storage.ss_family == sa_family_t(AF_INET) ? raw[4..<8] : raw[8..<24]
            return IPAddress(bytes: address).map { Endpoint(address: $0, port: port) }
        }
    }

    private static func withAddress<Result>(
        of endpoint: Endpoint,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var storage = sockaddr_storage()
        let isV4 = endpoint.address.isV4
        storage.ss_family = sa_family_t(isV4 ? AF_INET : AF_INET6)
        withUnsafeMutableBytes(of: &storage) { raw in
            raw[2] = UInt8(endpoint.port >> 8)
            raw[3] = UInt8(endpoint.port & 255)
            for (offset, byte) in endpoint.address.bytes.enumerated() { raw[(isV4 ? 4 : 8) + offset] = byte }
        }
        let length = isV4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        return withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}
