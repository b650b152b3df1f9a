import Glibc
import MeshModel

/// A TCP socket that listens already: bound here, before anything else starts, so that a taken port is told plainly.
struct ListeningSocket {
    /// Ownership goes to whoever serves it.
    let descriptor: Int32
    /// What it is bound to; port 0 has become a real one.
    let endpoint: Endpoint

    /// - Throws: `ServerFailure`: `portTaken` if somebody listens there, `notPrivileged` for a port that needs root.
    init(on wanted: Endpoint) throws(ServerFailure) {
        let family = wanted.address.isV4 ? AF_INET : AF_INET6
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Self.nonBlocking | Self.closeOnExec, 0)
        guard descriptor >= 0 else {
            throw ServerFailure(.failure, "cannot open a TCP socket: \(describe(errno: errno))")
        }
        do throws(ServerFailure) {
            // Or a restart would wait a minute for the old connections' TIME_WAIT.
            try Self.set(SO_REUSEADDR, of: descriptor, level: SOL_SOCKET, to: 1)
            // [::] takes IPv4 as well, whatever the system's default is.
            if !wanted.address.isV4 { try Self.set(IPV6_V6ONLY, of: descriptor, level: Int32(IPPROTO_IPV6), to: 0) }
            try Self.bind(descriptor, to: wanted)
            guard listen(descriptor, SOMAXCONN) == 0 else { throw Self.failure(at: wanted, errno: errno) }
            let port = try Self.port(of: descriptor, isV4: wanted.address.isV4)
            self.descriptor = descriptor
            self.endpoint = Endpoint(address: wanted.address, port: port)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static let nonBlocking = Int32(SOCK_NONBLOCK.rawValue)
    private static let closeOnExec = Int32(SOCK_CLOEXEC.rawValue)

    private static func set(
        _ option: Int32,
        of descriptor: Int32,
        level: Int32,
        to value: Int32
    ) throws(ServerFailure) {
        var value = value
        guard setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw ServerFailure(.failure, "cannot set socket option \(option): \(describe(errno: errno))")
        }
    }

    private static func bind(_ descriptor: Int32, to endpoint: Endpoint) throws(ServerFailure) {
        let status: Int32
        if endpoint.address.isV4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: endpoint.address.bytes) }
            status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        } else {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = endpoint.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: endpoint.address.bytes) }
            status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        guard status == 0 else { throw failure(at: endpoint, errno: errno) }
    }

    private static func port(of descriptor: Int32, isV4: Bool) throws(ServerFailure) -> UInt16 {
        var address = sockaddr_in6()  // the port sits at the same place as in sockaddr_in
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else {
            throw ServerFailure(.failure, "cannot read the port of the listening socket: \(describe(errno: errno))")
        }
        return UInt16(bigEndian: address.sin6_port)
    }

    private static func failure(at endpoint: Endpoint, errno code: Int32) -> ServerFailure {
        switch code {
        case EADDRINUSE:
            ServerFailure(
                .portTaken,
                "TCP port \(endpoint) is in use; stop what listens there (ss -ltnp) or choose another with --listen"
            )
        case EADDRNOTAVAIL:
            ServerFailure(
                .failure,
                "this host has no address \(endpoint.address); choose one of its own with --listen"
            )
        case EACCES:
            ServerFailure(
                .notPrivileged,
                "no right to listen on \(endpoint); run as root or choose a port from 1024 on"
            )
        default:
            ServerFailure(.failure, "cannot listen on \(endpoint): \(describe(errno: code))")
        }
    }
}
