public import MeshModel

/// One change to the host's network; `link` is the name of our own link.
public enum HostOperation: Hashable, Sendable {
    /// Makes a link of kind wireguard, without its owner mark: the kernel takes that only afterwards.
    case createLink(LinkConfiguration)
    /// The owner mark.
    case setAlias(link: String, alias: String)
    case setMTU(link: String, mtuBytes: UInt32)
    case addAddress(link: String, IPPrefix)
    case removeAddress(link: String, IPPrefix)
    case setUp(link: String)
    case addRoute(link: String, RouteConfiguration)
    case removeRoute(link: String, RouteConfiguration)
    case removeLink(link: String)

    public enum Phase: Hashable, Sendable {
        /// Before WireGuard is programmed: the link itself.
        case link
        /// After it, so that no packet goes to an interface without peers: addresses, up, routes, and every removal.
        case network
    }

    public var phase: Phase {
        switch self {
        case .createLink, .setAlias, .setMTU: .link
        case .addAddress, .removeAddress, .setUp, .addRoute, .removeRoute, .removeLink: .network
        }
    }

    public var link: String {
        switch self {
        case .createLink(let configuration): configuration.name
        case .setAlias(let link, _), .setMTU(let link, _), .addAddress(let link, _), .removeAddress(let link, _),
            .setUp(let link), .addRoute(let link, _), .removeRoute(let link, _), .removeLink(let link):
            link
        }
    }
}

/// Commands of ip(8) that do the same.
extension HostOperation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .createLink(let link): "ip link add dev \(link.name) mtu \(link.mtuBytes) type wireguard"
        case .setAlias(let link, let alias): "ip link set dev \(link) alias \(alias)"
        case .setMTU(let link, let bytes): "ip link set dev \(link) mtu \(bytes)"
        case .addAddress(let link, let prefix):
            "ip address add \(prefix) dev \(link) noprefixroute" + (prefix.isV4 ? "" : " nodad")
        case .removeAddress(let link, let prefix): "ip address del \(prefix) dev \(link)"
        case .setUp(let link): "ip link set dev \(link) up"
        case .addRoute(let link, let route): "ip route add \(text(of: route, link: link))"
        case .removeRoute(let link, let route): "ip route del \(text(of: route, link: link))"
        case .removeLink(let link): "ip link del dev \(link)"
        }
    }

    private func text(of route: RouteConfiguration, link: String) -> String {
        let metric = route.metric == 0 ? "" : " metric \(route.metric)"
        return "\(route.destination) dev \(link) table \(route.table) proto \(route.routeProtocol)\(metric)"
    }
}
