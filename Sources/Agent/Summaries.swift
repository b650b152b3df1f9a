import AgentCore
import MeshModel
import NetlinkSocket

// One-line words for the log and the history.

func pathWord(_ path: PeerStatus.Path) -> String {
    switch path {
    case .idle: "idle"
    case .sleeping: "sleeping"
    case .connecting: "connecting"
    case .direct(_, let localKind, _, let remoteKind): "direct \(localKind.rawValue)/\(remoteKind.rawValue)"
    case .relayed(let server): "relayed by \(server)"
    case .kernelSession: "kernel session"
    }
}

extension AgentCore.Input {
    /// For the history: what made the kernel's wanted state change.
    var summary: String {
        switch self {
        case .networkMap(let map): "network map \(map.serial)"
        case .storedMap(let stored): "stored network map \(stored.map.serial)"
        case .lastEndpoints: "endpoints of last time"
        case .setDraining(let isDraining): isDraining ? "wgctl drain" : "wgctl undrain"
        case .setEnabled(let isEnabled): isEnabled ? "wgctl up" : "wgctl down"
        case .localAddresses, .localNetworks, .outsides: "addresses of this host"
        case .signal(let peer, _): "signal message from \(peer)"
        case .datagram: "path check"
        case .relay: "relay"
        case .stunServers: "STUN servers"
        case .listenPort: "WireGuard port"
        case .deregistered: "deregistered"
        case .routeIntent: "wgctl routes or exit"
        case .echo: "gateway"
        case .management, .signalServer, .observed, .tick: "timer"
        }
    }
}

extension NetlinkMonitor.Event {
    var summary: String {
        switch self {
        case .changed(let kind): "kernel: \(kind) changed"
        case .overrun: "kernel: events were lost"
        }
    }
}
