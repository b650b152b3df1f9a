import CNetlink
import MeshModel
import NetlinkWire
import TestSupport
import Testing

@testable import Routing

/// Dumps of a kernel 6.1 with routes, rules, nexthops and neighbours that ip(8) had made.
struct RoutingMessageTests {
    @Test func `a recorded host reads as ip made it`() async throws {
        let messages = try RecordedMessages("routing.txt")
        let replies = messages.replies("route4", "route6", "rule4", "rule6", "nexthop", "neighbour")
        let host = HostNetwork(transport: RecordingNetlink(replies: replies))
        var lines = try await host.routes().map(\.description)
        lines += try await host.rules().map(\.description)
        lines += try await host.nexthops().map(\.description)
        lines += try await host.neighbours().map(\.description)
        let expected = try Fixtures.text("routing.expected").split(separator: "\n").map(String.init)
        #expect(lines.count == expected.count)
        for (ours, wanted) in zip(lines, expected) { #expect(ours == wanted) }
    }

    @Test func `what was read is encoded to bytes that are read the same`() throws {
        let messages = try RecordedMessages("routing.txt")
        for payload in messages["route4"] + messages["route6"] {
            let route = try #require(try RouteMessage.decodeRoute(payload[...]))
            #expect(try RouteMessage.decodeRoute(RouteMessage.encode(route)[...]) == route)
        }
        for payload in messages["rule4"] + messages["rule6"] {
            let rule = try #require(try RuleMessage.decode(payload[...]))
            #expect(try RuleMessage.decode(RuleMessage.encode(rule)[...]) == rule)
        }
        for payload in messages["nexthop"] {
            let nexthop = try #require(try NexthopMessage.decode(payload[...]))
            var again = try #require(try NexthopMessage.decode(NexthopMessage.encode(nexthop)[...]))
            again.isV4 = nexthop.isV4
            #expect(again == nexthop)
        }
        for payload in messages["neighbour"] {
            let neighbour = try #require(try NeighbourMessage.decode(payload[...]))
            #expect(try NeighbourMessage.decode(NeighbourMessage.encode(neighbour)[...]) == neighbour)
        }
    }

    @Test func `a multipath route becomes one rtnexthop for each way`() throws {
        let route = Route(
            to: try #require(IPPrefix("10.2.0.0/16")),
            table: 7007,
            target: .multipath([
                Route.Hop(linkIndex: 2, gateway: IPAddress("192.0.2.9"), weight: 3),
                Route.Hop(linkIndex: 3, gateway: IPAddress("fe80::1"), weight: 256, isOnLink: true),
            ])
        )
        let expected = bytes(
            """
            02 10 00 00 fc 4d 00 01 00000000
            0800 0100 0a020000
            3400 0900
              1000 00 02 02000000  0800 0500 c0000209
              2000 04 ff 03000000  1600 1200 0a00 fe800000 00000000 00000000 00000001 0000
            0800 0f00 5f1b0000
            """
        )
        #expect(RouteMessage.encode(route).hex == expected.hex)
    }

    @Test func `a rule becomes fib_rule_hdr and its attributes`() {
        let rule = RoutingRule(
            isV4: true,
            priority: 100,
            .lookUp(table: 7007),
            isInverted: true,
            fwmark: 0x77,
            fwmarkMask: 0xff
        )
        let expected = bytes(
            """
            02 00 00 00 fc 00 00 01 02000000
            0800 0600 64000000  0800 0f00 5f1b0000  0500 1500 4d000000
            0800 0a00 77000000  0800 1000 ff000000
            """
        )
        #expect(RuleMessage.encode(rule).hex == expected.hex)
        #expect(
            RoutingOperation.addRule(rule).description
                == "ip rule add priority 100 not from all fwmark 0x77/0xff protocol 77 lookup 7007"
        )
    }

    @Test func `rules are added before others are removed, and foreign ones stay`() {
        let old = RoutingRule(isV4: true, priority: 105, .lookUp(table: 7007))
        let new = RoutingRule(isV4: true, priority: 106, .lookUp(table: 7007))
        let foreign = RoutingRule(isV4: true, priority: 50, .lookUp(table: 50), ruleProtocol: 3)
        #expect(plan(current: [foreign, old], desired: [new]) == [.addRule(new), .removeRule(old)])
        #expect(plan(current: [foreign, new], desired: [new]).isEmpty)
    }

    @Test func `what is gone already is removed without failure, another refusal is thrown`() async throws {
        let rule = RoutingRule(isV4: true, priority: 105, .lookUp(table: 7007))
        func host(_ code: Int32) -> HostNetwork<RecordingNetlink> {
            HostNetwork(transport: RecordingNetlink(replies: [.failure(NetlinkError(operation: "x", code: code))]))
        }
        try await host(ENOENT).apply([.removeRule(rule)])
        let error = await #expect(throws: NetlinkError.self) { try await host(EPERM).apply([.removeRule(rule)]) }
        #expect(error?.isNotPermitted == true)
        await #expect(throws: NetlinkError.self) { try await host(ENOENT).apply([.addRule(rule)]) }
    }

    @Test func `changed bytes give an object or an error, never a trap`() throws {
        var generator = SeededGenerator(seed: 5)
        let samples = try RecordedMessages("routing.txt").payloads
        for _ in 0..<5000 {
            guard let sample = samples.randomElement(using: &generator) else { break }
            let bytes = mutated(sample, using: &generator)[...]
            // Any outcome is right; that it comes back at all, text and encoding included, is the test.
            _ = Result { try RouteMessage.decodeRoute(bytes).map { "\($0)" + RouteMessage.encode($0).hex } }
            _ = Result { try RuleMessage.decode(bytes).map { "\($0)" + RuleMessage.encode($0).hex } }
            _ = Result { try NexthopMessage.decode(bytes).map { "\($0)" + NexthopMessage.encode($0).hex } }
            _ = Result { try NeighbourMessage.decode(bytes).map { "\($0)" + NeighbourMessage.encode($0).hex } }
        }
    }
}
