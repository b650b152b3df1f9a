import CNetlink
import MeshModel
import NetlinkWire
import TestSupport
import Testing

@testable import Routing

private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// The rules and routes of a host with an exit node: main without its default route, then ours unless marked.
private struct ExitHost {
    var rules: [RoutingRule]
    var routes: [Route]

    init() throws {
        rules = [
            RoutingRule(isV4: true, priority: 0, .lookUp(table: 255), ruleProtocol: 2),
            RoutingRule(isV4: true, priority: 105, .lookUp(table: 254), suppressPrefixLength: 0),
            RoutingRule(isV4: true, priority: 110, .lookUp(table: 7120), isInverted: true, fwmark: 0x7946),
            RoutingRule(isV4: true, priority: 32766, .lookUp(table: 254), ruleProtocol: 2),
        ]
        routes = [
            Route(.local, to: try prefix("10.0.0.1/32"), table: 255, target: .hop(.init(linkIndex: 1))),
            Route(to: try prefix("0.0.0.0/0"), target: .hop(.init(linkIndex: 2, gateway: IPAddress("10.0.0.254")))),
            Route(to: try prefix("10.0.0.0/24"), target: .hop(.init(linkIndex: 2))),
            Route(to: try prefix("0.0.0.0/0"), table: 7120, target: .hop(.init(linkIndex: 3))),
            Route(.blackhole, to: try prefix("192.0.2.0/24"), table: 7120),
        ]
    }

    func way(_ destination: String, from source: String? = nil, mark: UInt32 = 0) throws -> String {
        let lookup = RouteLookup(
            to: try address(destination),
            from: try source.map(address),
            fwmark: mark
        )
        guard let decision = lookup.decide(rules: rules, routes: routes) else { return "none" }
        return "\(decision.rule.priority) \(decision.route.map { "\($0.kind) \($0.destination)" } ?? "refused")"
    }
}

@Suite struct RouteLookupTests {
    @Test func `a question becomes an rtmsg that asks for the matching entry`() throws {
        let lookup = RouteLookup(to: try address("192.0.2.7"), from: try address("10.0.0.1"), fwmark: 0x7946)
        let expected = bytes("02 20 20 00 00 00 00 00 00300000 08000100 c0000207 08000200 0a000001 08001000 46790000")
        #expect(RouteLookupMessage.request(lookup) == expected)
        #expect(lookup.description == "192.0.2.7 from 10.0.0.1 mark 0x7946")
        let v6 = RouteLookupMessage.request(RouteLookup(to: try address("2001:db8::1")))
        #expect(v6.prefix(12) == bytes("0a 80 00 00 00 00 00 00 00200000")[...])
        #expect(v6.count == 12 + 20)
    }

    @Test func `the rules are walked as the kernel does`() throws {
        var host = try ExitHost()
        #expect(try host.way("10.0.0.1") == "0 local 10.0.0.1/32")
        #expect(try host.way("10.0.0.9") == "105 unicast 10.0.0.0/24")
        #expect(try host.way("203.0.113.1") == "110 unicast 0.0.0.0/0")
        #expect(try host.way("203.0.113.1", mark: 0x7946) == "32766 unicast 0.0.0.0/0")
        #expect(try host.way("192.0.2.9") == "110 blackhole 192.0.2.0/24")
        #expect(try host.way("2001:db8::1") == "none")
        host.routes.append(Route(.throw, to: try prefix("203.0.113.0/24"), table: 7120))
        #expect(try host.way("203.0.113.1") == "32766 unicast 0.0.0.0/0")
        host.rules.insert(RoutingRule(isV4: true, priority: 50, .goto(priority: 32766)), at: 1)
        #expect(try host.way("10.0.0.9") == "32766 unicast 10.0.0.0/24")
        let prohibit = RoutingRule(isV4: true, priority: 1, .prohibit, source: try prefix("10.0.0.0/8"))
        host.rules.insert(prohibit, at: 1)
        #expect(try host.way("10.0.0.9", from: "10.0.0.1") == "1 refused")
        #expect(try host.way("10.0.0.9") == "32766 unicast 10.0.0.0/24")
    }

    @Test func `of equal prefixes the lower metric wins`() throws {
        let rule = RoutingRule(isV4: true, priority: 9, .lookUp(table: 254))
        let routes = try [30, 10, 20].map { Route(to: try prefix("10.0.0.0/8"), metric: UInt32($0)) }
        let lookup = RouteLookup(to: try address("10.1.1.1"))
        #expect(lookup.decide(rules: [rule], routes: routes)?.route?.metric == 10)
    }
}
