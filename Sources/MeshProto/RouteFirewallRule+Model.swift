import FoundationEssentials
import MeshModel

extension RouteFirewallRule {
    /// - Throws: `WireError` for a value outside the protocol; the caller leaves out this rule alone.
    ///   Source: spec/wire/management.md A10.6.
    init(wire: Management_RouteFirewallRule) throws(WireError) {
        var sources: [IPPrefix] = []
        for (index, text) in wire.sourceRanges.enumerated() {
            guard let prefix = IPPrefix(text) else {
                throw WireError("sourceRanges[\(index)]", "\(quoted(text)) is no prefix")
            }
            sources.append(prefix.network)
        }
        for (index, domain) in wire.domains.enumerated() where displayable(domain) == nil || domain.isEmpty {
            throw WireError("domains[\(index)]", "\(quoted(domain)) is no name")
        }
        var destination: IPPrefix?
        if !wire.isDynamic {  // else the destination is a placeholder
            guard let prefix = IPPrefix(wire.destination)?.network else {
                throw WireError("destination", "\(quoted(wire.destination)) is no prefix")
            }
            destination = prefix
        }
        self.init(
            sources: sources,
            action: try FirewallRule.Action(wire: wire.action, at: "action"),
            destination: destination,
            domains: wire.domains,
            transport: try FirewallRule.Transport(wire: wire.protocol, custom: wire.customProtocol, at: "protocol"),
            ports: try FirewallRule.Ports(wire: wire.portInfo, at: "portInfo"),
            policyID: String(decoding: wire.policyID, as: UTF8.self),
            routeID: wire.routeID
        )
    }
}

extension Management_RouteFirewallRule {
    init(_ rule: RouteFirewallRule) {
        self.init()
        sourceRanges = rule.sources.map(\.description)
        action = rule.action == .accept ? .accept : .drop
        destination = rule.destination?.description ?? domainPlaceholder
        isDynamic = rule.destination == nil
        domains = rule.domains
        (`protocol`, customProtocol) = rule.transport.wire
        // Present in any case; empty means any port.
        portInfo = Management_PortInfo()
        switch rule.ports {
        case .any: break
        case .one(let number): portInfo.port = UInt32(number)
        case .range(let range): portInfo.range = .init(range)
        }
        policyID = Data(rule.policyID.utf8)
        routeID = rule.routeID
    }
}
