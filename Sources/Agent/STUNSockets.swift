import CNetlink
@preconcurrency import Dispatch
import Glibc
package import MeshModel

/// Where the agent sends STUN messages from WireGuard's port. The narrow seam that tests replace.
package protocol DatagramPort: Sendable {
    /// Never blocks.
    ///
    /// - Throws: `STUNSocketError` with the kernel's errno; a lost datagram is repeated by ICE's own timers.
    func send(_ datagram: Datagram) throws(STUNSocketError)
    func close()
}

/// A failure of the raw sockets on WireGuard's port.
package struct STUNSocketError: Error, Hashable, CustomStringConvertible {
    package var operation: String
    package var errno: Int32

    package var description: String {
        switch errno {
        case EPERM, EACCES: "\(operation): \(errorText(errno)); run as root or with CAP_NET_RAW and CAP_NET_ADMIN"
        default: "\(operation): \(errorText(errno))"
        }
    }
}

/// Raw sockets, one per address family, that share the UDP port with the kernel's WireGuard socket and see only STUN.
///
/// The kernel hands every raw socket a copy of each UDP packet of the host, then the filter drops what is not ours;
/// WireGuard itself ignores the STUN packets, whose first byte is no message type of its own.
package struct STUNSockets: DatagramPort {
    private let port: UInt16
    private let v4: Receiver
    /// `nil`: the kernel has no IPv6.
    private let v6: Receiver?

    /// - Parameters:
    ///   - port: WireGuard's UDP port, host byte order.
    ///   - sink: gets every STUN message that arrives; a full buffer drops it, as the network may.
    /// - Throws: `STUNSocketError` with `EPERM` without `CAP_NET_RAW`.
    package init(
        port: UInt16,
        fwmark: UInt32,
        sink: AsyncStream<Datagram>.Continuation
    ) throws(STUNSocketError) {
        self.port = port
        v4 = try Receiver(family: 4, port: port, fwmark: fwmark, sink: sink)
        do throws(STUNSocketError) {
            v6 = try Receiver(family: 6, port: port, fwmark: fwmark, sink: sink)
        } catch  where error.errno == EAFNOSUPPORT {
            v6 = nil
        } catch {
            v4.source.cancel()
            throw error
        }
    }

    package func send(_ datagram: Datagram) throws(STUNSocketError) {
        guard let receiver = datagram.remote.address.isV4 ? v4 : v6, let packet = RawUDPPacket.encode(datagram) else {
            throw STUNSocketError(operation: "send STUN to \(datagram.remote)", errno: EAFNOSUPPORT)
        }
        let sent = CNetlink_raw_udp_send(
            receiver.descriptor,
            receiver.family,
            packet,
            packet.count,
            datagram.local.address.bytes,
            datagram.remote.address.bytes
        )
        if sent < 0 { throw STUNSocketError(operation: "send STUN to \(datagram.remote)", errno: Int32(-sent)) }
    }

    /// No datagram is delivered after the sockets' queues have run dry; sending afterwards is an error of ours.
    package func close() {
        v4.source.cancel()
        v6?.source.cancel()
    }
}

/// One raw socket and the dispatch source that reads it; the source's cancellation closes the socket.
private struct Receiver: Sendable {
    let descriptor: Int32
    let family: Int32
    let source: any DispatchSourceRead

    init(
        family: Int32,
        port: UInt16,
        fwmark: UInt32,
        sink: AsyncStream<Datagram>.Continuation
    ) throws(STUNSocketError) {
        let descriptor = CNetlink_raw_udp_open(family, port, fwmark)
        guard descriptor >= 0 else {
            throw STUNSocketError(operation: "open raw IPv\(family) socket for STUN", errno: -descriptor)
        }
        self.descriptor = descriptor
        self.family = family
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        source.setEventHandler {
            while let packet = receive(descriptor, family: family, port: port) {
                if case .stun(let datagram) = packet { sink.yield(datagram) }
            }
        }
        source.setCancelHandler { _ = Glibc.close(descriptor) }
        source.resume()
    }
}

private enum ReceivedPacket {
    case stun(Datagram)
    /// Not for us, truncated or malformed.
    case other
}

/// Larger than any STUN message over UDP: ICE keeps them under the path MTU, 1,500 bytes with headers.
private let receiveCapacityBytes = 4096

/// - Returns: `nil` when the queue is empty.
private func receive(_ descriptor: Int32, family: Int32, port: UInt16) -> ReceivedPacket? {
    var local = [UInt8](repeating: 0, count: 16)
    var remote = [UInt8](repeating: 0, count: 16)
    var length = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: receiveCapacityBytes) { buffer, count in
        length = CNetlink_raw_udp_receive(descriptor, family, buffer.baseAddress, buffer.count, &local, &remote)
        count = max(length, 0)
    }
    if length < 0 {
        let isQueueEmpty = length == -Int(EAGAIN) || length == -Int(EBADF)
        return isQueueEmpty ? nil : .other
    }
    let datagram: Datagram?
    if family == 4 {
        datagram = RawUDPPacket.decodeIPv4(bytes, port: port)
    } else if let remote = IPAddress(bytes: remote), let local = IPAddress(bytes: local) {
        datagram = RawUDPPacket.decodeUDP(bytes, from: remote, to: local, port: port)
    } else {
        datagram = nil
    }
    return datagram.map(ReceivedPacket.stun) ?? .other
}
