import FoundationEssentials
import MeshModel

extension FirewallRule {
    /// - Throws: `WireError` for a value outside the protocol; the caller leaves out this rule alone, as stock agents do.
    ///   Source: spec/wire/management.md A10.1, "Client interpretation".
    init(wire: Management_FirewallRule) throws(WireError) {
        self.init(
            peer: try Self.peer(wire),
            direction: try Self.direction(wire.direction),
            action: try Self.action(wire.action),
            transport: try Self.transport(wire),
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

    private static func action(_ wire: Management_RuleAction) throws(WireError) -> Action {
        switch wire {
        case .accept: .accept
        case .drop: .drop
        case .UNRECOGNIZED(let number): throw WireError("Action", "unknown action \(number)")
        }
    }

    private static func transport(_ wire: Management_FirewallRule) throws(WireError) -> Transport {
        switch wire.protocol {
        case .all: return .all
        case .tcp, .netbirdSsh: return .tcp
        case .udp: return .udp
        case .icmp: return .icmp
        case .custom:
            guard let number = UInt8(exactly: wire.customProtocol) else {
                throw WireError("customProtocol", "\(wire.customProtocol) is no IP protocol")
            }
            return .number(number)
        case .unknown, .UNRECOGNIZED: throw WireError("Protocol", "unknown protocol \(wire.protocol.rawValue)")
        }
    }

    private static func ports(_ wire: Management_FirewallRule) throws(WireError) -> Ports {
        if !wire.port.isEmpty {
            guard let port = decimal(wire.port, as: UInt16.self) else {
                throw WireError("Port", "\(quoted(wire.port)) is no port")
            }
            return port == 0 ? .any : .one(port)
        }
        switch wire.portInfo.portSelection {
        case nil: return .any
        case .port(let number):
            guard let port = UInt16(exactly: number) else { throw WireError("PortInfo.port", "\(number) is no port") }
            return port == 0 ? .any : .one(port)
        case .range(let range):
            if range.end == 0 { return .any }
            guard let start = UInt16(exactly: range.start), let end = UInt16(exactly: range.end), start <= end else {
                throw WireError("PortInfo.range", "\(range.start)-\(range.end) is no port range")
            }
            return .range(start...end)
        }
    }
}

extension Management_FirewallRule {
    /// - Parameter usesSourcePrefixes: the receiver has announced capability 1. PeerIP is filled in any case.
    init(_ rule: FirewallRule, usesSourcePrefixes: Bool) {
        self.init()
        peerIp = rule.peer.address.description
        direction = rule.direction == .inbound ? .in : .out
        action = rule.action == .accept ? .accept : .drop
        switch rule.transport {
        case .all: `protocol` = .all
        case .tcp: `protocol` = .tcp
        case .udp: `protocol` = .udp
        case .icmp: `protocol` = .icmp
        case .number(let number):
            `protocol` = .custom
            customProtocol = UInt32(number)
        }
        switch rule.ports {
        case .one(let number): port = String(number)
        // Receivers take a TCP or UDP range that ends at 0 for "any port"; other protocols carry no PortInfo.
        case .any: if rule.transport == .tcp || rule.transport == .udp { portInfo.range = .init() }
        case .range(let range):
            portInfo.range.start = UInt32(range.lowerBound)
            portInfo.range.end = UInt32(range.upperBound)
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
