import AgentCore
import MeshModel

extension StatusReport {
    /// For programs: NetBird's keys where we have the datum (spec/agent/cli-and-status.md 2.3), then our own.
    package var json: String {
        let members: [(String, JSONValue)] = [
            (
                "peers",
                .object([
                    ("total", .number(Int64(core.peers.count))),
                    ("connected", .number(Int64(connectedPeers))),
                    ("details", .array(core.peers.map(object))),
                ])
            ),
            ("daemonVersion", .string(version)),
            ("daemonStatus", .string(daemonStatus)),
            ("management", connection(core.management, url: "\(management)")),
            ("signal", connection(core.signalServer, url: signalServer.map { "\($0)" } ?? "")),
            ("relays", relays),
            ("netbirdIp", .string(core.own.map { "\($0.address)" } ?? "")),
            ("netbirdIpv6", .string(core.own?.addressV6.map { "\($0)" } ?? "")),
            ("publicKey", .string(core.publicKey.base64)),
            ("usesKernelInterface", .bool(true)),
            ("wireguardPort", .number(Int64(core.listenPort))),
            ("fqdn", .string(core.own?.fqdn ?? "")),
            ("interface", .string(core.interfaceName)),
            ("enabled", .bool(core.isEnabled)),
            ("mapSerial", core.mapSerial.map { .number(Int64(clamping: $0)) } ?? .null),
            ("exit", RouteReport(routes: core.routes).exitObject),
            ("gateways", RouteReport(routes: core.routes).gatewayObjects),
            ("failovers", .number(Int64(core.routes.failovers))),
            ("mapStaleSince", core.mapStoredSeconds.map { .string(timeText($0)) } ?? .null),
            (
                "serving",
                serving.map { serving in
                    .object([
                        ("networks", .number(Int64(serving.networks))),
                        ("problems", .array(serving.problems.map(JSONValue.string))),
                        ("draining", .bool(serving.isDraining)),
                    ])
                } ?? .null
            ),
            (
                "repairs",
                .object([
                    ("total", .number(Int64(repairs.total))),
                    ("lastTime", repairs.lastAtSeconds.map(JSONValue.number) ?? .null),
                    ("lastChanges", .array(repairs.lastChanges.map(JSONValue.string))),
                    ("fight", .bool(repairs.isFight)),
                ])
            ),
            ("problems", .array(problems.map(JSONValue.string))),
        ]
        return JSONValue.object(members).text() + "\n"
    }

    private func connection(_ state: ConnectionState, url: String) -> JSONValue {
        var error = ""
        if case .disconnected(let reason) = state { error = reason }
        return .object([
            ("url", .string(url)), ("connected", .bool(state == .connected)), ("error", .string(error)),
        ])
    }

    /// One at most: the relay that peers find us at.
    private var relays: JSONValue {
        guard let state = core.relay else {
            return .object([("total", .number(0)), ("available", .number(0)), ("details", .array([]))])
        }
        var error = ""
        if case .disconnected(let reason) = state { error = reason }
        let isAvailable = state == .connected
        return .object([
            ("total", .number(1)),
            ("available", .number(isAvailable ? 1 : 0)),
            (
                "details",
                .array([
                    .object([
                        ("uri", .string(core.relayServer ?? "")), ("available", .bool(isAvailable)),
                        ("error", .string(error)),
                    ])
                ])
            ),
        ])
    }

    private func object(_ peer: PeerStatus) -> JSONValue { .object(members(of: peer)) }

    func members(of peer: PeerStatus) -> [(String, JSONValue)] {
        var kinds = ("", "")
        var endpoints = ("", "")
        switch peer.path {
        case .direct(let local, let localKind, let remote, let remoteKind):
            kinds = (localKind.rawValue, remoteKind.rawValue)
            endpoints = ("\(local)", "\(remote)")
        case .kernelSession(let remote): endpoints.1 = "\(remote)"
        case .idle, .sleeping, .connecting, .relayed: break
        }
        func pair(_ values: (String, String)) -> JSONValue {
            .object([("local", .string(values.0)), ("remote", .string(values.1))])
        }
        let address = peer.allowedIPs.first { $0.isV4 }?.address
        let addressV6 = peer.allowedIPs.first { !$0.isV4 }?.address
        return [
            ("fqdn", .string(peer.fqdn)),
            ("netbirdIp", .string(address.map { "\($0)" } ?? "")),
            ("netbirdIpv6", .string(addressV6.map { "\($0)" } ?? "")),
            ("publicKey", .string(peer.publicKey.base64)),
            ("status", .string(peer.statusWord)),
            ("connectionType", .string(peer.connectionType)),
            ("relayAddress", .string(peer.relayServer)),
            ("iceCandidateType", pair(kinds)),
            ("iceCandidateEndpoint", pair(endpoints)),
            ("lastWireguardHandshakeSeconds", .number(peer.observed?.latestHandshakeSeconds ?? 0)),
            ("transferReceived", .number(Int64(clamping: peer.observed?.receivedBytes ?? 0))),
            ("transferSent", .number(Int64(clamping: peer.observed?.sentBytes ?? 0))),
            ("latency", .number(peer.roundTrip.map(nanoseconds) ?? 0)),
            ("kernelEndpoint", .string(peer.observed?.endpoint.map { "\($0)" } ?? "")),
            ("allowedIPs", .array(peer.allowedIPs.map { .string("\($0)") })),
            ("agentVersion", .string(peer.agentVersion)),
            ("lastError", peer.lastError.map(JSONValue.string) ?? .null),
        ]
    }
}
