import CNetlink
@preconcurrency import Dispatch
import Glibc
import MeshModel

/// Datagrams between the kernel's WireGuard and this host's loopback addresses, many at a time, in one buffer.
package struct LoopbackBatch: Sendable {
    package struct Datagram: Hashable, Sendable {
        /// Of the batch's `bytes`.
        package var range: Range<Int>
        /// The address that stands for the peer, in host byte order.
        package var peer: UInt32
        /// The other end's UDP port: who is not WireGuard has another one.
        package var port: UInt16

        package init(range: Range<Int>, peer: UInt32, port: UInt16) {
            self.range = range
            self.peer = peer
            self.port = port
        }
    }

    package var bytes: [UInt8] = []
    package var datagrams: [Datagram] = []

    package init() {}

    /// What one call to the kernel takes.
    package static let mostDatagrams = Int(CNETLINK_LOOPBACK_BATCH)
}

/// Where the relay hub meets WireGuard. The narrow seam that tests replace.
package protocol LoopbackPort: Sendable {
    /// What WireGuard sends to.
    var port: UInt16 { get }
    /// Sends each datagram from its peer's address to its port of this host; what the kernel does not take is lost. Never
    /// blocks.
    func send(_ batch: LoopbackBatch)
    func close()
}

/// One UDP socket for all relayed peers, bound to the loopback device. The peer's address is the datagram's own, so no
/// socket, port or filter is needed for each of them.
package struct KernelLoopbackPort: LoopbackPort {
    package let port: UInt16
    private let descriptor: Int32
    private let source: any DispatchSourceRead

    /// Ours unless another program has it; ours again after a restart, so that the kernel's endpoints stay true.
    private static let preferredPort: UInt16 = 31046
    /// Some 2,500 packets: what WireGuard sends in one go on a fast host.
    private static let bufferBytes: Int32 = 4 << 20

    /// - Parameter sink: called on a queue of its own with every batch that came.
    /// - Throws: `STUNSocketError` with the kernel's errno.
    package init(sink: @escaping @Sendable (LoopbackBatch) -> Void) throws(STUNSocketError) {
        var port = Self.preferredPort
        let descriptor = CNetlink_loopback_udp_open(&port, Self.bufferBytes)
        guard descriptor >= 0 else {
            throw STUNSocketError(operation: "open the loopback socket for relayed peers", errno: -descriptor)
        }
        self.port = port
        self.descriptor = descriptor
        source = DispatchSource.makeReadSource(
            fileDescriptor: descriptor,
            queue: DispatchQueue(label: "wgmesh.loopback")
        )
        source.setEventHandler {
            while let batch = receive(descriptor) { sink(batch) }
        }
        source.setCancelHandler { _ = Glibc.close(descriptor) }
        source.resume()
    }

    package func send(_ batch: LoopbackBatch) {
        let places = batch.datagrams.map { datagram in
            CNetlink_loopback_datagram(
                offset: UInt32(datagram.range.lowerBound),
                length: UInt32(datagram.range.count),
                local: datagram.peer,
                remote: loopback,
                remote_port: datagram.port
            )
        }
        batch.bytes.withUnsafeBufferPointer { bytes in
            places.withUnsafeBufferPointer { places in
                var start = 0
                while start < places.count, let base = places.baseAddress {
                    let count = min(LoopbackBatch.mostDatagrams, places.count - start)
                    let sent = CNetlink_loopback_udp_send(descriptor, bytes.baseAddress, base + start, Int32(count))
                    // The one that the kernel refused is lost, as on any network; those behind it are not.
                    start += sent > 0 ? Int(sent) : 1
                }
            }
        }
    }

    package func close() { source.cancel() }
}

/// 127.0.0.1.
private let loopback: UInt32 = 127 << 24 | 1
/// Larger than any packet that WireGuard makes: its MTU is at most 8,192 here.
private let slotBytes = 8_704

/// - Returns: `nil` when the queue is empty.
private func receive(_ descriptor: Int32) -> LoopbackBatch? {
    var places = [CNetlink_loopback_datagram](
        repeating: CNetlink_loopback_datagram(),
        count: LoopbackBatch.mostDatagrams
    )
    var received: Int32 = 0
    var batch = LoopbackBatch()
    let most = Int32(places.count)
    batch.bytes = [UInt8](unsafeUninitializedCapacity: places.count * slotBytes) { buffer, count in
        received = CNetlink_loopback_udp_receive(descriptor, buffer.baseAddress, UInt32(slotBytes), &places, most)
        count = max(0, Int(received)) * slotBytes
    }
    guard received > 0 else { return nil }
    for place in places[..<Int(received)] where place.length > 0 {
        let start = Int(place.offset)
        let range = start..<start + Int(place.length)
        batch.datagrams.append(.init(range: range, peer: place.local, port: place.remote_port))
    }
    return batch
}
