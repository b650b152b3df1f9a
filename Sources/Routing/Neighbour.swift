import CNetlink
public import MeshModel

/// What the kernel knows of the link-layer address behind an IP address.
public struct Neighbour: Hashable, Sendable {
    public var linkIndex: UInt32
    public var address: IPAddress
    /// Such as the 6 bytes of Ethernet; `nil`: not known, or none on this kind of link.
    public var linkAddress: [UInt8]?
    /// `NUD_*`.
    public var state: UInt16

    public init(linkIndex: UInt32, address: IPAddress, linkAddress: [UInt8]?, state: UInt16 = permanentState) {
        self.linkIndex = linkIndex
        self.address = address
        self.linkAddress = linkAddress
        self.state = state
    }

    /// Set by hand, never asked for (`NUD_PERMANENT`).
    public var isPermanent: Bool { state & Self.permanentState != 0 }
    /// The kernel has an answer, fresh or not.
    public var isUsable: Bool {
        state & UInt16(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE) != 0
    }

    public static let permanentState = UInt16(NUD_PERMANENT)
}

/// As ip-neighbour(8) reads it.
extension Neighbour: CustomStringConvertible {
    public var description: String {
        let digits = linkAddress.map {
            " lladdr " + $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        }
        return "\(address)\(digits ?? "") dev if\(linkIndex)" + (isPermanent ? " nud permanent" : "")
    }
}
