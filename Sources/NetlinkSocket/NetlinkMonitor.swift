import CNetlink
@preconcurrency import Dispatch  // DispatchSource is thread-safe, but not marked Sendable on Linux.
public import NetlinkWire

/// Tells that objects of this host's network changed; what changed is for the reader to dump.
public struct NetlinkMonitor: Sendable {
    /// `nftables`: any object of any table. `setting`: forwarding and its like, of a link or of all (`RTM_NEWNETCONF`).
    public enum Kind: Hashable, Sendable, CaseIterable {
        case link, address, neighbour, nexthop, nftables, route, rule, setting
    }

    public enum Event: Hashable, Sendable {
        /// One or more objects of this kind.
        case changed(Kind)
        /// Events were lost, here or in the kernel: anything may have changed.
        case overrun
    }

    /// For one reader. Ends when the reader's task is cancelled; that closes the sockets.
    public let events: AsyncStream<Event>

    /// Joins the groups of `kinds`. Changes after this are reported.
    ///
    /// - Parameters:
    ///   - namespace: the path of a network namespace; `nil`: that of the calling thread.
    ///   - receiveBufferBytes: how much the kernel keeps for us before events are lost, as `SO_RCVBUF` takes it; `nil`: the
    ///     system's default (212,992, a hundred links or a thousand routes).
    /// - Throws: `NetlinkError`; `EPERM` for `.nftables` without `CAP_NET_ADMIN`.
    public init(
        kinds: Set<Kind> = [.link, .address, .route],
        namespace: String? = nil,
        receiveBufferBytes: Int32? = nil
    ) throws(NetlinkError) {
        var descriptors: [Int32] = []
        for bus in [NETLINK_ROUTE, NETLINK_NETFILTER] {
            let groups = kinds.filter { $0.bus == bus }.flatMap(\.groups).sorted()
            if groups.isEmpty { continue }
            let bufferBytes = receiveBufferBytes ?? 0
            let descriptor = CNetlink_openMonitor(bus, namespace, groups, groups.count, bufferBytes)
            guard descriptor >= 0 else {
                for open in descriptors { CNetlink_closeMonitor(open) }
                throw NetlinkError(operation: "watch the host's network", code: -descriptor)
            }
            descriptors.append(descriptor)
        }
        let queue = DispatchQueue(label: "netlink.monitor")
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self,
            bufferingPolicy: .bufferingNewest(Self.bufferedEvents)
        )
        let sources = descriptors.map { descriptor in
            let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
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
            return source
        }
        continuation.onTermination = { _ in sources.forEach { $0.cancel() } }
        sources.forEach { $0.activate() }
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
    fileprivate var bus: Int32 { self == .nftables ? NETLINK_NETFILTER : NETLINK_ROUTE }

    fileprivate var groups: [UInt32] {
        switch self {
        case .link: [RTNLGRP_LINK.rawValue]
        case .address: [RTNLGRP_IPV4_IFADDR.rawValue, RTNLGRP_IPV6_IFADDR.rawValue]
        case .neighbour: [RTNLGRP_NEIGH.rawValue]
        case .nexthop: [RTNLGRP_NEXTHOP.rawValue]
        case .nftables: [NFNLGRP_NFTABLES.rawValue]
        case .route: [RTNLGRP_IPV4_ROUTE.rawValue, RTNLGRP_IPV6_ROUTE.rawValue]
        case .rule: [RTNLGRP_IPV4_RULE.rawValue, RTNLGRP_IPV6_RULE.rawValue]
        case .setting: [RTNLGRP_IPV4_NETCONF.rawValue, RTNLGRP_IPV6_NETCONF.rawValue]
        }
    }

    fileprivate init?(messageType: UInt16) {
        switch Int(messageType) {
        case RTM_NEWLINK, RTM_DELLINK: self = .link
        case RTM_NEWADDR, RTM_DELADDR: self = .address
        case RTM_NEWNEIGH, RTM_DELNEIGH: self = .neighbour
        case RTM_NEWNEXTHOP, RTM_DELNEXTHOP: self = .nexthop
        case RTM_NEWROUTE, RTM_DELROUTE: self = .route
        case RTM_NEWRULE, RTM_DELRULE: self = .rule
        case RTM_NEWNETCONF, RTM_DELNETCONF: self = .setting
        case Int(NFNL_SUBSYS_NFTABLES) << 8...Int(NFNL_SUBSYS_NFTABLES) << 8 | 0xff: self = .nftables
        default: return nil
        }
    }
}

/// A link event with all its statistics is about 2 KiB; netfilter bundles a transaction's into datagrams of a page.
private let eventBufferBytes = 32 << 10
