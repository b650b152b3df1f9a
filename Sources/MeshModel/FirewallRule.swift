/// One access rule of the compiled policy, for traffic between this peer and one other.
public struct FirewallRule: Hashable, Sendable {
    public enum Direction: Hashable, Sendable { case inbound, outbound }
    public enum Action: Hashable, Sendable { case accept, drop }
    public enum Transport: Hashable, Sendable { case all, tcp, udp, icmp, number(UInt8) }
    public enum Ports: Hashable, Sendable {
        case any
        case one(UInt16)
        case range(ClosedRange<UInt16>)
    }

    /// The other side; 0.0.0.0/0 or ::/0: anyone of that family.
    public var peer: IPPrefix
    public var direction: Direction
    public var action: Action
    public var transport: Transport
    public var ports: Ports
    /// Identifier of the policy rule that made it; empty if unknown.
    public var policyID: String

    public init(
        peer: IPPrefix,
        direction: Direction,
        action: Action = .accept,
        transport: Transport = .all,
        ports: Ports = .any,
        policyID: String
    ) {
        self.peer = peer
        self.direction = direction
        self.action = action
        self.transport = transport
        self.ports = ports
        self.policyID = policyID
    }
}
