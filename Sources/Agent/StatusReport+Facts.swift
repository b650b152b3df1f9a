import AgentCore
import MeshModel

extension StatusReport {
    /// For `wgctl why` and `wgctl doctor`: a line each, words between tabs, the first of them says what it is.
    ///
    /// `key`, `own`, `interface`, `map`, `management`, `signal`, then `peer`, `route` and `access` for each of the map.
    package var facts: String {
        let map = core.mapStoredSeconds.map { ["stale", timeText($0)] } ?? [core.mapSerial == nil ? "none" : "fresh"]
        let own = core.own.map { own in [own.address, own.addressV6].compactMap { $0.map { "\($0)" } } } ?? []
        var lines = [
            ["key", core.publicKey.base64], ["own"] + own, ["interface", core.interfaceName], ["map"] + map,
            ["management", word(core.management), "\(management)"],
            ["signal", word(core.signalServer), signalServer.map { "\($0)" } ?? ""],
        ]
        lines += core.peers.map { peer in
            let path = peer.statusWord + (peer.lastError.map { ", \($0)" } ?? "")
            return ["peer", peer.publicKey.base64, peer.fqdn, path]
        }
        lines += core.mapRoutes.compactMap { route in
            route.prefix.map { ["route", "\($0)", route.routingPeer.base64, "\(route.metric)", route.networkID] }
        }
        lines += core.firewallRules.map { rule in
            let direction = rule.direction == .inbound ? "in" : "out"
            let ports =
                switch rule.ports {
                case .any: ""
                case .one(let port): "\(port)"
                case .range(let ports): "\(ports.lowerBound)-\(ports.upperBound)"
                }
            let transport = if case .number(let number) = rule.transport { "\(number)" } else { "\(rule.transport)" }
            return ["access", direction, "\(rule.action)", transport, ports, "\(rule.peer)", rule.policyID]
        }
        return lines.map { $0.map(withoutTabs).joined(separator: "\t") + "\n" }.joined()
    }

    private func withoutTabs(_ text: String) -> String {
        String(text.map { $0 == "\t" || $0.isNewline ? " " : $0 })
    }
}
