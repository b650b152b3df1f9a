import Glibc
import MeshModel
import MeshProto

/// Where agents are told to reach this server.
enum PublicAddress: Sendable, Hashable, CustomStringConvertible {
    case fixed(HostPort)
    /// Wherever the agent reached us just now: it listens on all addresses, and some agents may know only one of them.
    case asReached(port: UInt16)

    /// What was configured, else the listen address.
    init(configured: HostPort?, listen: Endpoint) {
        if let configured {
            self = .fixed(configured)
        } else if listen.address.isUnspecified {
            self = .asReached(port: listen.port)
        } else {
            self = .fixed(HostPort(host: listen.address.description, port: listen.port))
        }
    }

    /// - Parameter localPeer: our side of the agent's connection, `ipv4:10.0.0.1:33073` or `ipv6:[::1]:33073`.
    /// - Returns: this host's name where that text is something else. Never nothing: stock agents crash on an answer
    ///   without a signal server (spec/wire/management.md A13.3).
    func address(localPeer: String) -> HostPort {
        address(local: Endpoint(String(localPeer.drop { $0 != ":" }.dropFirst())))
    }

    /// - Parameter local: our side of the agent's connection; `nil`: unknown.
    func address(local: Endpoint?) -> HostPort {
        switch self {
        case .fixed(let address): return address
        case .asReached(let port):
            guard let local else { return HostPort(host: Self.hostName, port: port) }
            // IPv4 connections to a socket on [::] come as ::ffff:a.b.c.d.
            return HostPort(host: local.address.unmapped.description, port: local.port)
        }
    }

    var description: String {
        switch self {
        case .fixed(let address): address.description
        case .asReached: "as reached"
        }
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0, name[0] != 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
