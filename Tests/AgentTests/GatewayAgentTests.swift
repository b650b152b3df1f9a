import Agent
import AgentCore
import Glibc
import MeshModel
import NetlinkWire
import TestSupport
import Testing
import WGKernel

/// Routes from the user's word to the kernel in memory, and into the state directory.
@Suite struct GatewayAgentTests {
    @Test func `a failover is one WireGuard message that moves both families`() async throws {
        try await withAgent { agent, kernel, _ in
            // In the future, so that the time this test really takes plays no part.
            var now = ContinuousClock.now + .seconds(3600)
            try await agent.deliver(.networkMap(map), at: now)
            await agent.pass()
            #expect(await kernel.allowedIPs(of: peer(1)) == ["0.0.0.0/0", "10.0.0.0/8", "100.64.0.1/32", "::/0"])
            #expect(await kernel.allowedIPs(of: peer(2)) == ["100.64.0.2/32"])

            // A answers for five seconds, then falls silent; B answers on.
            let death = now + .seconds(5)
            while let deadline = await agent.deadline, now < death + .seconds(5),
                await agent.routeChoice.exitNode == "A"
            {
                now = max(now, deadline)
                await agent.deliver(.tick, at: now)
                for sequence in UInt16(1)...100 {
                    if now < death { try await agent.deliver(.echo(reply(1, sequence)), at: now) }
                    try await agent.deliver(.echo(reply(2, sequence)), at: now)
                }
            }
            #expect(await agent.routeChoice.exitNode == "B")
            #expect(now - death < .milliseconds(1500), "\(now - death)")
            let writes = await kernel.writes
            await agent.pass()
            #expect(await kernel.writes == writes + 1)
            #expect(await kernel.allowedIPs(of: peer(1)) == ["10.0.0.0/8", "100.64.0.1/32"])
            #expect(await kernel.allowedIPs(of: peer(2)) == ["0.0.0.0/0", "100.64.0.2/32", "::/0"])
            await agent.pass()
            #expect(await kernel.writes == writes + 1)
        }
    }

    @Test func `a command is stored and in force when it is answered`() async throws {
        try await withAgent { agent, kernel, state in
            try await agent.deliver(.networkMap(map))
            let answer = try await agent.ask("exit use text B")
            #expect(answer.status == .success)
            #expect(answer.body.contains("Wish: use B\nExit node: B"))
            #expect(await agent.routeChoice.exitNode == "B")
            #expect(RouteIntentFile.load(from: state).intent.text.contains("exit use B\n"))

            let off = try await agent.ask("routes deselect json all")
            #expect(off.body.contains("\"default\": \"off\""))
            #expect(await kernel.allowedIPs(of: peer(2)) == ["100.64.0.2/32"])
            #expect(RouteIntentFile.load(from: state).intent == .nothing)
        }
    }

    @Test func `unknown names are told, the rest is done, and a command of unknown names alone does nothing`()
        async throws
    {
        try await withAgent { agent, _, state in
            try await agent.deliver(.networkMap(map))
            let partial = try await agent.ask("routes deselect text names no%0Asuch lan")
            #expect(partial.status == .failure)
            #expect(partial.body == "nobody knows no\\u{a}such; all else was done; `wgctl routes list` has the names\n")
            #expect(RouteIntentFile.load(from: state).intent.text.contains("off lan\n"))
            let stored = RouteIntentFile.load(from: state).intent
            let nothing = try await agent.ask("exit use json nowhere")
            #expect(nothing.status == .failure)
            #expect(nothing.body.contains("\"unknown\": [\n    \"nowhere\"\n  ]"))
            #expect(RouteIntentFile.load(from: state).intent == stored)
        }
    }

    @Test func `a wish that cannot be stored does not take effect`() async throws {
        try await withAgent { agent, _, state in
            try await agent.deliver(.networkMap(map))
            // What is written first has a folder in its place.
            #expect(mkdir(state.path + "/.routes.new", 0o700) == 0)
            let answer = try await agent.ask("exit off text")
            #expect(answer.status == .failure)
            #expect(await agent.routeChoice.exitNode == "A")
        }
    }

    @Test func `a damaged wish routes nothing, is shown, and gives way to the next command`() async throws {
        try await withTemporaryFolder { folder in
            let state = try StateDirectory(path: folder)
            try state.write("rubbish\n", to: RouteIntentFile.name)
            let loaded = RouteIntentFile.load(from: state)
            #expect(loaded.intent == .nothing)
            #expect(loaded.problem?.contains("/routes is damaged (it does not begin with") == true)
            try await withAgent(state: state, routes: loaded) { agent, _, _ in
                try await agent.deliver(.networkMap(map))
                #expect(await agent.routeChoice == RouteChoice())
                let status = try await agent.ask("status text")
                #expect(status.status == .degraded)
                #expect(status.body.contains("Problem: routes: \(folder)/routes is damaged"))
                _ = try await agent.ask("exit use text nowhere")
                #expect(try state.read(RouteIntentFile.name) == "rubbish\n")
                _ = try await agent.ask("routes select text all")
                #expect(await agent.routeChoice.exitNode == "A")
                #expect(RouteIntentFile.load(from: state).problem == nil)
                #expect(try state.read("routes.set-aside") == "rubbish\n")
            }
        }
    }

    @Test func `a gateway that is drained says so to its clients, keeps it over a restart, and tells who is left`()
        async throws
    {
        try await withAgent { agent, kernel, state in
            try await agent.deliver(.networkMap(gatewayMap))
            await agent.pass()
            let before = await kernel.policyText()
            let answer = try await agent.ask("drain text")
            #expect(answer.status == .degraded)
            #expect(answer.body == "draining for 0 s: 0 peers still use this host\n")
            #expect(try DrainWish.isDraining(in: state))
            #expect(await kernel.policyText() != before)
            #expect(try await agent.ask("status text").body.contains(", draining (wgctl drain)"))
            let drained = await kernel.policyText()
            await agent.pass()
            #expect(await kernel.policyText() == drained)
            #expect(try await agent.ask("undrain json").body.contains("\"draining\": false"))
            #expect(try !DrainWish.isDraining(in: state))
            #expect(await kernel.policyText() == before)

            try state.write("rubbish", to: "drain")
            #expect(throws: AgentFailure.self) { try DrainWish.isDraining(in: state) }
        }
    }

    @Test func `a drain is over after ten seconds without a packet`() throws {
        let address = try #require(IPAddress("100.64.0.1"))
        func report(_ draining: Int64?, idle: Int64..., networks: Int = 1) -> DrainReport {
            DrainReport(
                networks: networks,
                draining: draining.map { .seconds($0) },
                users: idle.map { DrainReport.User(name: "a\n", address: address, idle: .seconds($0)) }
            )
        }
        #expect(!report(9).isDrained && report(10).isDrained && report(0, networks: 0).isDrained)
        #expect(!report(60, idle: 9, 30).isDrained && report(60, idle: 10).isDrained && !report(nil).isDrained)
        #expect(
            report(60, idle: 9, 30).text == """
                draining for 60 s: 1 peer still uses this host
                  a\\u{a} (100.64.0.1): last packet 9 s ago
                  a\\u{a} (100.64.0.1): last packet 30 s ago

                """
        )
        #expect(report(60, idle: 12).text.hasPrefix("drained: nobody has sent anything through this host for 10 s\n"))
        #expect(report(60, idle: 12).json.contains("\"drained\": true"))
        for line in ["drain", "drain text ", "drain xml", "undrain text text"] {
            #expect(AgentRequest(line: Array(line.utf8)) == nil)
        }
    }

    // MARK: - Surroundings

    /// We are the routing peer.
    private var gatewayMap: NetworkMap {
        get throws {
            var map = try map
            map.routes = [
                NetworkRoute(
                    id: "lan",
                    networkID: "lan",
                    prefix: IPPrefix("10.0.0.0/8"),
                    routingPeer: Sample.own.publicKey,
                    metric: 1,
                    masquerade: true
                )
            ]
            return map
        }
    }

    /// Two exit nodes with both families, and a network.
    private var map: NetworkMap {
        get throws {
            let routes = [
                route("A", "0.0.0.0/0", 1), route("A-v6", "::/0", 1), route("B", "0.0.0.0/0", 2),
                route("B-v6", "::/0", 2), route("lan", "10.0.0.0/8", 1),
            ]
            let peers = try [(1, "a.test"), (2, "b.test")].map { number, name in
                RemotePeer(
                    publicKey: peer(UInt8(number)),
                    allowedIPs: [try #require(IPPrefix("100.64.0.\(number)/32"))],
                    fqdn: name
                )
            }
            return NetworkMap(
                serial: 1,
                own: SelfConfiguration(address: try #require(IPPrefix("100.64.0.9/16")), fqdn: "own.test"),
                peers: peers,
                routes: routes
            )
        }
    }

    private func route(_ name: String, _ prefix: String, _ number: UInt8) -> NetworkRoute {
        NetworkRoute(
            id: name,
            networkID: name,
            prefix: IPPrefix(prefix),
            routingPeer: peer(number),
            metric: 9999,
            masquerade: true
        )
    }

    private func peer(_ number: UInt8) -> PublicKey { Sample.identity(number + 10).publicKey }

    private func reply(_ number: UInt8, _ sequence: UInt16) throws -> EchoReply {
        EchoReply(remote: try #require(IPAddress("100.64.0.\(number)")), sequence: sequence)
    }

    private func withAgent(
        state: StateDirectory? = nil,
        routes: RouteIntentFile.Loaded = RouteIntentFile.Loaded(intent: RouteIntent()),
        _ body: (Agent<FakeKernel>, FakeKernel, StateDirectory) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let state = try state ?? StateDirectory(path: folder)
            let kernel = FakeKernel()
            let agent = try Agent(
                configuration: Sample.configuration(stateDirectory: state.path),
                identity: Sample.own,
                state: state,
                isEnabled: true,
                routes: routes,
                transport: kernel,
                logger: Sample.quietLogger,
                random: SeededGenerator(seed: 1),
                openSTUN: { (_, _, _) throws(STUNSocketError) in SilentPort() },
                openEchoes: { (_, _) throws(EchoError) in SilentPort() }
            )
            try await body(agent, kernel, state)
        }
    }
}

private struct SilentPort: DatagramPort, EchoPort {
    func send(_ datagram: Datagram) {}
    func send(_ request: EchoRequest) {}
    func close() {}
}

extension FakeKernel {
    fileprivate func allowedIPs(of peer: PublicKey) -> [String] {
        let peers = devices["wgm0"]?.peers ?? []
        return peers.first { $0.publicKey == peer }?.allowedIPs.sorted().map(\.description) ?? []
    }
}
