import Agent
import AgentCore
import AgentWalk
import Glibc
import MeshModel
import NetlinkWire
import Routing
import TestSupport
import Testing

/// What an agent does about a kernel that somebody else changes.
@Suite struct RepairTests {
    @Test func `repairs are told from changes, counted, kept in the history, and a fight is said`() async throws {
        try await withTemporaryFolder { folder in
            let kernel = FakeKernel()
            let agent = try Agent(
                configuration: Sample.configuration(stateDirectory: folder),
                identity: Sample.own,
                state: StateDirectory(path: folder),
                isEnabled: true,
                transport: kernel,
                sysctls: FakeSysctls(),
                logger: Sample.quietLogger,
                random: SeededGenerator(seed: 1),
                openSTUN: { (_, _, _) throws(STUNSocketError) in ClosedPort() }
            )
            let own = SelfConfiguration(address: try #require(IPPrefix("100.64.0.1/16")), fqdn: "a.mesh")
            await agent.deliver(.networkMap(NetworkMap(serial: 7, own: own, peers: [])))
            await agent.pass()
            #expect(await agent.answer(.status(.historyText)).body.contains("network map 7\n  ip link add dev wgm0"))
            #expect(await agent.answer(.status(.planText)).body == "the kernel holds what it should\n")

            var begun = ContinuousClock.now
            await kernel.removeLink("wgm0")
            #expect(await agent.answer(.status(.planText)).body.contains("ip link add dev wgm0"))
            await agent.pass()
            #expect(await agent.answer(.status(.historyText)).body.contains("repair: "))
            #expect(try await agent.ask("status text").body.contains("Repairs: 1, last"))
            let alarm = "another program keeps undoing what the agent sets"
            var status: StatusResponse
            var count = 0
            var wasSlow: Bool
            repeat {
                for _ in 0..<RepairGuard.limit {
                    await kernel.removeRoutes { $0.routeProtocol == 77 }
                    await agent.pass()
                }
                status = try await agent.ask("status text")
                count += 1
                // Only on a machine so busy that the first repair is a minute old by now is there another round.
                wasSlow = .now - begun > .seconds(50)
                begun = .now
            } while !status.body.contains(alarm) && wasSlow && count < 10
            #expect(status.body.contains(alarm))
            #expect(status.status == .degraded)
            #expect(await agent.answer(.status(.historyJSON)).body.contains("\"repair\": true"))
        }
    }
}

private struct ClosedPort: DatagramPort {
    func send(_ datagram: Datagram) throws(STUNSocketError) {}
    func close() {}
}
