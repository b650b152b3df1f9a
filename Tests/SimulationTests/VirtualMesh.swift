import AgentCore
import ICE
import MeshModel
import Routing
import TestSupport

/// Many agents, one signal server and one network in virtual time; every accident comes from one seed.
///
/// The kernel of each node is modelled as far as it matters here: it holds peers, handshakes with those whose endpoint it
/// knows, answers handshakes of peers it has, and roams their endpoint to where the last one came from.
struct VirtualMesh {
    struct Kernel {
        var device: DeviceConfiguration?
        /// What a peer's packets are sent to now.
        var endpoints: [PublicKey: Endpoint] = [:]
        /// When the last handshake with each peer completed.
        var handshakes: [PublicKey: Duration] = [:]
        /// How often a peer was taken out of the device while the map still had it.
        var peersLost = 0
    }

    struct Node {
        var core: AgentCore
        let key: PublicKey
        var address: IPAddress
        var kernel = Kernel()
        var isRunning = true
    }

    enum Event {
        case input(AgentCore.Input)
        case handshake(from: PublicKey, source: Endpoint, isReply: Bool)
        case retryHandshakes
    }

    struct Scheduled {
        var time: Duration
        var order: Int
        var node: PublicKey
        var event: Event
    }

    struct Weather {
        /// Probability that a message or a datagram is lost.
        var loss = 0.0
        /// Probability that a signal message comes twice.
        var duplication = 0.0
        var delay: ClosedRange<Int> = 1...5
    }

    static let port: UInt16 = 51820

    var nodes: [PublicKey: Node] = [:]
    var weather = Weather()
    /// Pairs of nodes whose packets do not reach each other.
    var partitions: Set<Set<PublicKey>> = []
    /// A relay that every node can reach, if there is one.
    let hasRelay: Bool
    /// Whether peers sleep until there is traffic: here, until a kernel wants a handshake.
    let isLazy: Bool
    private var traps = VirtualTraps()
    /// Which ways over the relay each node has asked for.
    private var ways: [PublicKey: Set<PublicKey>] = [:]
    var random: SeededGenerator
    private(set) var now: Duration = .zero
    private var queue: [Scheduled] = []
    private var order = 0
    private let epoch = ContinuousClock.now
    private var serial: UInt64 = 0
    private(set) var log: [String] = []

    init(nodes count: Int, seed: UInt64, hasRelay: Bool = false, isLazy: Bool = false) {
        self.hasRelay = hasRelay
        self.isLazy = isLazy
        random = SeededGenerator(seed: seed)
        for index in 0..<count {
            var bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            bytes[0] = UInt8(index)
            guard let key = PublicKey(bytes: bytes), let address = IPAddress(bytes: [192, 0, 2, UInt8(index + 1)])
            else {
                preconditionFailure("32 and 4 bytes")
            }
            nodes[key] = Node(core: freshCore(key), key: key, address: address)
        }
        for key in nodes.keys.sorted() { boot(key) }
        publishMap()
    }

    var keys: [PublicKey] { nodes.keys.sorted() }

    // MARK: - What happens to the mesh

    /// The control plane hands the map of all nodes to all that run.
    mutating func publishMap() {
        serial += 1
        for key in keys where nodes[key]?.isRunning == true { schedule(.input(.networkMap(map(for: key))), to: key) }
    }

    /// `kill -9` and start: the core is new, the kernel is as it was.
    mutating func restart(_ key: PublicKey) {
        log.append("\(now): restart \(key)")
        queue.removeAll { entry in
            guard entry.node == key, case .input = entry.event else { return false }
            return true
        }
        let core = freshCore(key)
        nodes[key]?.core = core
        traps.forget(key)
        boot(key)
        schedule(.input(.networkMap(map(for: key))), to: key)
    }

    /// Power off and on: core and kernel are new; what the state directory would hold is all that is left. Signal stays
    /// away, as it does when the servers are gone.
    mutating func rebootWithoutServers(_ key: PublicKey) {
        log.append("\(now): reboot \(key)")
        queue.removeAll { $0.node == key }
        guard var node = nodes[key] else { return }
        _ = node.core.handle(.observed(observations(of: node)), at: epoch + now)
        let endpoints = node.core.lastEndpoints
        node.core = freshCore(key)
        node.kernel = Kernel()
        nodes[key] = node
        boot(key, isSignalConnected: false)
        schedule(.input(.lastEndpoints(endpoints)), to: key)
        schedule(.input(.storedMap(StoredNetworkMap(map: map(for: key), receivedSeconds: 1))), to: key)
    }

    /// What a dump of the node's kernel shows. No data flows here, so its counters stand.
    private func observations(of node: Node) -> [PublicKey: PeerObservation] {
        let unknown = isLazy ? node.kernel.device.map { Set($0.peers.keys) } ?? [] : []
        let peers = unknown.union(node.kernel.endpoints.keys)
        let observations = peers.map { peer in
            let seconds = node.kernel.handshakes[peer].map { $0.components.seconds + 1 } ?? 0
            return (
                peer,
                PeerObservation(
                    endpoint: node.kernel.endpoints[peer],
                    latestHandshakeSeconds: seconds,
                    receivedBytes: 0,
                    sentBytes: 0
                )
            )
        }
        return Dictionary(uniqueKeysWithValues: observations)
    }

    /// The host gets another address, as by DHCP.
    mutating func renumber(_ key: PublicKey, to address: IPAddress) {
        log.append("\(now): \(key) moves to \(address)")
        nodes[key]?.address = address
        schedule(.input(.localAddresses([address])), to: key)
    }

    mutating func interruptSignal(_ key: PublicKey, for duration: Duration) {
        log.append("\(now): \(key) loses signal for \(duration)")
        schedule(.input(.signalServer(.disconnected(reason: "reset"))), to: key)
        schedule(.input(.signalServer(.connected)), to: key, after: duration)
    }

    mutating func run(until end: Duration) {
        while let next = nextTime, next <= end {
            now = max(now, next)
            if let due = queue.firstIndex(where: { $0.time <= now }) {
                let entry = queue.remove(at: due)
                perform(entry.event, at: entry.node)
            } else {
                for key in keys {
                    guard let deadline = nodes[key]?.core.deadline, deadline - epoch <= now else { continue }
                    perform(.input(.tick), at: key)
                }
            }
        }
        now = end
    }

    // MARK: - What must be true

    // MARK: - Machinery

    private func freshCore(_ key: PublicKey) -> AgentCore {
        guard let privateKey = PrivateKey(bytes: key.bytes) else { preconditionFailure("32 bytes") }
        var seeds = random
        return AgentCore(
            configuration: .init(
                interfaceName: "wgm0",
                marks: OwnerMarks(instance: nil),
                privateKey: privateKey,
                publicKey: key,
                listenPort: Self.port,
                mtuBytes: 1280,
                persistentKeepaliveSeconds: 25,
                agentVersion: "simulated"
            ),
            random: SeededGenerator(seed: seeds.next() ^ UInt64(key.bytes[0]))
        )
    }

    private mutating func boot(_ key: PublicKey, isSignalConnected: Bool = true) {
        _ = random.next()
        guard let address = nodes[key]?.address else { return }
        schedule(.input(.listenPort(Self.port)), to: key)
        schedule(.input(.localAddresses([address])), to: key)
        let signal: ConnectionState = isSignalConnected ? .connected : .disconnected(reason: "no server")
        schedule(.input(.signalServer(signal)), to: key)
        schedule(.retryHandshakes, to: key, after: .seconds(1))
        if hasRelay {
            // What the node of before had asked for is gone with its connection.
            for peer in ways.removeValue(forKey: key) ?? [] where ways[peer]?.contains(key) == true {
                schedule(.input(.relay(.lost(key, server: Self.relay))), to: peer)
            }
            schedule(.input(.relay(.homeServer(Self.relay))), to: key, after: .milliseconds(20))
        }
    }

    private func map(for key: PublicKey) -> NetworkMap {
        let prefixes = Dictionary(
            uniqueKeysWithValues: keys.enumerated().map { index, key in
                (key, IPAddress(bytes: [100, 64, 0, UInt8(index + 1)]).map { IPPrefix(host: $0) })
            }
        )
        guard let prefix = prefixes[key] ?? nil, let address = IPPrefix(address: prefix.address, length: 16) else {
            preconditionFailure("a node of the mesh")
        }
        let peers = keys.filter { $0 != key }.map { other in
            RemotePeer(
                publicKey: other,
                allowedIPs: [prefixes[other] ?? nil].compactMap { $0 },
                fqdn: "\(other)",
                agentVersion: "0.60.0"
            )
        }
        let own = SelfConfiguration(address: address, fqdn: "\(key)", isLazyConnectionEnabled: isLazy)
        return NetworkMap(serial: serial, own: own, peers: peers)
    }

    private mutating func schedule(_ event: Event, to node: PublicKey, after delay: Duration = .zero) {
        order += 1
        let entry = Scheduled(time: now + delay, order: order, node: node, event: event)
        let index = queue.firstIndex { ($0.time, $0.order) > (entry.time, entry.order) } ?? queue.endIndex
        queue.insert(entry, at: index)
    }

    private var nextTime: Duration? {
        let deadlines = nodes.values.compactMap { $0.isRunning ? $0.core.deadline.map { $0 - epoch } : nil }
        return ([queue.first?.time].compactMap { $0 } + deadlines).min()
    }

    private mutating func perform(_ event: Event, at key: PublicKey) {
        guard var node = nodes[key] else { return }
        switch event {
        case .input(let input):
            let effects = node.core.handle(input, at: epoch + now)
            nodes[key] = node
            for effect in effects { perform(effect, at: key) }
        case .handshake(let peer, let source, let isReply):
            receiveHandshake(at: key, from: peer, source: source, isReply: isReply)
        case .retryHandshakes:
            for peer in node.kernel.endpoints.keys.sorted() where isStale(node.kernel.handshakes[peer]) {
                sendHandshake(from: key, to: peer, isReply: false)
            }
            schedule(.retryHandshakes, to: key, after: .seconds(5))
        }
    }

    private func isStale(_ handshake: Duration?) -> Bool { handshake.map { now - $0 > .seconds(120) } ?? true }

    private mutating func perform(_ effect: AgentCore.Effect, at key: PublicKey) {
        switch effect {
        case .reconcile(let desired):
            apply(desired?.device, at: key)
            guard isLazy, let node = nodes[key] else { return }
            schedule(.input(.observed(observations(of: node))), to: key, after: .milliseconds(20))
        case .signal(let peer, let message):
            let copies = Double.random(in: 0..<1, using: &random) < weather.duplication ? 2 : 1
            for _ in 0..<copies where !isLost() {
                schedule(.input(.signal(from: key, message)), to: peer, after: delay())
            }
        case .send(let datagram):
            guard let receiver = nodes.values.first(where: { $0.address == datagram.remote.address }),
                datagram.local.address == nodes[key]?.address, reaches(key, receiver.key), !isLost()
            else { return }
            let arrived = Datagram(local: datagram.remote, remote: datagram.local, bytes: datagram.bytes)
            schedule(.input(.datagram(arrived)), to: receiver.key, after: delay())
        case .pathChanged(let peer, let path):
            log.append("\(now): \(key) to \(peer): \(path)")
        case .relay(let request):
            perform(request, at: key)
        case .observe:
            guard let node = nodes[key] else { return }
            schedule(.input(.observed(observations(of: node))), to: key, after: .milliseconds(20))
        case .probe, .carriersMoved, .strayed, .ignored:
            break
        }
    }

    /// A way is there once both ends have asked for it.
    private mutating func perform(_ request: RelayRequest, at key: PublicKey) {
        switch request {
        case .open(let peer, let server):
            traps.remove(peer, of: key)
            ways[key, default: []].insert(peer)
            guard ways[peer]?.contains(key) == true else { return }
            for (node, other) in [(key, peer), (peer, key)] {
                guard let endpoint = Self.relayEndpoint(of: other) else { continue }
                let ready = RelayEvent.ready(other, server: server, endpoint: endpoint)
                schedule(.input(.relay(ready)), to: node, after: .milliseconds(2))
            }
        case .trap(let peer):
            traps.insert(peer, of: key)
            schedule(.input(.relay(.trapped(peer, endpoint: Self.relayEndpoint(of: peer)))), to: key)
        case .send:
            break  // virtual kernels repeat their handshakes
        case .close(let peer):
            traps.remove(peer, of: key)
            ways[key]?.remove(peer)
        }
    }

    private mutating func apply(_ device: DeviceConfiguration?, at key: PublicKey) {
        guard var kernel = nodes[key]?.kernel else { return }
        let before = kernel.device
        kernel.device = device
        for peer in Set(before?.peers.keys.map { $0 } ?? []).subtracting(device?.peers.keys.map { $0 } ?? []) {
            kernel.peersLost += 1
            kernel.endpoints[peer] = nil
            kernel.handshakes[peer] = nil
        }
        var moved: [PublicKey] = []
        for (peer, configuration) in device?.peers ?? [:] {
            let hint = kernel.endpoints[peer] == nil ? configuration.endpointHint : nil
            guard let endpoint = configuration.endpoint ?? hint, before?.peers[peer]?.endpoint != endpoint else {
                continue
            }
            kernel.endpoints[peer] = endpoint
            moved.append(peer)
        }
        nodes[key]?.kernel = kernel
        for peer in moved.sorted() { sendHandshake(from: key, to: peer, isReply: false) }
    }

    private mutating func sendHandshake(from key: PublicKey, to peer: PublicKey, isReply: Bool) {
        guard let node = nodes[key], let endpoint = node.kernel.endpoints[peer] else { return }
        if endpoint == Self.relayEndpoint(of: peer), traps.contains(peer, of: key) {
            schedule(.input(.relay(.caught(peer, packet: [1]))), to: key)
            return
        }
        if endpoint == Self.relayEndpoint(of: peer), let source = Self.relayEndpoint(of: key) {
            guard ways[key]?.contains(peer) == true, ways[peer]?.contains(key) == true else { return }
            schedule(.handshake(from: key, source: source, isReply: isReply), to: peer, after: delay())
            return
        }
        guard let receiver = nodes.values.first(where: { $0.address == endpoint.address }), reaches(key, receiver.key),
            endpoint.port == Self.port, !isLost()
        else { return }
        let source = Endpoint(address: node.address, port: Self.port)
        schedule(.handshake(from: key, source: source, isReply: isReply), to: receiver.key, after: delay())
    }

    private mutating func receiveHandshake(at key: PublicKey, from peer: PublicKey, source: Endpoint, isReply: Bool) {
        guard nodes[key]?.kernel.device?.peers[peer] != nil else { return }
        nodes[key]?.kernel.endpoints[peer] = source
        nodes[key]?.kernel.handshakes[peer] = now
        if !isReply { sendHandshake(from: key, to: peer, isReply: true) }
    }

    private func reaches(_ a: PublicKey, _ b: PublicKey) -> Bool { !partitions.contains([a, b]) }
    private mutating func isLost() -> Bool { Double.random(in: 0..<1, using: &random) < weather.loss }
    private mutating func delay() -> Duration { .milliseconds(Int.random(in: weather.delay, using: &random)) }
}
