import AgentCore
import ICE
import MeshModel

extension PathReport {
    /// The members beside the peer's own.
    var members: [(String, JSONValue)] {
        [
            ("reason", .string(reason.word)),
            ("reasonText", .string("\(reason)")),
            ("advice", .array(advice.map(JSONValue.string))),
            ("controlling", .bool(isController)),
            ("offersSent", .number(Int64(offersSent))),
            ("candidates", .array(candidates.map { candidate($0.kind, $0.endpoint) })),
            ("peerCandidates", .array((telling?.remotes ?? []).map { candidate($0.kind, $0.endpoint) })),
            ("session", ice.map { session($0, iceAge ?? .zero, failure: nil) } ?? .null),
            ("failedSession", failure.map { session($0.report, $0.age, failure: "\($0.failure)") } ?? .null),
            (
                "translator",
                .object([
                    ("mapping", .string(translator.mapping.rawValue)),
                    ("stunServers", .array(translator.servers.map { .string("\($0)") })),
                    ("silentStunServers", .array(translator.silentServers.map { .string("\($0)") })),
                    ("sightings", .array(translator.sightings.prefix(ICEReport.mostListed).map(sighting))),
                ])
            ),
            ("peerTranslator", .object([("mapping", .string(remoteMapping.rawValue))])),
        ]
    }

    private func candidate(_ kind: RemoteCandidate.Kind, _ endpoint: Endpoint) -> JSONValue {
        .object([("type", .string(kind.rawValue)), ("endpoint", .string("\(endpoint)"))])
    }

    private func sighting(_ sighting: TranslatorReport.Sighting) -> JSONValue {
        .object([
            ("local", .string("\(sighting.local)")), ("mapped", .string("\(sighting.mapped)")),
            ("observer", .string("\(sighting.observer)")), ("isServer", .bool(sighting.isServer)),
        ])
    }

    /// - Parameter age: since it began, or since it ended if it failed.
    private func session(_ report: ICEReport, _ age: Duration, failure: String?) -> JSONValue {
        .object([
            ("ageSeconds", .number(age.components.seconds)),
            ("failure", failure.map(JSONValue.string) ?? .null),
            ("pairCount", .number(Int64(report.pairCount))),
            (
                "pairs",
                .array(
                    report.pairs.map { pair in
                        .object([
                            ("local", candidate(pair.localKind, pair.local)),
                            ("remote", candidate(pair.remoteKind, pair.remote)),
                            ("state", .string(word(pair.state))),
                            ("checksSent", .number(Int64(pair.checksSent))),
                            ("answersReceived", .number(Int64(pair.answersReceived))),
                            ("checksReceived", .number(Int64(pair.checksReceived))),
                            ("latency", pair.roundTrip.map { .number(nanoseconds($0)) } ?? .null),
                        ])
                    }
                )
            ),
        ])
    }
}
