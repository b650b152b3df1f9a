package import MeshModel
package import Routing

/// Which of the host's addresses may serve as ICE host candidates.
package enum LinkMonitor {
    /// Interfaces of other overlays, containers and virtual machines: their addresses lead nowhere, or back into a tunnel.
    ///
    /// Source: spec/agent/cli-and-status.md section 4, default interface blacklist.
    private static let excludedNamePrefixes = [
        "lo", "wt", "utun", "tun0", "zt", "ZeroTier", "wg", "ts", "Tailscale", "tailscale", "docker", "veth", "br-",
    ]

    /// Sorted by address, each once, with the name of its link. Empty while the host has no usable address.
    ///
    /// - Parameter blocklist: beginnings of names of further links that are none of the mesh's business.
    package static func candidateAddresses(
        of host: HostSnapshot,
        blocklist: [String] = []
    ) -> [(address: IPAddress, link: String)] {
        let links = links(of: host).filter { _, name in !blocklist.contains { name.hasPrefix($0) } }
        var found: [IPAddress: String] = [:]
        for address in host.addresses where !address.isUnusable && !address.isDeprecated {
            guard let link = links[address.linkIndex], isUsable(address.prefix.address) else { continue }
            found[address.prefix.address] = min(found[address.prefix.address] ?? link, link)
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The networks of the links that could carry candidates, those of the user's block list among them; ours, other tunnels
    /// and containers' are not.
    package static func localNetworks(of host: HostSnapshot) -> Set<IPPrefix> {
        let links = links(of: host)
        let networks = host.addresses.filter { links[$0.linkIndex] != nil }.map(\.prefix)
        return Set(networks.filter { isUsable($0.address) && !$0.isHost }.map(\.network))
    }

    /// Names by index.
    private static func links(of host: HostSnapshot) -> [UInt32: String] {
        let links = host.links.filter { link in
            link.isUp && !link.isLoopback && link.name != host.linkName && link.kind != "wireguard"
                && !excludedNamePrefixes.contains { link.name.hasPrefix($0) }
        }
        return Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
    }

    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isLoopback && !address.isLinkLocal && !address.isMulticast && !address.isUnspecified
    }
}
