public import ICE
public import MeshModel

/// What was seen of the address translator between a host and the world, and what follows from it for sure.
public struct TranslatorReport: Hashable, Sendable {
    /// Whether one of our addresses looks the same to all. Source: RFC 4787, section 4.1.
    public enum Mapping: String, Hashable, Sendable {
        /// Nobody saw another address than our own.
        case none = "no translator"
        /// Two hosts of different addresses saw the same.
        case independent = "endpoint-independent"
        /// Two hosts saw different ports at one time.
        case dependent = "endpoint-dependent"
        /// Fewer than two hosts saw it, or what they saw proves neither.
        case unknown = "unknown"
    }

    public struct Sighting: Hashable, Sendable {
        public var local: Endpoint
        /// A STUN server, or a peer that answered a check.
        public var observer: Endpoint
        public var isServer: Bool
        public var mapped: Endpoint
        public var since: ContinuousClock.Instant
    }

    /// STUN servers that questions go to; empty: none is known, or none of a family of ours.
    public var servers: [Endpoint]
    /// Of these, those that answer nothing.
    public var silentServers: [Endpoint]
    /// By local address, then observer.
    public var sightings: [Sighting]

    /// The hardest to traverse of all local addresses that were seen.
    public var mapping: Mapping {
        let all = Dictionary(grouping: sightings, by: \.local).values.map(Self.mapping)
        return [.dependent, .unknown, .independent, .none].first(where: all.contains) ?? .unknown
    }

    /// Of one local address.
    private static func mapping(_ sightings: [Sighting]) -> Mapping {
        // A peer on our own link sees no translator: that says nothing about one further out.
        let translated = sightings.filter { $0.mapped != $0.local }
        if translated.isEmpty { return sightings.contains(where: \.isServer) ? .none : .unknown }
        var mapping = Mapping.unknown
        for (index, one) in translated.enumerated() {
            for other in translated[..<index] where one.mapped.address == other.mapped.address {
                if one.mapped.port == other.mapped.port {
                    if one.observer.address != other.observer.address { mapping = .independent }
                } else if isAtOneTime(one, other) {
                    return .dependent
                }
            }
        }
        return mapping
    }

    /// A translator that was restarted gives another port as well; so sightings far apart prove nothing.
    private static func isAtOneTime(_ one: Sighting, _ other: Sighting) -> Bool {
        let apart = one.since - other.since
        return max(apart, .zero - apart) <= .seconds(30)
    }
}

extension AgentCore {
    /// Of our own translator, by STUN servers and by all peers that answered checks.
    var translator: TranslatorReport {
        var sightings = reflexive.mapped.map { question, sighting in
            TranslatorReport.Sighting(
                local: question.local,
                observer: question.server,
                isServer: true,
                mapped: sighting.mapped,
                since: sighting.since
            )
        }
        for session in sessions.values {
            for pair in session.ice?.report.pairs ?? [] {
                guard let sighting = pair.sighting else { continue }
                sightings.append(
                    TranslatorReport.Sighting(
                        local: pair.local,
                        observer: pair.remote,
                        isServer: false,
                        mapped: sighting.mapped,
                        since: sighting.since
                    )
                )
            }
        }
        let questions = localAddresses.flatMap { address in
            let local = Endpoint(address: address, port: listenPort)
            return reflexive.asked(from: local).map { ReflexiveGatherer.Question(local: local, server: $0) }
        }
        let servers = Set(questions.map(\.server))
        let unanswered = Dictionary(grouping: questions, by: \.server).filter { _, questions in
            questions.allSatisfy(reflexive.unanswered.contains)
        }
        return TranslatorReport(
            servers: servers.sorted(),
            silentServers: unanswered.keys.sorted(),
            sightings: sightings.sorted { ($0.local, $0.observer) < ($1.local, $1.observer) }
        )
    }
}

extension ICEReport {
    /// What the other side's candidates and checks prove of its translator.
    public var remoteMapping: TranslatorReport.Mapping {
        let mappings = [true, false].compactMap { isV4 in
            remoteMapping(of: remotes.filter { $0.endpoint.address.isV4 == isV4 })
        }
        return [.dependent, .unknown, .independent, .none].first(where: mappings.contains) ?? .unknown
    }

    /// Of candidates of one family; `nil`: there are none, or none of ours to try them with.
    private func remoteMapping(of candidates: [RemoteCandidate]) -> TranslatorReport.Mapping? {
        guard let family = candidates.first?.endpoint.address.isV4,
            locals.contains(where: { $0.address.isV4 == family })
        else { return nil }
        let told = candidates.filter(\.isToldReflexive).map(\.endpoint)
        let hosts = candidates.filter { $0.kind == .host }
        let heard = pairs.filter { $0.remote.address.isV4 == family && $0.checksReceived + $0.answersReceived > 0 }
        // One address of its own that looks like two from outside, to STUN servers or to us.
        let learned = candidates.filter { $0.kind == .prflx }.map(\.endpoint)
        let isSplit = told.contains { one in
            (told + learned).contains { $0.address == one.address && $0.port != one.port }
        }
        if isSplit, hosts.count == 1 { return .dependent }
        if heard.contains(where: { told.contains($0.remote) }) { return .independent }
        return heard.contains { $0.remoteKind == .host } ? TranslatorReport.Mapping.none : .unknown
    }
}

extension RemoteCandidate {
    /// As a STUN server saw it: neither a port that we guessed (it names no base) nor one that was forwarded on request (its
    /// priority is raised). Source: spec/wire/ice.md 3 and 5.1.
    fileprivate var isToldReflexive: Bool {
        kind == .srflx && related != nil && priority == candidatePriority(of: .srflx)
    }
}
