import Agent
import Glibc
import MeshModel
import Routing
import TestSupport
import Testing
import WGKernel

/// `nil`: passed.
private func outcome(_ kernel: FakeKernel, probe: Int32 = 0) async throws -> MeshModel.ExitStatus? {
    let configuration = try Sample.configuration()
    do throws(AgentFailure) {
        try await Preflight.check(configuration, transport: kernel, probePort: { _ in probe })
        return nil
    } catch {
        return error.status
    }
}

@Suite struct PreflightTests {
    @Test func `a host that has what is needed passes untouched`() async throws {
        let kernel = FakeKernel()
        #expect(try await outcome(kernel) == nil)
        #expect(await kernel.writes == 0)
    }

    @Test func `each thing that is missing has its own exit status`() async throws {
        var traits = FakeKernel.Traits()
        traits.hasWireGuard = false
        #expect(try await outcome(FakeKernel(traits: traits)) == .noWireGuard)
        traits = FakeKernel.Traits()
        traits.isPrivileged = false
        #expect(try await outcome(FakeKernel(traits: traits)) == .notPrivileged)
        #expect(try await outcome(FakeKernel(), probe: -EADDRINUSE) == .portTaken)
        let occupied = FakeKernel()
        await occupied.addLink("wgm0", kind: "dummy")
        #expect(try await outcome(occupied) == .nameTaken)
    }

    @Test func `rules of another instance at our place are told, our own are not`() async throws {
        let marks = OwnerMarks(instance: nil)
        for (table, expected) in [(marks.table, nil), (7001, MeshModel.ExitStatus.nameTaken)] {
            let kernel = FakeKernel()
            let rule = RoutingRule(
                isV4: true,
                priority: marks.rulePriority + 2,
                .lookUp(table: table),
                isInverted: true,
                fwmark: marks.fwmark
            )
            try await HostNetwork(transport: kernel).apply([RoutingOperation.addRule(rule)])
            #expect(try await outcome(kernel) == expected)
        }
    }

    @Test func `our own tunnel from before holds the port by right`() async throws {
        let kernel = FakeKernel()
        let index = await kernel.addLink("wgm0", kind: "wireguard", alias: "wgmesh")
        await kernel.set(device: DeviceSnapshot(name: "wgm0", index: index, listenPort: 51820))
        #expect(try await outcome(kernel, probe: -EADDRINUSE) == nil)
    }
}
