import AgentCore
import Logging
import MeshModel
import NIOCore
import NIOWebSocket
import RelayWire

// Packets between WireGuard and the relays. Nothing here suspends.
extension RelayHub {
    /// From WireGuard to the relays.
    func forward(_ batch: LoopbackBatch) {
        var written: [String: any Channel] = [:]
        for datagram in batch.datagrams where datagram.port == wireGuardPort {
            guard let peer = addresses.peer(at: datagram.peer) else { continue }
            if let rest = traps[peer] {
                if rest > 0 { deliver(.caught(peer, packet: Array(batch.bytes[datagram.range]))) }
                traps[peer] = max(0, rest - 1)
                continue
            }
            guard let way = names[peer].flatMap({ ways[$0] }),
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

    /// As if WireGuard had sent them just now.
    func send(_ packets: [[UInt8]], to peer: PublicKey) {
        guard let way = names[peer].flatMap({ ways[$0] }) else { return }
        var batch = LoopbackBatch()
        for packet in packets {
            let start = batch.bytes.count
            batch.bytes += packet
            batch.datagrams.append(.init(range: start..<batch.bytes.count, peer: way.address, port: wireGuardPort))
        }
        forward(batch)
    }

    func receive(_ event: RelayReceiver.Event, from url: String) {
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
            sayCarried(id, way)
        } else {
            keepEarly(payload, id)
        }
    }

    /// Once per interval, and once more after the last packet of many: the kernel may have followed that one.
    private func sayCarried(_ id: RelayPeerID, _ way: Way) {
        if way.isCarriedPending { return }
        let now = clock.now
        guard let due = way.carried.map({ $0 + Self.carriedInterval }), due > now else {
            ways[id]?.carried = now
            deliver(.carried(way.peer))
            return
        }
        ways[id]?.isCarriedPending = true
        eventLoop.scheduleTask(in: TimeAmount(due - now)) { [weak self] in
            self?.assumeIsolated { $0.sayCarriedNow(id) }
        }
    }

    private func sayCarriedNow(_ id: RelayPeerID) {
        guard let way = ways[id], way.isCarriedPending else { return }
        ways[id]?.isCarriedPending = false
        ways[id]?.carried = clock.now
        deliver(.carried(way.peer))
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

    func deliverEarly(_ id: RelayPeerID, _ way: Way) {
        guard let kept = early.removeValue(forKey: id), clock.now - kept.received < Self.earlyLifetime else { return }
        gather(kept.packet, way)
        sendGathered()
    }

    func webSocketFrame(_ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: data)
    }
}
