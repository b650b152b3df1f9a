import AgentCore
import Glibc
import MeshModel

extension StatusReport {
    /// For people: a block per peer, then the summary, then what is wrong.
    package var text: String {
        var lines: [String] = []
        if !core.peers.isEmpty {
            lines.append("Peers detail:")
            for peer in core.peers { lines += block(peer) + [""] }
        }
        lines += [
            "Agent version: \(version)",
            "Management: \(word(core.management)) (\(management))",
            "Signal: \(word(core.signalServer))" + (signalServer.map { " (\($0))" } ?? ""),
            "Relay: \(core.relay.map(word) ?? "none")" + (core.relayServer.map { " (\($0))" } ?? ""),
            "FQDN: \(core.own?.fqdn ?? "-")",
            "Overlay IP: \(core.own.map { "\($0.address)" } ?? "-")",
        ]
        if let v6 = core.own?.addressV6 { lines.append("Overlay IPv6: \(v6)") }
        lines += [
            "Public key: \(core.publicKey)",
            "Interface: \(core.interfaceName) (kernel)",
            "WireGuard port: \(core.listenPort == 0 ? "-" : "\(core.listenPort)")",
            "Tunnel: \(core.isEnabled ? "up" : "down (by wgctl down)")",
            "Map serial: \(core.mapSerial.map { "\($0)" } ?? "-")",
            "Map: \(core.mapStoredSeconds.map { "stale since \(timeText($0)) (stored)" } ?? (core.mapSerial == nil ? "-" : "fresh"))",
            "Peers count: \(connectedPeers)/\(core.peers.count) Connected",
        ]
        lines += RouteReport(routes: core.routes).statusLines
        if let serving {
            let count = serving.networks == 1 ? "1 network" : "\(serving.networks) networks"
            let verdict = serving.problems.isEmpty ? "ok" : "with problems"
            lines.append("Serving: \(count), \(verdict)" + (serving.isDraining ? ", draining (wgctl drain)" : ""))
        }
        if let last = repairs.lastAtSeconds {
            lines.append(
                "Repairs: \(repairs.total), last \(ago(last)): \(repairs.lastChanges.first ?? "-")"
                    + (repairs.lastChanges.count > 1 ? " and \(repairs.lastChanges.count - 1) more" : "")
            )
        }
        lines += problems.map { "Problem: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    func block(_ peer: PeerStatus) -> [String] {
        var kinds = "-/-"
        var endpoints = "-/-"
        switch peer.path {
        case .direct(let local, let localKind, let remote, let remoteKind):
            kinds = "\(localKind.rawValue)/\(remoteKind.rawValue)"
            endpoints = "\(local)/\(remote)"
        case .kernelSession(let remote): endpoints = "-/\(remote)"
        case .idle, .sleeping, .connecting, .relayed: break
        }
        var lines = [
            " \(peer.fqdn):",
            "  Overlay IPs: \(peer.allowedIPs.map { $0.isHost ? "\($0.address)" : "\($0)" }.joined(separator: ", "))",
            "  Public key: \(peer.publicKey)",
            "  Status: \(peer.statusWord)",
            "  Connection type: \(peer.connectionType)",
            "  ICE candidate (Local/Remote): \(kinds)",
            "  ICE candidate endpoints (Local/Remote): \(endpoints)",
            "  Relay server: \(peer.relayServer.isEmpty ? "-" : peer.relayServer)",
            "  Kernel endpoint: \(peer.observed?.endpoint.map { "\($0)" } ?? "-")",
            "  Last WireGuard handshake: \(ago(peer.observed?.latestHandshakeSeconds ?? 0))",
            "  Transfer status (received/sent): "
                + "\(size(peer.observed?.receivedBytes ?? 0))/\(size(peer.observed?.sentBytes ?? 0))",
            "  Latency: \(peer.roundTrip.map(milliseconds) ?? "-")",
            "  Agent version: \(peer.agentVersion.isEmpty ? "-" : peer.agentVersion)",
        ]
        if let error = peer.lastError { lines.append("  Last error: \(error)") }
        return lines
    }

    /// - Parameter seconds: since 1970; 0: never.
    private func ago(_ seconds: Int64) -> String {
        guard seconds > 0 else { return "-" }
        let age = nowSeconds - seconds
        guard age > 0 else { return "now" }
        let (minutes, rest) = (age / 60, age % 60)
        return minutes == 0 ? "\(rest) seconds ago" : "\(minutes) minutes, \(rest) seconds ago"
    }

    /// IEC units, one decimal.
    private func size(_ bytes: UInt64) -> String {
        guard bytes >= 1024 else { return "\(bytes) B" }
        var value = Double(bytes) / 1024
        var units = ["KiB", "MiB", "GiB", "TiB"][...]
        while value >= 1024, units.count > 1 {
            value /= 1024
            units = units.dropFirst()
        }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[units.startIndex])"
    }
}

/// UTC, as RFC 3339 writes it: `2026-11-22T18:55:49Z`.
///
/// - Parameter seconds: since 1970.
func timeText(_ seconds: Int64) -> String {
    func digits(_ value: Int32, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    var (parts, time) = (tm(), time_t(max(0, seconds)))
    gmtime_r(&time, &parts)
    let date = [digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2)]
    let clock = [digits(parts.tm_hour, 2), digits(parts.tm_min, 2), digits(parts.tm_sec, 2)]
    return "\(date.joined(separator: "-"))T\(clock.joined(separator: ":"))Z"
}

func nanoseconds(_ duration: Duration) -> Int64 {
    duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
}
