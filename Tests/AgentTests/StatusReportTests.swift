import Agent
@testable import AgentCore
import MeshModel
import Testing

private func report(
    management: ConnectionState = .connected,
    path: PeerStatus.Path = .kernelSession(endpoint),
    change: (inout StatusReport) -> Void = { _ in }
) -> StatusReport {
    let peer = PeerStatus(
        publicKey: Sample.peer.publicKey,
        fqdn: "b.test",
        agentVersion: "0.60.1",
        allowedIPs: [],
        path: path,
        roundTrip: .microseconds(1500),
        observed: PeerObservation(
            endpoint: endpoint,
            latestHandshakeSeconds: 1000,
            receivedBytes: 1536,
            sentBytes: 100
        ),
        lastError: nil
    )
    let core = AgentStatus(
        isEnabled: true,
        deregistration: nil,
        own: nil,
        publicKey: Sample.own.publicKey,
        interfaceName: "wgm0",
        listenPort: 51820,
        management: management,
        signalServer: .connected,
        mapSerial: 7,
        peers: [peer]
    )
    var report = StatusReport(
        core: core,
        management: ServerAddress(host: "10.0.0.1", port: 1, usesTLS: false),
        signalServer: nil,
        registrationProblem: nil,
        kernelProblem: nil,
        version: "1",
        nowSeconds: 1075
    )
    change(&report)
    return report
}

private let endpoint: Endpoint = {
    guard let endpoint = Endpoint("203.0.113.7:51820") else { preconditionFailure("bad sample") }
    return endpoint
}()

@Suite struct StatusReportTests {
    @Test func `everything connected is success`() {
        #expect(report().exitStatus == .success)
        let text = report().text
        #expect(text.contains("Status: Connected"))
        #expect(text.contains("Last WireGuard handshake: 1 minutes, 15 seconds ago"))
        #expect(text.contains("Transfer status (received/sent): 1.5 KiB/100 B"))
        #expect(text.contains("Peers count: 1/1 Connected"))
        #expect(!text.contains("Problem:"))
    }

    @Test func `whatever is missing degrades, with its reason in text and JSON`() {
        let lost = report(management: .disconnected(reason: "connection \"refused\""))
        #expect(lost.exitStatus == .degraded)
        #expect(lost.text.contains("Problem: management: Disconnected, reason: connection \"refused\"\n"))
        #expect(lost.json.contains(#""management: Disconnected, reason: connection \"refused\"""#))
        #expect(lost.json.contains(#""error": "connection \"refused\"""#))
        #expect(report(path: .connecting).problems == ["peer b.test: no path"])
        let kernel = report { $0.kernelProblem = "port taken" }
        #expect(kernel.exitStatus == .degraded)
        #expect(kernel.problems == ["kernel: port taken"])
    }

    @Test func `a tunnel that is down by wish is no fault`() {
        let down = report(management: .disconnected(reason: "the tunnel is down")) { $0.core.isEnabled = false }
        #expect(down.exitStatus == .success)
        #expect(down.text.contains("Tunnel: down (by wgctl down)"))
        #expect(down.json.contains(#""daemonStatus": "Idle""#))
    }

    @Test func `a peer that sleeps is no fault either`() {
        let asleep = report(path: .sleeping)
        #expect(asleep.exitStatus == .success)
        #expect(asleep.text.contains("Status: Idle"))
        #expect(asleep.json.contains(#""connectionType": "-""#))
    }

    @Test func `no registration is its own status`() {
        let unknown = report { $0.registrationProblem = "peer was deleted" }
        #expect(unknown.exitStatus == .notLoggedIn)
        #expect(unknown.json.contains(#""daemonStatus": "NeedsLogin""#))
        #expect(unknown.text.contains("Problem: not logged in: peer was deleted"))
    }

    @Test func `a stored map is stale, and says since when`() {
        let stale = report { $0.core.mapStoredSeconds = 1_795_373_749 }
        #expect(stale.exitStatus == .degraded)
        #expect(stale.text.contains("\nMap: stale since 2026-11-22T18:55:49Z (stored)\n"))
        #expect(stale.problems == ["map: stale since 2026-11-22T18:55:49Z (stored)"])
        #expect(stale.json.contains("\"mapStaleSince\": \"2026-11-22T18:55:49Z\""))
        #expect(report().text.contains("\nMap: fresh\n"))
        #expect(report().json.contains("\"mapStaleSince\": null"))
    }
}
