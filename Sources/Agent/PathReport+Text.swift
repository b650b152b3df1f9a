package import AgentCore
import ICE
import MeshModel

extension PathReport {
    /// For people: what the way is and why, what was tried, what is known of translators, what could be done.
    package var text: String {
        var lines = ["Path: \(pathText)", "Why: \(whyText)"]
        lines += list("Our candidates", candidates.map { "\($0.kind.rawValue) \($0.endpoint)" })
        let told = telling.map { $0.remotes.map { "\($0.kind.rawValue) \($0.endpoint)" } } ?? []
        lines += list("The peer's candidates", told, of: telling?.remoteCount)
        if let failure, ice?.hasSelected != true {
            lines += pairs(failure.report, "Checked until \(failure.age.components.seconds) s ago")
        }
        if let ice, let iceAge { lines += pairs(ice, "Checked for \(iceAge.components.seconds) s") }
        lines.append("Roles: \(isController ? "we control" : "the peer controls"), offers sent: \(offersSent)")
        lines.append("Our translator: \(text(translator.mapping))")
        lines += translator.sightings.prefix(ICEReport.mostListed).map { sighting in
            "  \(sighting.local) is \(sighting.mapped) to \(sighting.isServer ? "STUN server" : "peer") \(sighting.observer)"
        }
        lines += translator.silentServers.map { "  STUN server \($0) does not answer" }
        if translator.servers.isEmpty { lines.append("  no STUN server to ask") }
        lines.append("The peer's translator: \(text(remoteMapping))")
        lines += list("You could", advice)
        return lines.map { $0 + "\n" }.joined()
    }

    private var pathText: String {
        switch peer.path {
        case .direct(let local, _, let remote, _): "direct, \(local) to \(remote)"
        case .relayed(let server): "relayed over \(server)"
        case .kernelSession(let remote): "direct, to \(remote)"
        case .connecting, .idle: "none"
        case .sleeping: "none for now"
        }
    }

    var whyText: String {
        let isTryingAgain = failure != nil && ice.map { !$0.hasSelected } ?? false
        return "\(reason)" + (isTryingAgain ? " (and it is tried again now)" : "")
    }

    private func text(_ mapping: TranslatorReport.Mapping) -> String {
        switch mapping {
        case .none: "none is seen"
        case .independent: "the same port for every destination (endpoint-independent mapping)"
        case .dependent: "another port for each destination (endpoint-dependent mapping)"
        case .unknown: "unknown"
        }
    }

    private func list(_ title: String, _ items: [String], of count: Int? = nil) -> [String] {
        guard !items.isEmpty else { return title == "You could" ? [] : ["\(title): none"] }
        let more = (count ?? items.count) - items.count
        return ["\(title):"] + items.map { "  \($0)" } + (more > 0 ? ["  and \(more) more"] : [])
    }

    private func pairs(_ report: ICEReport, _ title: String) -> [String] {
        list(
            title,
            report.pairs.map { pair in
                "\(pair.local) (\(pair.localKind.rawValue)) to \(pair.remote) (\(pair.remoteKind.rawValue)): "
                    + "\(word(pair.state)), \(pair.checksSent) checks sent, \(pair.answersReceived) answered, "
                    + "\(pair.checksReceived) received" + (pair.roundTrip.map { ", \(milliseconds($0))" } ?? "")
            },
            of: report.pairCount
        )
    }
}

/// As RFC 8445, section 6.1.2.6 calls them.
func word(_ state: CandidatePair.State) -> String {
    switch state {
    case .waiting: "waiting"
    case .inProgress: "in progress"
    case .succeeded: "succeeded"
    case .failed: "failed"
    }
}
