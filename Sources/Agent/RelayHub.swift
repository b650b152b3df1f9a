package import AgentCore
import Glibc
package import Logging
package import MeshModel
package import MeshProto
import NIOCore
import NIOPosix
import NIOWebSocket
import RelayWire

/// The relays we are connected to, and the packets between them and the kernel's WireGuard.
///
/// One home relay, where peers find us, and those of peers whose relay is another one. It lives on one event loop, so a
/// packet changes threads once at most.
package actor RelayHub {
    /// Opens the socket that WireGuard sends to; tests give their own.
    package typealias OpenPort =
        @Sendable (_ sink: @escaping @Sendable (LoopbackBatch) -> Void) throws(STUNSocketError) -> any LoopbackPort

    package nonisolated let unownedExecutor: UnownedSerialExecutor
    let eventLoop: any EventLoop
    private let identity: RelayPeerID
    let dialer: RelayDialer
    let logger: Logger
    let clock = ContinuousClock()
    private let openPort: OpenPort
    let deliver: @Sendable (RelayEvent) -> Void

    private var access: RelayAccess?
    var port: (any LoopbackPort)?
    private var portProblem: STUNSocketError?
    var wireGuardPort: UInt16 = 0
    var addresses = LoopbackAddresses()
    /// The ways that the core wants.
    var ways: [RelayPeerID: Way] = [:]
    var names: [PublicKey: RelayPeerID] = [:]
    /// Peers without a way whose packets the core wants, and how many more of them.
    var traps: [PublicKey: Int] = [:]
    /// By the URL that is dialled.
    var links: [String: Link] = [:]
    private let starts: AsyncStream<LinkID>
    private let startSink: AsyncStream<LinkID>.Continuation
    private var linkCount = 0
    /// The newest packet of each peer that nobody has asked for yet: mostly its first handshake.
    var early: [RelayPeerID: (packet: ByteBuffer, received: ContinuousClock.Instant)] = [:]
    /// On its way from relays to WireGuard.
    var gathered = LoopbackBatch()

    /// Source: spec/wire/relay.md 6.
    static let earlyLifetime: Duration = .seconds(5)
    static let mostEarly = 256
    /// What one burst of WireGuard's brings before it waits for a handshake; a flood must not become one of events.
    private static let mostCaught = 8
    /// How often the core is told that a peer's packets come.
    static let carriedInterval: Duration = .seconds(1)
    /// Peers name their relays themselves: more than this many at a time are not dialled.
    private static let mostLinks = 64
    /// Reconnecting. Source: spec/wire/relay.md 7.
    private static let backoff = Backoff(initial: .seconds(1), factor: 2, maximum: .seconds(30))

    package enum Command: Sendable {
        case perform(RelayRequest)
        /// What the control plane says of relays; `nil`: the mesh has none.
        case configure(RelayAccess?)
        /// The port of the kernel's WireGuard; 0: the tunnel is down.
        case setWireGuardPort(UInt16)
    }

    struct Way {
        var peer: PublicKey
        /// The relay's own name, which need not be the URL that is dialled.
        var server: String
        var url: String
        /// On our loopback, in host byte order.
        var address: UInt32
        /// What goes before each packet.
        var header: [UInt8]
        /// When the core was last told that packets come.
        var carried: ContinuousClock.Instant?
        /// More have come since, which it will be told of.
        var isCarriedPending = false
    }

    /// A link that was dropped and one that is made anew for the same URL are two.
    struct LinkID: Hashable {
        var url: String
        var number: Int
    }

    /// One connection, and those after it.
    struct Link {
        let number: Int
        var isHome: Bool
        var client: RelayClient
        var channel: (any Channel)?
        /// The relay's own name; `nil` while we are not connected.
        var name: String?
        /// Why the connection was given up; `nil`: the other side did.
        var reason: String?
        var alarm: Scheduled<Void>?
    }

    /// - Parameter deliver: gets every event, in order; must not block.
    package init(
        identity: PublicKey,
        sockets: ControlSockets,
        logger: Logger,
        openPort: @escaping OpenPort = KernelLoopbackPort.init(sink:),
        deliver: @escaping @Sendable (RelayEvent) -> Void
    ) {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        self.eventLoop = eventLoop
        unownedExecutor = eventLoop.executor.asUnownedSerialExecutor()
        self.identity = RelayPeerID(identity)
        dialer = RelayDialer(sockets: sockets, eventLoop: eventLoop)
        self.logger = logger
        self.openPort = openPort
        self.deliver = deliver
        (starts, startSink) = AsyncStream.makeStream()
    }

    /// Keeps the connections until the surrounding task is cancelled.
    ///
    package func run(commands: AsyncStream<Command>) async {
        await withDiscardingTaskGroup { group in
            group.addTask { for await command in commands { await self.perform(command) } }
            for await link in starts { group.addTask { await self.maintain(link) } }
        }
        port?.close()
        port = nil
    }

    private func perform(_ command: Command) {
        switch command {
        case .perform(.open(let peer, let server)): open(peer, server)
        case .perform(.close(let peer)): close(peer)
        case .perform(.trap(let peer)): trap(peer)
        case .perform(.send(let peer, let packets)): send(packets, to: peer)
        case .configure(let access): configure(access)
        case .setWireGuardPort(let port): wireGuardPort = port
        }
    }

    private func configure(_ newAccess: RelayAccess?) {
        guard newAccess != access else { return }
        let former = access?.urls.first
        access = newAccess
        guard newAccess?.urls.first != former else { return }
        for (url, link) in links where link.isHome { drop(url) }
        guard let url = newAccess?.urls.first else {
            deliver(.home(nil))
            return
        }
        if links[url] == nil { start(url, isHome: true) } else { links[url]?.isHome = true }
    }

    // MARK: - Ways

    private func open(_ peer: PublicKey, _ server: String) {
        close(peer)
        let url = url(of: server)
        guard links[url] != nil || links.count < Self.mostLinks, openSocket(), let address = addresses.address(of: peer)
        else { return }
        let id = RelayPeerID(peer)
        let header = RelayTransport.header(to: id)
        ways[id] = Way(peer: peer, server: server, url: url, address: address, header: header)
        names[peer] = id
        if links[url] == nil { start(url, isHome: false) }
        apply(.open(id), to: url)
    }

    private func trap(_ peer: PublicKey) {
        close(peer)
        guard openSocket(), let address = addresses.address(of: peer) else {
            deliver(.trapped(peer, endpoint: nil))
            return
        }
        traps[peer] = Self.mostCaught
        deliver(.trapped(peer, endpoint: endpoint(at: address)))
    }

    private func close(_ peer: PublicKey) {
        if traps.removeValue(forKey: peer) != nil { addresses.release(peer) }
        guard let id = names.removeValue(forKey: peer), let way = ways.removeValue(forKey: id) else { return }
        addresses.release(peer)
        apply(.close(id), to: way.url)
        if links[way.url]?.isHome == false, !ways.values.contains(where: { $0.url == way.url }) { drop(way.url) }
    }

    /// What to dial for the relay of this name: the home relay may have another name than its URL.
    private func url(of server: String) -> String { links.first { $0.value.name == server }?.key ?? server }

    private func openSocket() -> Bool {
        if port != nil { return true }
        do throws(STUNSocketError) {
            port = try openPort { [weak self, eventLoop] batch in
                guard let self else { return }
                eventLoop.execute { self.assumeIsolated { $0.forward(batch) } }
            }
            portProblem = nil
        } catch {
            if portProblem != error { logger.error("no relaying", metadata: ["reason": "\(error)"]) }
            portProblem = error
        }
        return port != nil
    }

    // MARK: - Connections

    private func start(_ url: String, isHome: Bool) {
        var client = RelayClient(identity: identity)
        // What was asked for on an earlier link to it.
        for (id, way) in ways where way.url == url { _ = client.handle(.open(id), token: [], at: clock.now) }
        linkCount += 1
        links[url] = Link(number: linkCount, isHome: isHome, client: client)
        startSink.yield(LinkID(url: url, number: linkCount))
    }

    /// Ends a link for good: `maintain` finds it gone.
    private func drop(_ url: String) {
        guard let link = links[url] else { return }
        close(link, of: url)
        links[url] = nil
    }

    /// The link, unless it was dropped meanwhile.
    private func current(_ id: LinkID) -> Link? { links[id.url].flatMap { $0.number == id.number ? $0 : nil } }

    private func maintain(_ id: LinkID) async {
        let url = id.url
        guard let target = RelayURL(url) else {
            logger.warning("a relay's URL that is none", metadata: ["url": "\(url)"])
            return
        }
        var backoff = Self.backoff
        var lastReason: String?
        while !Task.isCancelled, let isHome = current(id)?.isHome {
            if isHome { deliver(.home(.connecting)) }
            let reason = await connection(to: target, id) { backoff.reset() }
            guard let link = current(id), !Task.isCancelled else { break }
            logger.log(
                level: reason == lastReason ? .debug : .info,
                "relay disconnected",
                metadata: ["relay": "\(url)", "reason": "\(reason)"]
            )
            lastReason = reason
            if link.isHome { deliver(.home(.disconnected(reason: reason))) }
            do {
                try await clock.sleep(for: backoff.next(random: .random(in: 0.25..<0.75)))
            } catch {
                break  // cancelled: the agent ends
            }
        }
        if let link = current(id) { close(link, of: url) }
    }

    /// One connection, from the first packet to the last.
    ///
    /// - Returns: why it ended.
    private func connection(to target: RelayURL, _ id: LinkID, connected: () -> Void) async -> String {
        let url = id.url
        do {
            let channel = try await dialer.connect(to: target) { [weak self] event in
                self?.assumeIsolated { if $0.current(id) != nil { $0.receive(event, from: url) } }
            }
            guard current(id) != nil, !Task.isCancelled else {
                channel.close(promise: nil)
                return "not wanted any more"
            }
            links[url]?.channel = channel
            links[url]?.reason = nil
            apply(.opened, to: url)
            await withTaskCancellationHandler {
                try? await channel.closeFuture.get()  // a close future does not fail
            } onCancel: {
                channel.close(promise: nil)
            }
            guard let link = current(id) else { return "not wanted any more" }
            if link.name != nil { connected() }
            ended(url)
            return link.reason ?? "the relay closed the connection"
        } catch {
            return "\(error)"
        }
    }

    private func ended(_ url: String) {
        guard let link = links[url] else { return }
        link.alarm?.cancel()
        apply(.closed, to: url)
        links[url]?.channel = nil
        links[url]?.name = nil
        if link.isHome, link.name != nil { deliver(.homeServer(nil)) }
    }

    private func close(_ link: Link, of url: String) {
        link.alarm?.cancel()
        for effect in close(link.client) { perform(effect, of: url) }
        if link.isHome, link.name != nil { deliver(.homeServer(nil)) }
        link.channel?.close(promise: nil)
    }

    private func close(_ client: RelayClient) -> [RelayClient.Effect] {
        var client = client
        return client.handle(.closed, token: [], at: clock.now)
    }

    func apply(_ input: RelayClient.Input, to url: String) {
        guard var link = links[url] else { return }
        let effects = link.client.handle(input, token: token, at: clock.now)
        links[url] = link
        for effect in effects { perform(effect, of: url) }
        setAlarm(url)
    }

    private var token: [UInt8] {
        access.flatMap { RelayToken(payload: $0.tokenPayload, signatureBase64: $0.tokenSignature) }?.wire ?? []
    }

    private func perform(_ effect: RelayClient.Effect, of url: String) {
        switch effect {
        case .send(let frame):
            guard let channel = links[url]?.channel else { return }
            channel.writeAndFlush(webSocketFrame(ByteBuffer(bytes: frame.encode())), promise: nil)
        case .connected(let name):
            links[url]?.name = name
            logger.info("relay connected", metadata: ["relay": "\(name)"])
            if links[url]?.isHome == true {
                deliver(.home(.connected))
                deliver(.homeServer(name))
            }
        case .online(let id):
            guard let way = ways[id], let endpoint = endpoint(of: way) else { return }
            deliver(.ready(way.peer, server: way.server, endpoint: endpoint))
            deliverEarly(id, way)
        case .offline(let id):
            guard let way = ways[id] else { return }
            deliver(.lost(way.peer, server: way.server))
        case .disconnect(let reason):
            links[url]?.reason = reason
            links[url]?.channel?.close(promise: nil)
        }
    }

    private func setAlarm(_ url: String) {
        guard let link = links[url] else { return }
        link.alarm?.cancel()
        guard let deadline = link.client.deadline else {
            links[url]?.alarm = nil
            return
        }
        let delay = TimeAmount(max(.zero, deadline - clock.now))
        links[url]?.alarm = eventLoop.scheduleTask(in: delay) { [weak self] in
            self?.assumeIsolated { $0.apply(.tick, to: url) }
        }
    }

    private func endpoint(of way: Way) -> Endpoint? { endpoint(at: way.address) }

    private func endpoint(at address: UInt32) -> Endpoint? {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: address >> (24 - 8 * $0)) }
        guard let port, let address = IPAddress(bytes: bytes) else { return nil }
        return Endpoint(address: address, port: port.port)
    }
}
