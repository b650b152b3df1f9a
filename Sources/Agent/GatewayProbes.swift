package import AgentCore
import CNetlink
@preconcurrency import Dispatch
import Glibc
import MeshModel

/// Where the agent sends echoes to gateways. The narrow seam that tests replace.
package protocol EchoPort: Sendable {
    /// Never blocks.
    ///
    /// - Throws: `EchoError` with the kernel's errno; the echo counts as lost.
    func send(_ request: EchoRequest) throws(EchoError)
    func close()
}

/// A failure of the raw sockets for echoes.
package struct EchoError: Error, Hashable, CustomStringConvertible {
    package var operation: String
    package var errno: Int32

    package init(operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    package var description: String { "\(operation): \(errorText(errno))" }

    /// The link has gone, perhaps to come back as another one: only new sockets can use that.
    var isLinkGone: Bool { [ENODEV, ENXIO, ENETDOWN].contains(errno) }
}

/// Raw ICMP sockets, one per address family, bound to our link: echoes go through the tunnel whatever the routes say, and
/// only what comes through the tunnel is read.
package struct GatewayProbes: EchoPort {
    private let identifier: UInt16
    private let v4: Receiver
    /// `nil`: the kernel has no IPv6.
    private let v6: Receiver?

    /// - Parameter sink: gets every answer that arrives; a full buffer drops it, as the network may.
    /// - Throws: `EchoError` with `ENODEV` if there is no such link, `EPERM` without `CAP_NET_RAW`.
    package init(link: String, sink: AsyncStream<EchoReply>.Continuation) throws(EchoError) {
        // Tells our answers from those of other programs; nothing depends on it being unpredictable.
        identifier = UInt16.random(in: .min ... .max)
        v4 = try Receiver(family: 4, link: link, identifier: identifier, sink: sink)
        do throws(EchoError) {
            v6 = try Receiver(family: 6, link: link, identifier: identifier, sink: sink)
        } catch  where error.errno == EAFNOSUPPORT {
            v6 = nil
        } catch {
            v4.source.cancel()
            throw error
        }
    }

    package func send(_ request: EchoRequest) throws(EchoError) {
        let isV4 = request.remote.isV4
        guard let receiver = isV4 ? v4 : v6, request.local.isV4 == isV4 else {
            throw EchoError(operation: "send an echo to \(request.remote)", errno: EAFNOSUPPORT)
        }
        let message = EchoPacket.encodeRequest(identifier: identifier, sequence: request.sequence, isV4: isV4)
        let sent = CNetlink_raw_udp_send(
            receiver.descriptor,
            receiver.family,
            message,
            message.count,
            request.local.bytes,
            request.remote.bytes
        )
        if sent < 0 { throw EchoError(operation: "send an echo to \(request.remote)", errno: Int32(-sent)) }
    }

    /// No answer is delivered after the sockets' queues have run dry; sending afterwards is an error of ours.
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
        link: String,
        identifier: UInt16,
        sink: AsyncStream<EchoReply>.Continuation
    ) throws(EchoError) {
        let descriptor = CNetlink_raw_icmp_open(family, link, identifier)
        guard descriptor >= 0 else {
            throw EchoError(operation: "open raw ICMP socket of family IPv\(family) on \(link)", errno: -descriptor)
        }
        self.descriptor = descriptor
        self.family = family
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        source.setEventHandler {
            while case .read(let reply) = receive(descriptor, family: family, identifier: identifier) {
                guard let reply else { continue }
                sink.yield(EchoReply(remote: reply.remote, sequence: reply.sequence, isDraining: reply.isDraining))
            }
        }
        source.setCancelHandler { _ = Glibc.close(descriptor) }
        source.resume()
    }
}

private enum Reception {
    /// `nil`: not for us, truncated or malformed.
    case read(EchoPacket.Reply?)
    case queueEmpty
}

/// 60 bytes of IPv4 header, 8 of ICMP and 8 of payload are the most that an answer has.
private let receiveCapacityBytes = 256

private func receive(_ descriptor: Int32, family: Int32, identifier: UInt16) -> Reception {
    var local = [UInt8](repeating: 0, count: 16)
    var remote = [UInt8](repeating: 0, count: 16)
    var length = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: receiveCapacityBytes) { buffer, count in
        length = CNetlink_raw_udp_receive(descriptor, family, buffer.baseAddress, buffer.count, &local, &remote)
        count = max(length, 0)
    }
    if length < 0 {
        let isQueueEmpty = length == -Int(EAGAIN) || length == -Int(EBADF)
        return isQueueEmpty ? .queueEmpty : .read(nil)
    }
    if family == 4 { return .read(EchoPacket.decodeIPv4(bytes, identifier: identifier)) }
    let sender = IPAddress(bytes: remote)
    return .read(sender.flatMap { EchoPacket.decodeICMPv6(bytes, from: $0, identifier: identifier) })
}
