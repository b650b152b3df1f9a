import Glibc
import Logging
import NIOCore
import RelayWire

/// One client of the relay, from the WebSocket upgrade on. Lives on its channel's event loop.
///
/// Whatever is wrong ends the TCP connection without a word, as stock relays do (spec/wire/relay.md 5).
final class RelayConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Nothing but `auth` is read, and only for 10 s.
        case unknown(deadline: Scheduled<Void>?)
        /// `auth` was right; what follows it waits until the answer is sent.
        case registering(RelayPeerID)
        case admitted(RelayPeerID)
        case ended
    }

    /// Source: spec/wire/relay.md 5.
    private static let authPatience: TimeAmount = .seconds(10)
    /// How long a client may take to receive its `close` when the server stops.
    private static let farewellPatience: TimeAmount = .seconds(3)
    /// Packets for a receiver that has more than this waiting are dropped: the newest, as any router's queue does, since a
    /// TCP inside the tunnel reads the gap as congestion, while the head of the queue is what the receiver sees next.
    static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 64 << 10, high: 256 << 10)
    /// Messages other than packets are never dropped; a client that leaves so many bytes of them unread is cut off.
    private static let backlogLimitBytes = 1 << 20

    private let id: RelayPresence.ConnectionID
    private let server: RelayServer
    private let loop: RelayLoop
    private let transit = RelayTransit()
    private var state = State.unknown(deadline: nil)
    private var context: ChannelHandlerContext?
    /// Received, and not a whole frame yet.
    private var held = ByteBuffer()
    private var health: RelayHealth?
    private var healthTimer: Scheduled<Void>?
    private var backlogBytes = 0
    private var hasUnflushed = false
    /// Packets of the bytes that are being read, in the order in which they lie there; kept for its memory.
    private var runs: [Run] = []
    /// Packets for connections on other event loops, until `channelReadComplete`.
    private var departures: [Departure] = []

    /// Packets in a row for one peer.
    private struct Run {
        let peer: RelayPeerID
        let start: Int
        var end: Int
        var packets: Int
    }

    private struct Departure {
        let loop: any EventLoop
        var packets: [(route: RelayRoute, bytes: ByteBuffer, count: Int)]
    }

    init(id: RelayPresence.ConnectionID, server: RelayServer, loop: RelayLoop) {
        self.id = id
        self.server = server
        self.loop = loop
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        state = .unknown(
            deadline: context.eventLoop.scheduleTask(in: Self.authPatience) { bound.value.end("no auth in time") }
        )
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end("\(error)") }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        if case .ended = state { return }
        if held.readableBytes == 0 { held = bytes } else { held.writeBuffer(&bytes) }
        process()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        depart()
        loop.flush()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { backlogBytes = 0 }
        context.fireChannelWritabilityChanged()
    }

    /// The server stops: the client hears it, and then the connection ends.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            guard case .admitted = state else { return end("the server stops") }
            send(.close)
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in
                bound.value.end("the server stops")
            }
            context.eventLoop.scheduleTask(in: Self.farewellPatience) { bound.value.end("the server stops") }
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: - What the server says

    /// The name is ours: the answer goes out before anything else, and what the client has sent since is read.
    func admit() {
        guard case .registering(let peer) = state, let context else { return }
        state = .admitted(peer)
        loop.counters.connections += 1
        loop.counters.authenticated += 1
        send(.authResponse(instanceURL: server.instanceURL(context.channel.localAddress)))
        health = RelayHealth(at: .now)
        setHealthTimer(context)
        process()
        depart()
        loop.flush()
    }

    func end(_ reason: String) {
        if case .ended = state { return }
        server.logger.debug("relay connection ended", metadata: ["connection": "\(id)", "reason": "\(reason)"])
        let context = context
        leave()
        context?.close(promise: nil)
    }

    /// Sends a message that is no packet.
    func send(_ frame: RelayFrame) { send(.binary, frame.encode()) }

    /// Queues packets that another peer sent, in WebSocket frames that are ready to go; `flush` sends them.
    func receive(_ packets: ByteBuffer, count: Int) {
        guard case .admitted = state, let context else { return loop.counters.unroutedPackets += count }
        guard context.channel.isWritable else { return loop.counters.droppedPackets += count }
        loop.counters.forwardedPackets += count
        loop.counters.forwardedBytes += packets.readableBytes
        // A small part would keep the memory of the whole read alive as long as it waits here.
        let isSmallPart = packets.readableBytes * 4 < packets.storageCapacity
        let bytes = isSmallPart ? context.channel.allocator.buffer(buffer: packets) : packets
        context.write(Self.wrapOutboundOut(bytes), promise: nil)
        if !hasUnflushed { loop.flushLater(self) }
        hasUnflushed = true
    }

    func flush() {
        hasUnflushed = false
        context?.flush()
    }

    private func send(_ opcode: WebSocketFrame.Opcode, _ payload: [UInt8]) {
        guard let context else { return }
        let frame = WebSocketFrame.serverFrame(opcode, payload)
        if !context.channel.isWritable {
            backlogBytes += frame.count
            guard backlogBytes <= Self.backlogLimitBytes else { return end("reads too slowly") }
        }
        context.writeAndFlush(Self.wrapOutboundOut(context.channel.allocator.buffer(bytes: frame)), promise: nil)
    }

    private func leave() {
        switch state {
        case .unknown(let deadline):
            deadline?.cancel()
            loop.counters.refused += 1
        case .registering: server.unregister(id)
        case .admitted:
            loop.counters.connections -= 1
            server.unregister(id)
        case .ended: return
        }
        state = .ended
        healthTimer?.cancel()
        held = ByteBuffer()
        context = nil
    }

    private func setHealthTimer(_ context: ChannelHandlerContext) {
        guard let deadline = health?.deadline else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let delay = TimeAmount(max(.zero, deadline - .now))
        healthTimer = context.eventLoop.scheduleTask(in: delay) { bound.value.tick() }
    }

    private func tick() {
        for effect in health?.tick(at: .now) ?? [] {
            switch effect {
            case .sendCheck: send(.healthCheck)
            case .fail: return end("no echo of a health check")
            }
        }
        if let context { setHealthTimer(context) }
    }

    // MARK: - What the client says

    /// Reads all whole frames in `held`, and forwards the packets among them.
    private func process() {
        guard held.readableBytes > 0, let context else { return }
        // Packets are unmasked into one buffer, each behind the header it is sent with; it is never larger than the input.
        var out = context.channel.allocator.buffer(capacity: held.readableBytes)
        let (consumed, failure) = read(held, into: &out)
        forward(out, from: context.eventLoop)
        if let failure { return end("\(failure)") }
        if case .ended = state { return }
        held.moveReaderIndex(forwardBy: consumed)
        if held.readableBytes == 0 { held = ByteBuffer() }
    }

    /// - Returns: the bytes of `input` that were used, and what ended the reading but for the end of them.
    private func read(_ input: ByteBuffer, into out: inout ByteBuffer) -> (consumed: Int, failure: WebSocketError?) {
        var failure: WebSocketError?
        var consumed = 0
        _ = out.writeWithUnsafeMutableBytes(minimumWritableBytes: input.readableBytes) { target in
            input.withUnsafeReadableBytes { source in
                var written = 0
                do throws(WebSocketError) {
                    while let used = try readFrame(
                        UnsafeRawBufferPointer(rebasing: source[consumed...]),
                        into: UnsafeMutableRawBufferPointer(rebasing: target[written...]),
                        at: &written
                    ) { consumed += used }
                } catch { failure = error }
                return written
            }
        }
        return (consumed, failure)
    }

    /// - Parameters:
    ///   - target: where a packet goes, as a whole WebSocket frame.
    ///   - written: moves on by the size of it.
    /// - Returns: bytes of `source` that were used; `nil`: there is no whole frame, or it has to wait.
    private func readFrame(
        _ source: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawBufferPointer,
        at written: inout Int
    ) throws(WebSocketError) -> Int? {
        let own: RelayPeerID?
        switch state {
        case .unknown: own = nil
        case .admitted(let peer): own = peer
        case .registering, .ended: return nil
        }
        // Of an unknown client, no more is read than `auth` may have.
        let longest = own == nil ? RelayLimits.longestAuthBytes : RelayLimits.longestMessageBytes
        guard let header = try WebSocketFrame.Header(source.bytes, longestPayloadBytes: longest),
            source.count >= header.headerBytes + header.payloadBytes
        else { return nil }
        let used = header.headerBytes + header.payloadBytes
        let newHeader = WebSocketFrame.serverHeaderBytes(payloadBytes: header.payloadBytes)
        let payload = UnsafeMutableRawBufferPointer(rebasing: target[newHeader..<(newHeader + header.payloadBytes)])
        WebSocketFrame.unmask(
            UnsafeRawBufferPointer(rebasing: source[header.headerBytes..<used]),
            header.mask,
            into: payload
        )
        switch header.opcode {
        case .pong: break
        case .ping: send(.pong, Array(payload))
        case .close:
            send(.close, Array(payload))
            end("closed by the client")
        case .binary:
            guard let own else {
                authenticate(UnsafeRawBufferPointer(payload))
                break
            }
            if let peer = packetDestination(UnsafeRawBufferPointer(payload)) {
                var span = payload.mutableBytes
                RelayTransport.setPeer(own, in: &span)
                WebSocketFrame.writeServerHeader(.binary, payloadBytes: payload.count, to: target)
                let end = written + newHeader + payload.count
                if let last = runs.indices.last, runs[last].peer == peer {
                    runs[last].end = end
                    runs[last].packets += 1
                } else {
                    runs.append(Run(peer: peer, start: written, end: end, packets: 1))
                }
                written = end
            }
        }
        return used
    }

    /// Does what a message says that is no packet.
    ///
    /// - Returns: where a packet goes; `nil` for any other message.
    private func packetDestination(_ message: UnsafeRawBufferPointer) -> RelayPeerID? {
        do throws(RelayFrameError) {
            switch try RelayFrame.Kind(of: message.bytes) {
            case .transport: return RelayTransport.peer(of: message.bytes)
            case .healthCheck: health?.echoed()
            case .close: end("closed by the client")
            case .auth: server.logger.debug("auth again", metadata: ["connection": "\(id)"])
            case .subscribe, .unsubscribe: list(message)
            case .authResponse, .peersOnline, .peersWentOffline: end("a message that only a relay sends")
            }
        } catch {
            end("\(error)")
        }
        return nil
    }

    /// A list that is none is ignored. Source: spec/wire/relay.md 3.
    private func list(_ message: UnsafeRawBufferPointer) {
        do throws(RelayFrameError) {
            switch try RelayFrame(message.bytes) {
            case .subscribe(let peers) where !peers.isEmpty: server.subscribe(id, to: peers)
            case .unsubscribe(let peers) where !peers.isEmpty: server.unsubscribe(id, from: peers)
            default: break
            }
        } catch {
            server.logger.debug("list ignored", metadata: ["connection": "\(id)", "reason": "\(error)"])
        }
    }

    private func authenticate(_ message: UnsafeRawBufferPointer) {
        guard case .unknown(let deadline) = state, let context else { return }
        do {
            guard case .auth(let peer, let token) = try RelayFrame(message.bytes) else { return end("no auth") }
            try server.secret.verify(token, nowSeconds: secondsSince1970())
            deadline?.cancel()
            state = .registering(peer)
            server.register(
                peer,
                RelayRoute(
                    id: id,
                    loop: context.eventLoop,
                    connection: NIOLoopBound(self, eventLoop: context.eventLoop),
                    transit: transit
                )
            )
        } catch {
            end("\(error)")
        }
    }

    // MARK: - Packets on their way

    /// Hands the packets in `out`, as `runs` says, to their receivers.
    private func forward(_ out: ByteBuffer, from eventLoop: any EventLoop) {
        for run in runs {
            guard let route = loop.routes[run.peer] else {
                loop.counters.unroutedPackets += run.packets
                continue
            }
            guard let bytes = out.getSlice(at: out.readerIndex + run.start, length: run.end - run.start) else {
                preconditionFailure("packets outside their buffer: \(run.start)..<\(run.end)")
            }
            if route.loop === eventLoop {
                route.connection.value.receive(bytes, count: run.packets)
            } else if route.transit.enter(bytes.readableBytes) {
                enqueue((route, bytes, run.packets))
            } else {
                loop.counters.droppedPackets += run.packets
            }
        }
        runs.removeAll(keepingCapacity: true)
    }

    private func enqueue(_ packet: (route: RelayRoute, bytes: ByteBuffer, count: Int)) {
        if let index = departures.firstIndex(where: { $0.loop === packet.route.loop }) {
            departures[index].packets.append(packet)
        } else {
            departures.append(Departure(loop: packet.route.loop, packets: [packet]))
        }
    }

    /// Packets for other event loops: one task for each of those, whatever the number of packets.
    private func depart() {
        for departure in departures {
            let packets = departure.packets
            departure.loop.execute {
                for (route, bytes, count) in packets {
                    route.transit.leave(bytes.readableBytes)
                    route.connection.value.receive(bytes, count: count)
                }
                packets.first?.route.connection.value.loop.flush()
            }
        }
        departures.removeAll(keepingCapacity: true)
    }
}
