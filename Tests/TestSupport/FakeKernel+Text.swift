import CNetlink
import MeshModel
import Routing
import WGKernel

/// The state as people read it, for assertions: independent of the order of creation, secrets as `(hidden)`.
extension FakeKernel {
    /// Like `wg show NAME`, without counters; peers sorted by key.
    public func wgText(_ name: String) -> String {
        guard let device = devices[name] else { return "no device \(name)" }
        var lines = ["interface: \(name)"]
        if let key = device.privateKey { lines.append("  private key: \(key)") }
        if device.listenPort != 0 { lines.append("  listening port: \(device.listenPort)") }
        if device.fwmark != 0 { lines.append("  fwmark: 0x\(String(device.fwmark, radix: 16))") }
        for peer in device.peers.sorted(by: { $0.publicKey < $1.publicKey }) {
            lines.append("peer: \(peer.publicKey)")
            if let key = peer.presharedKey { lines.append("  preshared key: \(key)") }
            if let endpoint = peer.endpoint { lines.append("  endpoint: \(endpoint)") }
            let list = peer.allowedIPs.sorted().map(\.description).joined(separator: ", ")
            lines.append("  allowed ips: \(list.isEmpty ? "(none)" : list)")
            if peer.persistentKeepaliveSeconds != 0 {
                lines.append("  persistent keepalive: every \(peer.persistentKeepaliveSeconds) seconds")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Like `ip link`, `ip address` and `ip route show table all`, one object a line, without `lo`.
    public func ipText() -> String {
        let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        let linkLines = links.filter { !$0.isLoopback }.map { link in
            "link \(link.name) mtu \(link.mtuBytes) \(link.isUp ? "up" : "down") kind \(link.kind ?? "-")"
                + " alias \(link.alias ?? "-") group \(link.group)"
        }
        let addressLines = addresses.map { "address \($0.prefix) dev \(names[$0.linkIndex] ?? "-")" }
        let routeLines = routes.map { route in
            "route \(route.destination) dev \(route.linkIndex.flatMap { names[$0] } ?? "-") table \(route.table)"
                + " proto \(route.routeProtocol) metric \(route.metric)"
        }
        return (linkLines.sorted() + addressLines.sorted() + routeLines.sorted()).joined(separator: "\n")
    }
}

extension FakeKernel {
    /// Rules and guards as bytes, and the names of nftables tables with the number of their objects.
    public func policyText() -> String {
        let tables = nftables.filter { $0.type == NFT_MSG_NEWTABLE.rawValue }.map { table in
            let name = String(decoding: table.table.dropFirst().prefix { $0 != 0 }, as: UTF8.self)
            return "table inet \(name): \(nftables.count { $0.table == table.table }) objects"
        }
        return (rules.map { "rule \($0)" }.sorted() + guards.map { "guard \($0)" }.sorted() + tables)
            .joined(separator: "\n")
    }
}
