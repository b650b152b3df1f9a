import Agent
import AgentCore
import AgentWalk
import MeshModel
import Routing
import TestSupport
import Testing

private let marks = OwnerMarks(instance: nil)
private let forwarding = ["ipv4", "ip_forward"]

/// A host that uses an exit node, and one that is one.
@Suite struct PolicyReconcilerTests {
    private func state(exit: Bool, serves: Bool = false) throws -> DesiredState {
        let table = RouteConfiguration(
            destination: try #require(IPPrefix("0.0.0.0/0")),
            table: marks.table,
            metric: 0,
            routeProtocol: ownRouteProtocol
        )
        let policy = PolicyRouting(
            table: marks.table,
            priority: marks.rulePriority,
            fwmark: marks.fwmark,
            hasExitNode: true
        )
        let served = GatewayConfiguration.Served(prefix: try #require(IPPrefix("10.0.0.0/24")), masquerade: true)
        return DesiredState(
            host: HostConfiguration(
                link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
                addresses: [try #require(IPPrefix("100.64.0.1/16"))],
                routes: exit ? [table] : [],
                policy: exit ? policy : nil,
                gateway: serves ? GatewayConfiguration(served: [served]) : nil
            ),
            device: DeviceConfiguration(privateKey: Sample.own.privateKey, listenPort: 51820, peers: [:])
        )
    }

    private func makeReconciler(_ kernel: FakeKernel, _ sysctls: FakeSysctls) -> Reconciler<FakeKernel> {
        Reconciler(
            interfaceName: "wgm0",
            marks: marks,
            transport: kernel,
            sysctls: sysctls,
            storeJournal: { _ in },
            logger: Sample.quietLogger
        )
    }

    @Test func `rules come after routes, go before them, and nothing is left`() async throws {
        let kernel = FakeKernel()
        let before = await kernel.policyText()
        let reconciler = makeReconciler(kernel, FakeSysctls())
        let on = try await reconciler.reconcile(state(exit: true)).changes
        let route = try #require(on.firstIndex { $0.hasPrefix("ip route add 0.0.0.0/0") })
        let firewall = try #require(on.firstIndex { $0.hasPrefix("nft") })
        let rule = try #require(on.firstIndex { $0.hasPrefix("ip rule add") })
        #expect(route < firewall && firewall < rule)
        #expect(await kernel.policyText().contains("table inet wgmesh"))
        #expect(try await reconciler.reconcile(state(exit: true)).changes.isEmpty)
        // A new process adopts all of it.
        #expect(try await makeReconciler(kernel, FakeSysctls()).reconcile(state(exit: true)).changes.isEmpty)

        let off = try await reconciler.reconcile(state(exit: false)).changes
        let gone = try #require(off.firstIndex { $0.hasPrefix("ip rule del") })
        #expect(gone < (try #require(off.firstIndex { $0.hasPrefix("ip route del 0.0.0.0/0") })))
        #expect(await kernel.policyText() == before)
    }

    @Test func `a preview says what a pass then does, and does nothing`() async throws {
        let kernel = FakeKernel()
        let reconciler = makeReconciler(kernel, FakeSysctls([forwarding: "0"]))
        let wanted = try state(exit: true, serves: true)
        let preview = try await reconciler.preview(wanted)
        #expect(await kernel.writes == 0)
        let done = try await reconciler.reconcile(wanted).changes
        #expect(preview.filter { !$0.hasPrefix("nft") } == done.filter { !$0.hasPrefix("nft") })
        #expect(try await reconciler.preview(wanted).isEmpty)
    }

    @Test func `flushed rules and tables come back`() async throws {
        let kernel = FakeKernel()
        let reconciler = makeReconciler(kernel, FakeSysctls())
        _ = try await reconciler.reconcile(state(exit: true))
        let whole = await kernel.policyText()
        await kernel.flushRules()
        #expect(try await reconciler.reconcile(state(exit: true)).changes.count == 6)
        await kernel.flushNftables()
        #expect(try await reconciler.reconcile(state(exit: true)).changes.count == 1)
        #expect(await kernel.policyText() == whole)
    }

    @Test func `a gateway forwards, and its settings are put back, by another process too`() async throws {
        let kernel = FakeKernel()
        let sysctls = FakeSysctls([forwarding: "0"])
        let stored = StoredJournal()
        let first = Reconciler(
            interfaceName: "wgm0",
            marks: marks,
            transport: kernel,
            sysctls: sysctls,
            storeJournal: { stored.put($0) },
            logger: Sample.quietLogger
        )
        _ = try await first.reconcile(state(exit: false, serves: true))
        #expect(await sysctls.values[forwarding] == "1")
        let second = Reconciler(
            interfaceName: "wgm0",
            marks: marks,
            transport: kernel,
            sysctls: sysctls,
            journal: stored.journal,
            storeJournal: { stored.put($0) },
            logger: Sample.quietLogger
        )
        _ = try await second.reconcile(nil)
        #expect(await sysctls.values[forwarding] == "0")
        #expect(stored.journal.entries.isEmpty)
    }

    @Test func `another program's table of our name is left alone, and said`() async throws {
        let kernel = FakeKernel()
        let theirs = NftablesTable(marks.nftablesTable, comment: "mine")
        try await HostNetwork(transport: kernel).commit([.addTable(theirs)])
        let reconciler = makeReconciler(kernel, FakeSysctls())
        let failure = await #expect(throws: AgentFailure.self) {
            try await reconciler.reconcile(try state(exit: true))
        }
        #expect(failure?.status == .nameTaken)
        _ = try await reconciler.reconcile(nil)
        #expect(await kernel.policyText().contains("table inet wgmesh"))
    }
}
