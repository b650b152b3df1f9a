import CNetlink
@preconcurrency import Dispatch  // DispatchSource is thread-safe, but not marked Sendable on Linux.
public import NetlinkWire

/// Tells that links, addresses or routes of this host changed; what changed is for the reader to dump.
public struct NetlinkMonitor: Sendable {
    public enum Kind: Hashable, Sendable, CaseIterable { case link, address, route }

    public enum Event: Hashable, Sendable {
        /// One or more objects of this kind.
        case changed(Kind)
        /// Events were lost, here or in the kernel: anything may have changed.
        case overrun
    }

    /// For one reader. Ends when the reader's task is cancelled; that closes the socket.
    public let events: AsyncStream<Event>

    /// Joins the groups of `kinds`, in the network namespace of the calling thread. Changes after this are reported.
    ///
    /// - Throws: `NetlinkError`.
    public init(kinds: Set<Kind> = Set(Kind.allCases)) throws(NetlinkError) {
        let groups = kinds.flatMap(\.groups).sorted()
        let descriptor = CNetlink_openMonitor(NETLINK_ROUTE, groups, groups.count)
        guard descriptor >= 0 else {
            throw NetlinkError(operation: "watch the host's network", code: -descriptor)
        }
        let queue = DispatchQueue(label: "netlink.monitor")
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self,
            bufferingPolicy: .bufferingNewest(Self.bufferedEvents)
        )
        source.setEventHandler {
            for event in readEvents(from: descriptor) {
                if case .dropped = continuation.yield(event) { continuation.yield(.overrun) }
            }
        }
        // Closing any earlier would let Dispatch watch a descriptor that somebody else has opened meanwhile.
        source.setCancelHandler {
            CNetlink_closeMonitor(descriptor)
            continuation.finish()
        }
        continuation.onTermination = { _ in source.cancel() }
        source.activate()
        events = stream
    }

    /// Readers act on the newest state, so a few events say as much as many.
    private static let bufferedEvents = 64
}

/// Everything queued now, each kind once.
private func readEvents(from descriptor: Int32) -> [NetlinkMonitor.Event] {
    var events: [NetlinkMonitor.Event] = []
    var buffer = [UInt8](repeating: 0, count: eventBufferBytes)
    func add(_ event: NetlinkMonitor.Event) {
        if !events.contains(event) { events.append(event) }
    }
    while true {
        let size = CNetlink_receiveEvent(descriptor, &buffer, buffer.count)
        switch Int32(-size) {
        case EAGAIN: return events
        case ESRCH: continue  // Sent by another process.
        case ENOBUFS, ENOSPC: add(.overrun)
        case 1...:
            add(.overrun)
            return events
        default:
            do throws(DecodeError) {
                for message in try NetlinkMessage.decode(datagram: buffer[..<size]) {
                    if let kind = NetlinkMonitor.Kind(messageType: message.type) { add(.changed(kind)) }
                }
            } catch {
                add(.overrun)
            }
        }
    }
}

extension NetlinkMonitor.Kind {
    fileprivate var groups: [UInt32] {
        switch self {
        case .link: [RTNLGRP_LINK.rawValue]
        case .address: [RTNLGRP_IPV4_IFADDR.rawValue, RTNLGRP_IPV6_IFADDR.rawValue]
        case .route: [RTNLGRP_IPV4_ROUTE.rawValue, RTNLGRP_IPV6_ROUTE.rawValue]
        }
    }

    fileprivate init?(messageType: UInt16) {
        switch Int(messageType) {
        case RTM_NEWLINK, RTM_DELLINK: self = .link
        case RTM_NEWADDR, RTM_DELADDR: self = .address
        case RTM_NEWROUTE, RTM_DELROUTE: self = .route
        default: return nil
        }
    }
}

/// A link event with all its statistics is about 2 KiB; the kernel bundles none.
private let eventBufferBytes = 32 << 10
