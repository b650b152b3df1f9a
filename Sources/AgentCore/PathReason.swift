import ICE
import MeshModel

/// Why the way to a peer is the one it is; its text is what `wgctl status PEER --why` says.
public enum PathReason: Hashable, Sendable, CustomStringConvertible {
    // Reached directly.
    case chosen(byUs: Bool)
    case kernelSession
    // Not reached directly.
    case tunnelDown
    case noPort
    case signalDown
    case unanswered(offers: Int)
    case noICE
    case checking(pairs: Int)
    case noCommonFamily
    case noSTUN(servers: Int)
    case bothDependent
    case notHeard
    case deaf
    case consentLost
    case addressGone
    case retrying
    case sleeping

    /// One word for programs.
    public var word: String {
        switch self {
        case .chosen: "chosen"
        case .kernelSession: "kernel-session"
        case .tunnelDown: "tunnel-down"
        case .noPort: "no-port"
        case .signalDown: "signal-down"
        case .unanswered: "offers-unanswered"
        case .noICE: "peer-without-ice"
        case .checking: "checking"
        case .noCommonFamily: "no-common-family"
        case .noSTUN: "stun-silent"
        case .bothDependent: "both-endpoint-dependent"
        case .notHeard: "no-check-answered"
        case .deaf: "own-checks-unanswered"
        case .consentLost: "consent-lost"
        case .addressGone: "address-gone"
        case .retrying: "retrying"
        case .sleeping: "sleeping"
        }
    }

    public var description: String {
        switch self {
        case .chosen(byUs: true): "its checks were answered, and we chose it as the best pair that works"
        case .chosen(byUs: false): "its checks were answered, and the peer chose it as the best pair that works"
        case .kernelSession: "WireGuard's session is alive there, though no ICE session is"
        case .tunnelDown: "the tunnel is down by wish"
        case .noPort: "the kernel has not yet given WireGuard a port"
        case .signalDown: "there is no connection to the signal server, so nothing can be offered"
        case .unanswered(0): "nothing has been offered to the peer yet"
        case .unanswered(let offers): "none of \(offers) offers was answered: the peer's agent is not there"
        case .noICE: "the peer looks for no direct path: it told no ICE credentials"
        case .checking(let pairs): "\(pairs) address pairs are being tried"
        case .noCommonFamily: "the peer told no address of a family that we have"
        case .noSTUN(let servers):
            "no address pair answered, and none of \(servers) STUN servers does: UDP does not get out of here, or not back"
        case .bothDependent:
            "both translators take another port for each destination (endpoint-dependent mapping), so neither side can know "
                + "where to send to"
        case .notHeard:
            "no check was answered and none came from the peer: UDP between the two hosts is dropped on its way"
        case .deaf: "checks of the peer arrive, but ours are not answered: the path works in one direction only"
        case .consentLost: "a direct path was found, but then the peer's checks stopped for 6 s"
        case .addressGone: "our address on the direct path is gone"
        case .sleeping: "there is no traffic: the next packet to the peer wakes it"
        case .retrying: "no ICE session is open; the next offer opens one"
        }
    }
}

extension PathReport {
    public var reason: PathReason {
        if case .direct = peer.path, let ice { return .chosen(byUs: ice.isControlling) }
        if !isEnabled { return .tunnelDown }
        if case .kernelSession = peer.path { return .kernelSession }
        if peer.path == .sleeping { return .sleeping }
        if listenPort == 0 { return .noPort }
        if let failure { return reason(of: failure) }
        if let ice { return .checking(pairs: ice.pairCount) }
        if signalServer != .connected { return .signalDown }
        if !isHeard { return .unanswered(offers: offersSent) }
        return doesICE ? .retrying : .noICE
    }

    private func reason(of failure: Failure) -> PathReason {
        switch failure.failure {
        case .silent: return .consentLost
        case .localAddressGone: return .addressGone
        case .noPathFound(pairs: 0): return .noCommonFamily
        case .noPathFound: break
        }
        if failure.report.pairs.contains(where: { $0.checksReceived > 0 }) { return .deaf }
        if translator.mapping == .dependent, remoteMapping == .dependent { return .bothDependent }
        let servers = translator.servers
        return !servers.isEmpty && translator.silentServers == servers ? .noSTUN(servers: servers.count) : .notHeard
    }

    /// What the user could do for a direct path; empty: there is one, or time will tell.
    public var advice: [String] {
        var lines: [String] = []
        switch reason {
        case .chosen, .kernelSession, .checking, .noPort, .addressGone, .retrying, .sleeping: return []
        case .tunnelDown: return ["wgctl up"]
        case .signalDown: return ["let this host reach the signal server (wgctl status names it)"]
        case .unanswered: return ["see that wgmesh-agent runs on \(peer.fqdn) and is connected (wgctl status, there)"]
        case .noICE: return ["on \(peer.fqdn), allow direct connections (it is told to use the relay only)"]
        case .noCommonFamily: return ["give both hosts an address of the same family, IPv4 or IPv6"]
        case .noSTUN:
            let servers = translator.servers.map { "\($0)" }.joined(separator: ", ")
            lines.append("allow UDP from port \(listenPort) of this host to the STUN servers (\(servers)) and back")
        case .bothDependent, .notHeard, .deaf, .consentLost: break
        }
        if translator.servers.isEmpty {
            lines.append("name a STUN server on the control plane: without, no outside address of this host is known")
        }
        lines.append("open UDP port \(listenPort) of this host to the world: one side that is open is enough")
        if translator.mapping == .dependent {
            lines.append("forward UDP port \(listenPort) on this host's translator to it, or give it an IPv6 address")
        }
        if remoteMapping == .dependent { lines.append("or do the same for \(peer.fqdn)") }
        if translator.mapping == .unknown, !translator.sightings.isEmpty {
            lines.append("name a second STUN server on the control plane: it shows what this host's translator does")
        }
        return lines
    }
}
