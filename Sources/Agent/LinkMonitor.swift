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

    /// Sorted, without duplicates. Empty while the host has no usable address.
    package static func candidateAddresses(of host: HostSnapshot) -> [IPAddress] {
        let indices = indices(of: host)
        let addresses = host.addresses.filter { address in
            indices.contains(address.linkIndex) && !address.isUnusable && !address.isDeprecated
        }
        return Set(addresses.map(\.prefix.address).filter(isUsable)).sorted()
    }

    /// The networks of the links that carry those addresses; ours, other tunnels and containers' are not among them.
    package static func localNetworks(of host: HostSnapshot) -> Set<IPPrefix> {
        let indices = indices(of: host)
        let networks = host.addresses.filter { indices.contains($0.linkIndex) }.map(\.prefix)
        return Set(networks.filter { isUsable($0.address) && !$0.isHost }.map(\.network))
    }

    private static func indices(of host: HostSnapshot) -> Set<UInt32> {
        let links = host.links.filter { link in
            link.isUp && !link.isLoopback && link.name != host.linkName && link.kind != "wireguard"
                && !excludedNamePrefixes.contains { link.name.hasPrefix($0) }
        }
        return Set(links.map(\.index))
    }

    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isLoopback && !address.isLinkLocal && !address.isMulticast && !address.isUnspecified
    }
}
