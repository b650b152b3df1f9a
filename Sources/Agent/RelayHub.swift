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
    private let eventLoop: any EventLoop
    private let identity: RelayPeerID
    private let dialer: RelayDialer
    private let logger: Logger
    private let clock = ContinuousClock()
    private let openPort: OpenPort
    private let deliver: @Sendable (RelayEvent) -> Void

    private var access: RelayAccess?
    private var port: (any LoopbackPort)?
    private var portProblem: STUNSocketError?
    private var wireGuardPort: UInt16 = 0
    private var addresses = LoopbackAddresses()
    /// The ways that the core wants.
    private var ways: [RelayPeerID: Way] = [:]
    private var names: [PublicKey: RelayPeerID] = [:]
    /// By the URL that is dialled.
    private var links: [String: Link] = [:]
    private let starts: AsyncStream<String>
    private let startSink: AsyncStream<String>.Continuation
    /// The newest packet of each peer that nobody has asked for yet: mostly its first handshake.
    private var early: [RelayPeerID: (packet: ByteBuffer, received: ContinuousClock.Instant)] = [:]
    /// On its way from relays to WireGuard.
    private var gathered = LoopbackBatch()

    /// Source: spec/wire/relay.md 6.
    private static let earlyLifetime: Duration = .seconds(5)
    private static let mostEarly = 256
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

    private struct Way {
        var peer: PublicKey
        /// The relay's own name, which need not be the URL that is dialled.
        var server: String
        var url: String
        /// On our loopback, in host byte order.
        var address: UInt32
        /// What goes before each packet.
        var header: [UInt8]
    }

    /// One connection, and those after it.
    private struct Link {
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
            for await url in starts { group.addTask { await self.maintain(url) } }
        }
        port?.close()
        port = nil
    }

    private func perform(_ command: Command) {
        switch command {
        case .perform(.open(let peer, let server)): open(peer, server)
        case .perform(.close(let peer)): close(peer)
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
            deliver(.homeServer(nil))
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

    private func close(_ peer: PublicKey) {
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
        links[url] = Link(isHome: isHome, client: client)
        startSink.yield(url)
    }

    /// Ends a link for good: `maintain` finds it gone.
    private func drop(_ url: String) {
        guard let link = links[url] else { return }
        close(link, of: url)
        links[url] = nil
    }

    private func maintain(_ url: String) async {
        guard let target = RelayURL(url) else {
            logger.warning("a relay's URL that is none", metadata: ["url": "\(url)"])
            return
        }
        var backoff = Self.backoff
        var lastReason: String?
        while !Task.isCancelled, let isHome = links[url]?.isHome {
            if isHome { deliver(.home(.connecting)) }
            let reason = await connection(to: target, url) { backoff.reset() }
            guard let link = links[url], !Task.isCancelled else { break }
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
        if let link = links[url] { close(link, of: url) }
    }

    /// One connection, from the first packet to the last.
    ///
    /// - Returns: why it ended.
    private func connection(to target: RelayURL, _ url: String, connected: () -> Void) async -> String {
        do {
            let channel = try await dialer.connect(to: target) { [weak self] event in
                self?.assumeIsolated { $0.receive(event, from: url) }
            }
            guard links[url] != nil, !Task.isCancelled else {
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
            if links[url]?.name != nil { connected() }
            let reason = links[url]?.reason ?? "the relay closed the connection"
            ended(url)
            return reason
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

    private func apply(_ input: RelayClient.Input, to url: String) {
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

    private func endpoint(of way: Way) -> Endpoint? {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: way.address >> (24 - 8 * $0)) }
        guard let port, let address = IPAddress(bytes: bytes) else { return nil }
        return Endpoint(address: address, port: port.port)
    }

    // MARK: - Packets

    /// From WireGuard to the relays.
    private func forward(_ batch: LoopbackBatch) {
        var written: [String: any Channel] = [:]
        for datagram in batch.datagrams where datagram.port == wireGuardPort {
            guard let way = addresses.peer(at: datagram.peer).flatMap({ names[$0] }).flatMap({ ways[$0] }),
                let link = links[way.url], link.name != nil, let channel = link.channel,
                // A relay that does not keep up costs packets, as a full queue does on any network.
                channel.isWritable, datagram.range.count <= RelayLimits.longestPayloadBytes
            else { continue }
            var buffer = channel.allocator.buffer(capacity: RelayLimits.transportHeaderBytes + datagram.range.count)
            buffer.writeBytes(way.header)
            buffer.writeBytes(batch.bytes[datagram.range])
            channel.write(webSocketFrame(buffer), promise: nil)
            written[way.url] = channel
        }
        for channel in written.values { channel.flush() }
    }

    private func receive(_ event: RelayReceiver.Event, from url: String) {
        switch event {
        case .message(let message): receive(message, from: url)
        case .pause: sendGathered()
        }
    }

    private func receive(_ message: ByteBuffer, from url: String) {
        let id = message.withUnsafeReadableBytes { bytes -> RelayPeerID? in
            let span = bytes.bytes
            guard (try? RelayFrame.Kind(of: span)) == .transport else { return nil }  // others are parsed below
            return RelayTransport.peer(of: span)
        }
        guard let id else {
            do {
                apply(.message(try RelayFrame(Array(buffer: message))), to: url)
            } catch {
                logger.debug("a relay's message is ignored", metadata: ["reason": "\(error)"])
            }
            return
        }
        var payload = message
        payload.moveReaderIndex(forwardBy: RelayLimits.transportHeaderBytes)
        if let way = ways[id] {
            gather(payload, way)
        } else {
            keepEarly(payload, id)
        }
    }

    private func gather(_ payload: ByteBuffer, _ way: Way) {
        let start = gathered.bytes.count
        gathered.bytes.append(contentsOf: payload.readableBytesView)
        let range = start..<gathered.bytes.count
        gathered.datagrams.append(.init(range: range, peer: way.address, port: wireGuardPort))
        if gathered.datagrams.count == LoopbackBatch.mostDatagrams { sendGathered() }
    }

    private func sendGathered() {
        if gathered.datagrams.isEmpty { return }
        if wireGuardPort != 0 { port?.send(gathered) }
        gathered.bytes.removeAll(keepingCapacity: true)
        gathered.datagrams.removeAll(keepingCapacity: true)
    }

    private func keepEarly(_ payload: ByteBuffer, _ id: RelayPeerID) {
        let now = clock.now
        if early[id] == nil, early.count >= Self.mostEarly {
            early = early.filter { now - $0.value.received < Self.earlyLifetime }
            guard early.count < Self.mostEarly else { return }
        }
        early[id] = (payload, now)
    }

    private func deliverEarly(_ id: RelayPeerID, _ way: Way) {
        guard let kept = early.removeValue(forKey: id), clock.now - kept.received < Self.earlyLifetime else { return }
        gather(kept.packet, way)
        sendGathered()
    }

    private func webSocketFrame(_ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: data)
    }
}
