@testable import AgentCore
import ICE
import MeshModel
import Testing

/// Why the way to a peer is the one it is.
@Suite struct PathReportTests {
    private let servers: [Endpoint]
    private let remote: Endpoint

    init() throws {
        servers = [
            try #require(Endpoint("198.51.100.1:3478")), try #require(Endpoint("198.51.100.2:3478")),
        ]
        remote = try #require(Endpoint("192.0.2.2:7"))
    }

    private func report(_ harness: CoreHarness) throws -> PathReport {
        try #require(harness.core.pathReport(of: harness.other, at: harness.now, nowSeconds: 0))
    }

    private func candidate(_ kind: RemoteCandidate.Kind, _ endpoint: Endpoint) -> SignalMessage {
        .candidate(
            RemoteCandidate(
                kind: kind,
                endpoint: endpoint,
                priority: candidatePriority(of: kind),
                related: kind == .host ? nil : Endpoint("0.0.0.0:51820")
            )
        )
    }

    /// A harness whose peer has offered itself at `remote`.
    ///
    /// - Parameter ports: that the STUN servers see, one each; none: they do not answer.
    private func offered(ports: [UInt16] = [], servers count: Int = 2) throws -> CoreHarness {
        var harness = try CoreHarness()
        _ = harness.handle(.stunServers(Array(servers.prefix(count))))
        _ = try harness.connect()
        let effects = harness.handle(.signal(from: harness.other, .offer(harness.offer())))
        let requests = effects.sent.filter { servers.contains($0.remote) }.sorted { $0.remote < $1.remote }
        #expect(requests.count == count)
        let outside = try #require(IPAddress("203.0.113.7"))
        for (request, port) in zip(requests, ports) {
            let mapped = Endpoint(address: outside, port: port)
            _ = harness.handle(.datagram(try stunAnswer(to: request, mapped: mapped)))
        }
        _ = harness.handle(.signal(from: harness.other, candidate(.host, remote)))
        return harness
    }

    @Test func `a stranger has no report`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        #expect(harness.core.pathReport(of: harness.own, at: harness.now, nowSeconds: 0) == nil)
    }

    @Test func `what keeps us from offering is told, most fundamental first`() throws {
        var harness = try CoreHarness()
        _ = harness.handle(.networkMap(try harness.map(serial: 1)))
        #expect(try report(harness).reason == .noPort)
        _ = harness.handle(.listenPort(51820))
        #expect(try report(harness).reason == .signalDown)
        _ = harness.handle(.signalServer(.connected))
        _ = harness.advance(.seconds(15))
        let waiting = try report(harness)
        #expect(waiting.reason == .unanswered(offers: waiting.offersSent))
        #expect(waiting.offersSent >= 3)
        #expect(waiting.advice == ["see that wgmesh-agent runs on b.mesh and is connected (wgctl status, there)"])
        _ = harness.handle(.setEnabled(false))
        #expect(try report(harness).reason == .tunnelDown)
    }

    @Test func `a peer without ICE says so`() throws {
        var harness = try CoreHarness()
        _ = try harness.connect()
        var offer = harness.offer()
        offer.credentials = nil
        _ = harness.handle(.signal(from: harness.other, .offer(offer)))
        #expect(try report(harness).reason == .noICE)
    }

    @Test func `no STUN server answers and no check: UDP does not get out`() throws {
        var harness = try offered()
        #expect(try report(harness).reason == .checking(pairs: 1))
        _ = harness.advance(.seconds(13))
        let failed = try report(harness)
        #expect(failed.reason == .noSTUN(servers: 2))
        #expect(failed.translator.silentServers == servers)
        #expect(failed.translator.mapping == .unknown)
        #expect(failed.advice.first?.contains("198.51.100.1:3478, 198.51.100.2:3478") == true)
        let pair = try #require(failed.failure?.report.pairs.first)
        #expect(pair.remote == remote)
        #expect(pair.checksSent == 8)
        #expect(pair.answersReceived == 0)
    }

    @Test func `STUN answers and no check does: UDP between the two is dropped`() throws {
        var harness = try offered(ports: [40000, 40000])
        _ = harness.advance(.seconds(13))
        let failed = try report(harness)
        #expect(failed.reason == .notHeard)
        #expect(failed.translator.mapping == .independent)
        #expect(failed.candidates.map(\.endpoint.port) == [51820, 40000])
        #expect(failed.advice == ["open UDP port 51820 of this host to the world: one side that is open is enough"])
    }

    @Test func `two translators with a port for each destination are both named`() throws {
        var harness = try offered(ports: [40000, 40001])
        for text in ["203.0.113.9:1000", "203.0.113.9:1001"] {
            _ = harness.handle(.signal(from: harness.other, candidate(.srflx, try #require(Endpoint(text)))))
        }
        _ = harness.advance(.seconds(13))
        let failed = try report(harness)
        #expect(failed.reason == .bothDependent)
        #expect(failed.translator.mapping == .dependent)
        #expect(failed.remoteMapping == .dependent)
        #expect(failed.advice.contains { $0.contains("forward UDP port 51820") })
        #expect(failed.telling?.remotes.map(\.kind) == [.host, .srflx, .srflx])
    }

    @Test func `with one STUN server a translator stays unknown, and a second one is advised`() throws {
        var harness = try offered(ports: [40000], servers: 1)
        _ = harness.advance(.seconds(13))
        let failed = try report(harness)
        #expect(failed.translator.mapping == .unknown)
        #expect(failed.advice.contains { $0.contains("second STUN server") })
    }

    @Test func `checks that come though ours go unanswered show a path of one direction`() throws {
        var harness = try offered(ports: [40000, 40000])
        let ours = try #require(
            harness.handle(.signal(from: harness.other, .offer(harness.offer()))).messages.compactMap { message in
                if case .answer(let answer) = message { answer.credentials } else { nil }
            }.first
        )
        let check = STUNMessage.encode(
            .bindingRequest,
            transactionID: Array(repeating: 5, count: 12),
            attributes: [(.username, Array("\(ours.usernameFragment):remote".utf8))],
            integrityKey: ours.password
        )
        let local = try #require(Endpoint("192.0.2.1:51820"))
        _ = harness.handle(.datagram(Datagram(local: local, remote: remote, bytes: check)))
        _ = harness.advance(.seconds(13))
        #expect(try report(harness).reason == .deaf)
    }

    @Test func `a direct path is the one that was chosen, and its loss is remembered until there is another`() throws {
        var harness = try offered(ports: [40000, 40000])
        _ = try harness.answerChecks(from: remote, for: .seconds(1))
        let direct = try report(harness)
        #expect(direct.reason == .chosen(byUs: true))
        #expect(direct.ice?.hasSelected == true)
        #expect(direct.advice.isEmpty)
        _ = harness.advance(.seconds(7))
        #expect(try report(harness).reason == .consentLost)
        _ = harness.handle(.signal(from: harness.other, .offer(harness.offer(session: 2))))
        #expect(try report(harness).reason == .consentLost)
        _ = harness.handle(.signal(from: harness.other, candidate(.host, remote)))
        _ = try harness.answerChecks(from: remote, for: .seconds(1))
        #expect(try report(harness).failure == nil)
    }

    @Test func `a report of many pairs stays small`() throws {
        var harness = try offered()
        for port in UInt16(1000)..<1040 {
            let other = Endpoint(address: remote.address, port: port)
            _ = harness.handle(.signal(from: harness.other, candidate(.host, other)))
        }
        let ice = try #require(try report(harness).ice)
        #expect(ice.pairs.count == ICEReport.mostListed)
        #expect(ice.pairCount == 41)
    }
}

@Suite struct TranslatorReportTests {
    private let now = ContinuousClock.now

    private func sighting(_ observer: String, _ mapped: String, after: Duration = .zero) throws
        -> TranslatorReport.Sighting
    {
        TranslatorReport.Sighting(
            local: try #require(Endpoint("192.168.1.2:51820")),
            observer: try #require(Endpoint(observer)),
            isServer: true,
            mapped: try #require(Endpoint(mapped)),
            since: now + after
        )
    }

    private func mapping(_ sightings: TranslatorReport.Sighting...) -> TranslatorReport.Mapping {
        TranslatorReport(servers: [], silentServers: [], sightings: sightings).mapping
    }

    @Test func `a mapping is known only where it was seen`() throws {
        let first = try sighting("198.51.100.1:3478", "203.0.113.7:4000")
        #expect(mapping() == .unknown)
        #expect(mapping(first) == .unknown)
        #expect(mapping(try sighting("198.51.100.1:3478", "192.168.1.2:51820")) == .none)
        #expect(mapping(first, try sighting("198.51.100.2:3478", "203.0.113.7:4000")) == .independent)
        // Another port of the same host is no other address.
        #expect(mapping(first, try sighting("198.51.100.1:3479", "203.0.113.7:4000")) == .unknown)
        #expect(mapping(first, try sighting("198.51.100.1:3479", "203.0.113.7:4001")) == .dependent)
        // The translator may have been restarted in between.
        let late = try sighting("198.51.100.2:3478", "203.0.113.7:4001", after: .seconds(31))
        #expect(mapping(first, late) == .unknown)
        // Two uplinks, each with a translator.
        #expect(mapping(first, try sighting("198.51.100.2:3478", "203.0.113.8:4001")) == .unknown)
    }
}
