import Agent
import AgentCore
import Glibc
import MeshModel
import NetlinkWire
import Routing
import Synchronization
import TestSupport
import Testing

/// One datum on its way: a peer's endpoint, from the signal message to the bytes of the netlink attribute.
///
/// The table of docs/endpoint-path.md as a program; hops 3 to 8.
@Suite struct EndpointPathTests {
    @Test func `a signalled candidate becomes WGPEER_A_ENDPOINT`() async throws {
        try await withTemporaryFolder { folder in
            let kernel = RecordingKernel()
            let wire = Mailbox()
            let agent = try Agent(
                configuration: Sample.configuration(stateDirectory: folder),
                identity: Sample.own,
                state: StateDirectory(path: folder),
                isEnabled: true,
                transport: kernel,
                logger: Sample.quietLogger,
                random: SeededGenerator(seed: 1),
                openSTUN: { (_, _, _) throws(STUNSocketError) in FakePort(mailbox: wire) }
            )
            var peer = try RemotePeerAgent()
            var now = ContinuousClock().now
            await agent.setSignalSink { wire.put(.signal($0.message)) }

            await agent.deliver(.localAddresses([RemotePeerAgent.agentAddress]), at: now)
            await agent.deliver(.signalServer(.connected), at: now)
            await agent.deliver(.networkMap(peer.map), at: now)
            await agent.pass()
            for _ in 0..<200 where await !kernel.hasSent(peer.endpointAttribute) {
                for item in peer.exchange(wire.take(), at: now) {
                    switch item {
                    case .signal(let message):
                        await agent.deliver(.signal(from: Sample.peer.publicKey, message), at: now)
                    case .datagram(let datagram): await agent.deliver(.datagram(datagram), at: now)
                    }
                }
                await agent.pass()
                guard let next = [await agent.deadline, peer.deadline].compactMap({ $0 }).min() else { continue }
                now = max(now, next)
                await agent.deliver(.tick, at: now)
            }
            // nla_len 20, WGPEER_A_ENDPOINT, AF_INET, port 51820, 203.0.113.7, padding.
            #expect(peer.endpointAttribute == bytes("1400 0400 0200 ca6c cb007107 0000000000000000"))
            #expect(await kernel.hasSent(peer.endpointAttribute))
        }
    }
}

/// The other side: a core of its own, whose messages and datagrams cross a network without loss.
private struct RemotePeerAgent {
    static let agentAddress = address("198.51.100.1")
    private static let ownAddress = address("203.0.113.7")
    private var core: AgentCore

    let endpointAttribute: [UInt8] =
        [20, 0, 4, 0, 2, 0, 0xca, 0x6c] + ownAddress.bytes + [0, 0, 0, 0, 0, 0, 0, 0]

    init() throws {
        core = AgentCore(
            configuration: AgentCore.Configuration(
                interfaceName: "wgm0",
                marks: OwnerMarks(instance: nil),
                privateKey: Sample.peer.privateKey,
                publicKey: Sample.peer.publicKey,
                listenPort: 51820,
                mtuBytes: 1280,
                persistentKeepaliveSeconds: 25,
                agentVersion: "0.60.1"
            ),
            random: SeededGenerator(seed: 2)
        )
        let now = ContinuousClock().now
        _ = core.handle(.localAddresses([Self.ownAddress]), at: now)
        _ = core.handle(.listenPort(51820), at: now)
        _ = core.handle(.signalServer(.connected), at: now)
        _ = core.handle(
            .networkMap(Self.map(of: Sample.own.publicKey, own: "100.64.0.2/16", peer: "100.64.0.1/32")),
            at: now
        )
    }

    var deadline: ContinuousClock.Instant? { core.deadline }

    /// The map that the agent under test gets.
    var map: NetworkMap { Self.map(of: Sample.peer.publicKey, own: "100.64.0.1/16", peer: "100.64.0.2/32") }

    /// Takes what the agent sent, and answers.
    mutating func exchange(_ items: [Mailbox.Item], at now: ContinuousClock.Instant) -> [Mailbox.Item] {
        var effects = core.handle(.tick, at: now)
        for item in items {
            switch item {
            case .signal(let message): effects += core.handle(.signal(from: Sample.own.publicKey, message), at: now)
            case .datagram(let datagram): effects += core.handle(.datagram(datagram.mirrored), at: now)
            }
        }
        return effects.compactMap { effect in
            switch effect {
            case .signal(_, let message): .signal(message)
            case .send(let datagram): .datagram(datagram.mirrored)
            case .reconcile, .relay, .probe, .carriersMoved, .pathChanged, .strayed, .observe, .ignored: nil
            }
        }
    }

    private static func map(of peer: PublicKey, own: String, peer allowed: String) -> NetworkMap {
        guard let own = IPPrefix(own), let allowed = IPPrefix(allowed) else { preconditionFailure("bad sample") }
        return NetworkMap(
            serial: 1,
            own: SelfConfiguration(address: own, fqdn: "host.test"),
            peers: [RemotePeer(publicKey: peer, allowedIPs: [allowed], fqdn: "peer.test")]
        )
    }

    private static func address(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("bad sample") }
        return address
    }
}

extension Datagram {
    /// As the receiver sees it.
    fileprivate var mirrored: Datagram { Datagram(local: remote, remote: local, bytes: bytes) }
}

/// What the agent has sent and the other side has not taken yet.
private final class Mailbox: Sendable {
    enum Item: Sendable {
        case signal(SignalMessage)
        case datagram(Datagram)
    }

    // A lock, because the agent's sinks are synchronous by design.
    private let items = Mutex<[Item]>([])

    func put(_ item: Item) { items.withLock { $0.append(item) } }

    func take() -> [Item] {
        items.withLock { items in
            defer { items = [] }
            return items
        }
    }
}

private struct FakePort: DatagramPort {
    let mailbox: Mailbox

    func send(_ datagram: Datagram) { mailbox.put(.datagram(datagram)) }
    func close() {}
}

/// A fake kernel that keeps the bytes of every request.
private actor RecordingKernel: NetlinkTransport {
    private let kernel = FakeKernel()
    private var payloads: [[UInt8]] = []

    func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        payloads.append(request.payload)
        return try await kernel.execute(request)
    }

    func hasSent(_ attribute: [UInt8]) -> Bool {
        payloads.contains { payload in
            payload.indices.contains { payload[$0...].starts(with: attribute) }
        }
    }
}
