/// One access rule of the compiled policy, for traffic that this peer forwards into a network behind it.
///
/// It concerns routing peers alone. Source: spec/wire/management.md A10.6.
public struct RouteFirewallRule: Hashable, Sendable {
    /// Whose packets it is about, all of one family; 0.0.0.0/0 or ::/0: anyone's. Empty: nobody's.
    public var sources: [IPPrefix]
    public var action: FirewallRule.Action
    /// `nil` for a route by domain names.
    public var destination: IPPrefix?
    /// Punycode; empty for a route by prefix.
    public var domains: [String]
    public var transport: FirewallRule.Transport
    /// Destination ports.
    public var ports: FirewallRule.Ports
    /// Identifier of the policy rule that made it; empty for a route that everybody may use.
    public var policyID: String
    /// `NetworkRoute.id` of the route that it guards.
    public var routeID: String

    public init(
        sources: [IPPrefix],
        action: FirewallRule.Action = .accept,
        destination: IPPrefix?,
        domains: [String] = [],
        transport: FirewallRule.Transport = .all,
        ports: FirewallRule.Ports = .any,
        policyID: String = "",
        routeID: String
    ) {
        self.sources = sources
        self.action = action
        self.destination = destination
        self.domains = domains
        self.transport = transport
        self.ports = ports
        self.policyID = policyID
        self.routeID = routeID
    }
}
