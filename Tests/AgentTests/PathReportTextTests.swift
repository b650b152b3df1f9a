import Agent
@testable import AgentCore
import AgentWalk
@testable import ICE
import MeshModel
import TestSupport
import Testing

/// What `wgctl status PEER --why` prints.
@Suite struct PathReportTextTests {
    private let local: Endpoint
    private let remote: Endpoint
    private let server: Endpoint

    init() throws {
        local = try #require(Endpoint("192.168.1.2:51820"))
        remote = try #require(Endpoint("203.0.113.9:4000"))
        server = try #require(Endpoint("198.51.100.1:3478"))
    }

    private func session(_ state: CandidatePair.State, answers: Int) -> ICEReport {
        ICEReport(
            isControlling: false,
            started: .now,
            locals: [local],
            remotes: [RemoteCandidate(kind: .srflx, endpoint: remote, priority: 1)],
            remoteCount: 3,
            pairs: [
                ICEReport.Pair(
                    localKind: .host,
                    local: local,
                    remoteKind: .srflx,
                    remote: remote,
                    state: state,
                    checksSent: 8,
                    answersReceived: answers,
                    checksReceived: 0,
                    roundTrip: answers == 0 ? nil : .microseconds(1500),
                    sighting: nil
                )
            ],
            pairCount: 1,
            hasSelected: answers > 0
        )
    }

    private func report(_ path: PeerStatus.Path, _ change: (inout PathReport) -> Void = { _ in }) -> PathReport {
        let peer = PeerStatus(
            publicKey: Sample.peer.publicKey,
            fqdn: "b.mesh",
            agentVersion: "",
            allowedIPs: [],
            path: path,
            roundTrip: nil,
            observed: nil,
            lastError: nil
        )
        var report = PathReport(
            peer: peer,
            candidates: [PathReport.Candidate(kind: .host, endpoint: local)],
            isController: false,
            isEnabled: true,
            signalServer: .connected,
            listenPort: 51820,
            offersSent: 4,
            isHeard: true,
            doesICE: true,
            relayServer: "rel://r:80",
            isRelayReady: true,
            translator: TranslatorReport(servers: [server], silentServers: [], sightings: [])
        )
        change(&report)
        return report
    }

    @Test func `a relayed peer has its reason, what was tried and what to do`() {
        let relayed = report(.relayed(server: "rel://r:80")) { report in
            report.failure = PathReport.Failure(
                report: session(.failed, answers: 0),
                failure: .noPathFound(pairs: 1),
                age: .seconds(14)
            )
            report.translator.silentServers = [server]
        }
        #expect(
            relayed.text == """
                Path: relayed over rel://r:80
                Why: no address pair answered, and none of 1 STUN servers does: UDP does not get out of here, or not back
                Our candidates:
                  host 192.168.1.2:51820
                The peer's candidates:
                  srflx 203.0.113.9:4000
                  and 2 more
                Checked until 14 s ago:
                  192.168.1.2:51820 (host) to 203.0.113.9:4000 (srflx): failed, 8 checks sent, 0 answered, 0 received
                Roles: the peer controls, offers sent: 4
                Our translator: unknown
                  STUN server 198.51.100.1:3478 does not answer
                The peer's translator: unknown
                You could:
                  allow UDP from port 51820 of this host to the STUN servers (198.51.100.1:3478) and back
                  open UDP port 51820 of this host to the world: one side that is open is enough

                """
        )
    }

    @Test func `a direct peer needs no advice`() {
        let path = PeerStatus.Path.direct(local: local, localKind: .host, remote: remote, remoteKind: .srflx)
        let text = report(path) { report in
            report.ice = session(.succeeded, answers: 3)
            report.iceAge = .seconds(60)
        }.text
        #expect(text.hasPrefix("Path: direct, 192.168.1.2:51820 to 203.0.113.9:4000\n"))
        #expect(text.contains("\nWhy: its checks were answered, and the peer chose it"))
        #expect(text.contains("Checked for 60 s:\n"))
        #expect(text.contains("succeeded, 8 checks sent, 3 answered, 0 received, 1.5 ms\n"))
        #expect(!text.contains("You could"))
    }

    @Test func `a running attempt is told beside the last failure`() {
        let text = report(.connecting) { report in
            report.failure = PathReport.Failure(
                report: session(.failed, answers: 1),
                failure: .silent,
                age: .seconds(3)
            )
            report.ice = session(.inProgress, answers: 0)
            report.iceAge = .seconds(2)
        }.text
        #expect(text.contains("Why: a direct path was found, but then the peer's checks stopped for 6 s (and it is"))
        #expect(text.contains("Checked until 3 s ago:\n"))
        #expect(text.contains("Checked for 2 s:\n"))
    }

    @Test func `the agent answers by name, in text and JSON, and says why there is no such peer`() async throws {
        try await withTemporaryFolder { folder in
            let agent = try Agent(
                configuration: Sample.configuration(stateDirectory: folder),
                identity: Sample.own,
                state: StateDirectory(path: folder),
                isEnabled: true,
                transport: FakeKernel(),
                sysctls: FakeSysctls(),
                logger: Sample.quietLogger,
                random: SeededGenerator(seed: 1),
                openSTUN: { (_, _, _) throws(STUNSocketError) in ClosedPort() }
            )
            let own = SelfConfiguration(address: try #require(IPPrefix("100.64.0.1/16")), fqdn: "a.mesh")
            let address = try #require(IPPrefix("100.64.0.2/32"))
            let peer = RemotePeer(publicKey: Sample.peer.publicKey, allowedIPs: [address], fqdn: "b.mesh")
            await agent.deliver(.networkMap(NetworkMap(serial: 7, own: own, peers: [peer])))
            let text = try await agent.ask("peer why text b")
            #expect(text.status == .degraded)
            #expect(text.body.hasPrefix(" b.mesh:\n"))
            #expect(text.body.contains("\nPath: none\nWhy: "))
            let json = try await agent.ask("peer why json b.mesh")
            #expect(json.body.contains("\"fqdn\": \"b.mesh\""))
            #expect(json.body.contains("\"reason\": \""))
            #expect(json.body.contains("\"mapping\": \"unknown\""))
            let shown = try await agent.ask("peer show text b")
            #expect(!shown.body.contains("Why:"))
            #expect(try await agent.ask("peer why text x").status == .failure)
        }
    }
}

private struct ClosedPort: DatagramPort {
    func send(_ datagram: Datagram) throws(STUNSocketError) {}
    func close() {}
}
