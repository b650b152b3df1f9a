public import MeshModel

/// A nexthop object: where packets go, shared by many routes. One change of it moves them all.
public struct Nexthop: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        case hop(linkIndex: UInt32, gateway: IPAddress?, isOnLink: Bool = false)
        case blackhole
        /// Other nexthop objects, by weight 1 to 256.
        case group([Member])
    }

    public struct Member: Hashable, Sendable {
        public var id: UInt32
        public var weight: Int

        public init(id: UInt32, weight: Int = 1) {
            self.id = id
            self.weight = weight
        }
    }

    /// Not 0.
    public var id: UInt32
    /// Of the routes that use it, and of the gateway.
    public var isV4: Bool
    public var target: Target
    /// Who made it: `RTPROT_*`; 0: not said.
    public var nexthopProtocol: UInt8

    public init(id: UInt32, isV4: Bool, _ target: Target, nexthopProtocol: UInt8 = ownRouteProtocol) {
        self.id = id
        self.isV4 = isV4
        self.target = target
        self.nexthopProtocol = nexthopProtocol
    }
}

/// As ip-nexthop(8) reads it.
extension Nexthop: CustomStringConvertible {
    public var description: String {
        var words = ["id \(id)"]
        switch target {
        case .hop(let index, let gateway, let isOnLink):
            if let gateway { words.append("via \(gateway)") }
            words.append("dev if\(index)")
            if isOnLink { words.append("onlink") }
        case .blackhole: words.append("blackhole")
        case .group(let members):
            let texts = members.map { $0.weight == 1 ? "\($0.id)" : "\($0.id),\($0.weight)" }
            words.append("group " + texts.joined(separator: "/"))
        }
        if nexthopProtocol != 0 { words.append("proto \(nexthopProtocol)") }
        return words.joined(separator: " ")
    }
}
