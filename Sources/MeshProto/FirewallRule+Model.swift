import FoundationEssentials
import MeshModel

extension FirewallRule {
    /// - Throws: `WireError` for a value outside the protocol; the caller leaves out this rule alone, as stock agents do.
    ///   Source: spec/wire/management.md A10.1, "Client interpretation".
    init(wire: Management_FirewallRule) throws(WireError) {
        self.init(
            peer: try Self.peer(wire),
            direction: try Self.direction(wire.direction),
            action: try Action(wire: wire.action, at: "Action"),
            transport: try Transport(wire: wire.protocol, custom: wire.customProtocol, at: "Protocol"),
            ports: try Self.ports(wire),
            policyID: String(decoding: wire.policyID, as: UTF8.self)
        )
    }

    /// The first source prefix counts, by its address alone; the unspecified address means anyone of its family.
    private static func peer(_ wire: Management_FirewallRule) throws(WireError) -> IPPrefix {
        let address: IPAddress
        if let bytes = wire.sourcePrefixes.first {
            guard let prefix = IPPrefix(compact: bytes) else {
                throw WireError("sourcePrefixes[0]", "\(bytes.count) bytes that are no prefix")
            }
            address = prefix.address
        } else {
            guard let parsed = IPAddress(wire.peerIp) else {
                throw WireError("PeerIP", "\(quoted(wire.peerIp)) is no address")
            }
            address = parsed
        }
        return address.isUnspecified ? IPPrefix(host: address).widenedToAny : IPPrefix(host: address)
    }

    private static func direction(_ wire: Management_RuleDirection) throws(WireError) -> Direction {
        switch wire {
        case .in: .inbound
        case .out: .outbound
        case .UNRECOGNIZED(let number): throw WireError("Direction", "unknown direction \(number)")
        }
    }

    private static func ports(_ wire: Management_FirewallRule) throws(WireError) -> Ports {
        if !wire.port.isEmpty {
            guard let port = decimal(wire.port, as: UInt16.self) else {
                throw WireError("Port", "\(quoted(wire.port)) is no port")
            }
            return port == 0 ? .any : .one(port)
        }
        return try Ports(wire: wire.portInfo, at: "PortInfo")
    }
}

extension FirewallRule.Action {
    init(wire: Management_RuleAction, at path: String) throws(WireError) {
        switch wire {
        case .accept: self = .accept
        case .drop: self = .drop
        case .UNRECOGNIZED(let number): throw WireError(path, "unknown action \(number)")
        }
    }
}

extension FirewallRule.Transport {
    init(wire: Management_RuleProtocol, custom: UInt32, at path: String) throws(WireError) {
        switch wire {
        case .all: self = .all
        case .tcp, .netbirdSsh: self = .tcp
        case .udp: self = .udp
        case .icmp: self = .icmp
        case .custom:
            guard let number = UInt8(exactly: custom) else {
                throw WireError("customProtocol", "\(custom) is no IP protocol")
            }
            self = .number(number)
        case .unknown, .UNRECOGNIZED: throw WireError(path, "unknown protocol \(wire.rawValue)")
        }
    }

    /// The protocol, and the number that goes with `custom`.
    var wire: (protocol: Management_RuleProtocol, custom: UInt32) {
        switch self {
        case .all: (.all, 0)
        case .tcp: (.tcp, 0)
        case .udp: (.udp, 0)
        case .icmp: (.icmp, 0)
        case .number(let number): (.custom, UInt32(number))
        }
    }
}

extension FirewallRule.Ports {
    init(wire: Management_PortInfo, at path: String) throws(WireError) {
        switch wire.portSelection {
        case nil: self = .any
        case .port(let number):
            guard let port = UInt16(exactly: number) else { throw WireError("\(path).port", "\(number) is no port") }
            self = port == 0 ? .any : .one(port)
        case .range(let range):
            if range.end == 0 {
                self = .any
                return
            }
            guard let start = UInt16(exactly: range.start), let end = UInt16(exactly: range.end), start <= end else {
                throw WireError("\(path).range", "\(range.start)-\(range.end) is no port range")
            }
            self = .range(start...end)
        }
    }
}

extension Management_PortInfo.Range {
    init(_ range: ClosedRange<UInt16>) {
        self.init()
        start = UInt32(range.lowerBound)
        end = UInt32(range.upperBound)
    }
}

extension Management_FirewallRule {
    /// - Parameter usesSourcePrefixes: the receiver has announced capability 1. PeerIP is filled in any case.
    init(_ rule: FirewallRule, usesSourcePrefixes: Bool) {
        self.init()
        peerIp = rule.peer.address.description
        direction = rule.direction == .inbound ? .in : .out
        action = rule.action == .accept ? .accept : .drop
        (`protocol`, customProtocol) = rule.transport.wire
        switch rule.ports {
        case .one(let number): port = String(number)
        // Receivers take a TCP or UDP range that ends at 0 for "any port"; other protocols carry no PortInfo.
        case .any: if rule.transport == .tcp || rule.transport == .udp { portInfo.range = .init() }
        case .range(let range): portInfo.range = .init(range)
        }
        policyID = Data(rule.policyID.utf8)
        if usesSourcePrefixes { sourcePrefixes = [rule.peer.compact] }
    }
}

extension IPPrefix {
    /// 0.0.0.0/0 or ::/0, by the address's family.
    fileprivate var widenedToAny: IPPrefix {
        guard let any = IPPrefix(address: address, length: 0)?.network else {
            preconditionFailure("length 0 does not fit \(address)")
        }
        return any
    }
}
