import Agent
import AgentCore
import AgentWalk
import Glibc
import MeshModel
import NetlinkWire
import Routing
import TestSupport
import Testing

private func desired(endpoint: String? = nil) throws -> DesiredState {
    let peer = PeerConfiguration(
        publicKey: Sample.peer.publicKey,
        endpoint: endpoint.flatMap { Endpoint($0) },
        allowedIPs: [try #require(IPPrefix("100.64.0.2/32"))],
        persistentKeepaliveSeconds: 25
    )
    let route = RouteConfiguration(
        destination: try #require(IPPrefix("100.64.0.0/16")),
        metric: 0,
        routeProtocol: ownRouteProtocol
    )
    return DesiredState(
        host: HostConfiguration(
            link: LinkConfiguration(name: "wgm0", alias: "wgmesh", mtuBytes: 1280),
            addresses: [try #require(IPPrefix("100.64.0.1/16"))],
            routes: [route]
        ),
        device: DeviceConfiguration(
            privateKey: Sample.own.privateKey,
            listenPort: 51820,
            peers: [peer.publicKey: peer]
        )
    )
}

private func makeReconciler<Kernel: NetlinkTransport>(_ kernel: Kernel) -> Reconciler<Kernel> {
    Reconciler(
        interfaceName: "wgm0",
        marks: OwnerMarks(instance: nil),
        transport: kernel,
        sysctls: FakeSysctls(),
        storeJournal: { _ in },
        logger: Sample.quietLogger
    )
}

/// The failure of a pass; `nil`: there was none.
private func failure(_ reconciler: Reconciler<some NetlinkTransport>, _ state: DesiredState?) async -> AgentFailure? {
    do throws(AgentFailure) {
        _ = try await reconciler.reconcile(state)
        return nil
    } catch {
        return error
    }
}

@Suite struct ReconcilerTests {
    @Test func `an empty host gets link, device, address and route`() async throws {
        let kernel = FakeKernel()
        let outcome = try await makeReconciler(kernel).reconcile(desired(endpoint: "203.0.113.7:51820"))
        #expect(outcome.listenPort == 51820)
        #expect(outcome.observations[Sample.peer.publicKey]?.endpoint == Endpoint("203.0.113.7:51820"))
        let text = await kernel.ipText()
        #expect(text.contains("link wgm0 mtu 1280 up kind wireguard alias wgmesh"))
        #expect(text.contains("address 100.64.0.1/16 dev wgm0"))
        #expect(text.contains("route 100.64.0.0/16 dev wgm0 table 254 proto 77 metric 0"))
        #expect(await kernel.wgText("wgm0").contains("allowed ips: 100.64.0.2/32\n  persistent keepalive: every 25"))
    }

    @Test func `a second run, by a new process too, adopts what is there and writes nothing`() async throws {
        let kernel = FakeKernel()
        let first = makeReconciler(kernel)
        _ = try await first.reconcile(desired())
        let writes = await kernel.writes
        _ = try await first.reconcile(desired())
        _ = try await makeReconciler(kernel).reconcile(desired())
        #expect(writes > 0)
        #expect(await kernel.writes == writes)
    }

    @Test func `an endpoint is set when it is decided, not when the kernel roams`() async throws {
        let kernel = FakeKernel()
        let reconciler = makeReconciler(kernel)
        _ = try await reconciler.reconcile(desired(endpoint: "203.0.113.7:1"))
        let roamed = try #require(Endpoint("198.51.100.1:2"))
        await kernel.roam("wgm0", peer: Sample.peer.publicKey, to: roamed)
        let outcome = try await reconciler.reconcile(desired(endpoint: "203.0.113.7:1"))
        #expect(outcome.observations[Sample.peer.publicKey]?.endpoint == roamed)
        _ = try await reconciler.reconcile(desired(endpoint: "203.0.113.7:9"))
        #expect(await kernel.wgText("wgm0").contains("endpoint: 203.0.113.7:9"))
    }

    @Test func `what another program takes away comes back`() async throws {
        let kernel = FakeKernel()
        let reconciler = makeReconciler(kernel)
        _ = try await reconciler.reconcile(desired())
        let whole = await kernel.ipText()
        await kernel.removeRoutes { _ in true }
        _ = try await reconciler.reconcile(desired())
        #expect(await kernel.ipText() == whole)
        await kernel.removeLink("wgm0")
        _ = try await reconciler.reconcile(desired())
        #expect(await kernel.ipText() == whole)
    }

    @Test func `down removes exactly what is ours`() async throws {
        let kernel = FakeKernel()
        let index = await kernel.addLink("eth0")
        await kernel.addAddress(try #require(IPPrefix("192.0.2.1/24")), link: index)
        let before = await kernel.ipText()
        let reconciler = makeReconciler(kernel)
        _ = try await reconciler.reconcile(desired())
        _ = try await reconciler.reconcile(nil)
        #expect(await kernel.ipText() == before)
        let writes = await kernel.writes
        _ = try await reconciler.reconcile(nil)
        #expect(await kernel.writes == writes)
    }

    @Test func `a foreign link of our name is neither changed nor removed`() async throws {
        let kernel = FakeKernel()
        await kernel.addLink("wgm0", kind: "wireguard", alias: "somebody")
        let reconciler = makeReconciler(kernel)
        #expect(await failure(reconciler, try desired())?.status == .nameTaken)
        #expect(await failure(reconciler, nil) == nil)
        #expect(await kernel.writes == 0)
        #expect(await kernel.ipText().contains("alias somebody"))
    }

    @Test func `a taken port is named, and used as soon as it is free`() async throws {
        let kernel = FakeKernel()
        await kernel.take(port: 51820)
        let reconciler = makeReconciler(kernel)
        let refusal = await failure(reconciler, try desired())
        #expect(refusal?.status == .portTaken)
        #expect(refusal?.description.hasPrefix("UDP port 51820 is in use by another program") == true)
        await kernel.release(port: 51820)
        #expect(try await reconciler.reconcile(desired()).listenPort == 51820)
    }

    @Test func `a kernel without WireGuard and a caller without privilege have their own status`() async throws {
        var traits = FakeKernel.Traits()
        traits.hasWireGuard = false
        #expect(await failure(makeReconciler(FakeKernel(traits: traits)), try desired())?.status == .noWireGuard)
        traits = FakeKernel.Traits()
        traits.isPrivileged = false
        #expect(await failure(makeReconciler(FakeKernel(traits: traits)), try desired())?.status == .notPrivileged)
    }

    @Test func `after a failure at any step the next run converges`() async throws {
        let reference = FakeKernel()
        _ = try await makeReconciler(reference).reconcile(desired(endpoint: "203.0.113.7:1"))
        let (wantedIP, wantedWG) = (await reference.ipText(), await reference.wgText("wgm0"))
        let writes = await reference.writes
        #expect(writes > 4)
        for failing in 1...writes {
            let kernel = FakeKernel()
            let reconciler = makeReconciler(OneRefusal(transport: kernel, write: failing))
            #expect(await failure(reconciler, try desired(endpoint: "203.0.113.7:1")) != nil)
            _ = try await reconciler.reconcile(desired(endpoint: "203.0.113.7:1"))
            #expect(await kernel.ipText() == wantedIP, "after failure of write \(failing)")
            #expect(await kernel.wgText("wgm0") == wantedWG, "after failure of write \(failing)")
        }
    }

    @Test func `one refused route does not hold up the others`() async throws {
        let kernel = FakeKernel()
        let reconciler = makeReconciler(RefusedRoute(transport: kernel))
        var state = try desired()
        for text in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
            let destination = try #require(IPPrefix(text))
            state.host.routes.insert(
                RouteConfiguration(destination: destination, metric: 1, routeProtocol: ownRouteProtocol)
            )
        }
        #expect(await failure(reconciler, state) != nil)
        #expect(await failure(reconciler, state)?.description.contains("10.1.0.0/16") == true)
        let text = await kernel.ipText()
        #expect(!text.contains("route 10.1.0.0/16"))
        #expect(text.contains("route 10.2.0.0/16"))
        #expect(text.contains("route 10.3.0.0/16"))
    }
}

/// Refuses one write of many.
private actor OneRefusal: NetlinkTransport {
    private let transport: FakeKernel
    private var untilRefusal: Int

    init(transport: FakeKernel, write: Int) {
        self.transport = transport
        untilRefusal = write
    }

    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        if !request.flags.contains(.dump) {
            untilRefusal -= 1
            if untilRefusal == 0 { throw NetlinkError(operation: request.operation, code: ENOBUFS) }
        }
        return try await transport.execute(request)
    }
}

/// Somebody else holds the route to 10.1.0.0/16.
private struct RefusedRoute: NetlinkTransport {
    let transport: FakeKernel

    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        if request.operation.contains("10.1.0.0/16") { throw NetlinkError(operation: request.operation, code: EEXIST) }
        return try await transport.execute(request)
    }
}
