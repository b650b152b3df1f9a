import Foundation
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import Testing

/// Ring 4: all that `ip` made of each kind is read as `ip -j` reads it, object by object and attribute by attribute.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct WitnessKernelTests {
    @Test func `routes, nexthops, rules, neighbours, links and addresses are what ip reads`() async throws {
        let (namespace, host) = try makeHost()
        let links = try await host.links()
        let witness = IPWitness(namespace: namespace, links: links)
        let routes = try await host.routes().map { $0.asWitnessed() }
        for (name, isV4) in [("-4", true), ("-6", false)] {
            let listed = try witness.list(name, "route", "show", "table", "all").map { try witness.route($0, isV4) }
            #expect(Set(routes.filter { $0.destination.isV4 == isV4 }) == Set(listed))
            #expect(listed.count >= 7)
            let rules = try witness.list(name, "rule").map { try witness.rule($0, isV4: isV4) }
            #expect(try await host.rules().filter { $0.isV4 == isV4 } == rules)
            #expect(rules.count >= 4)
        }
        let nexthops = try witness.list("nexthop").map { try witness.nexthop($0) }
        #expect(try await host.nexthops().map { $0.asWitnessed() } == nexthops)
        #expect(nexthops.count == 6)
        let neighbours = try witness.list("neigh", "show", "nud", "all").map { try witness.neighbour($0) }
        #expect(Set(try await host.neighbours()) == Set(neighbours))
        #expect(neighbours.count >= 3)
        #expect(links == (try witness.list("link").map { try witness.link($0) }))
        #expect(links.count == 3)
        let addresses = try witness.list("address").flatMap { try witness.addresses($0) }
        let read = try await host.interfaces(linkName: "d0").addresses
        #expect(Set(read.map { "\($0.linkIndex) \($0.prefix)" }) == Set(addresses))
        #expect(addresses.count >= 4)
    }

    /// With something of every kind that `ip` can make.
    private func makeHost() throws -> (KernelNamespace, HostNetwork<NetlinkSocket>) {
        let namespace = try KernelNamespace()
        let commands = """
            ip link add d0 type dummy
            ip link add d1 mtu 1380 type dummy
            ip link set d1 alias office group 7
            ip link set d0 up
            ip link set d1 up
            ip addr add 192.0.2.1/24 dev d0
            ip addr add 2001:db8::1/64 dev d0 nodad
            ip route add 10.1.0.0/16 via 192.0.2.9 dev d0 proto 77 src 192.0.2.1 metric 5 mtu 1400 advmss 1300
            ip route add 10.2.0.0/16 table 70007 proto 77 nexthop via 192.0.2.9 dev d0 weight 3 \
            nexthop via 203.0.113.9 dev d1 weight 256 onlink
            ip route add unreachable 10.3.0.0/16 metric 9
            ip route add blackhole 10.4.0.0/16
            ip route add prohibit 10.6.0.0/16
            ip route add throw 10.5.0.0/16 table 100
            ip route add 10.7.0.0/16 via inet6 fe80::7 dev d0
            ip route add 10.8.0.0/16 dev d1 scope link tos 0x10
            ip route add default via 192.0.2.254 dev d0
            ip -6 route add 2001:db8:1::/48 via 2001:db8::9 dev d0 metric 7 mtu 1280
            ip -6 route add 2001:db8:2::/48 from 2001:db8:f::/48 dev d1
            ip -6 route add 2001:db8:4::/48 nexthop via 2001:db8::9 dev d0 weight 2 nexthop via 2001:db8::a dev d0
            ip -6 route add unreachable 2001:db8:3::/48
            ip nexthop add id 11 via 192.0.2.9 dev d0 proto 77
            ip nexthop add id 12 via 192.0.2.10 dev d0
            ip nexthop add id 13 dev d1
            ip nexthop add id 30 blackhole
            ip -6 nexthop add id 31 via fe80::9 dev d0 onlink
            ip nexthop add id 20 group 11,5/12
            ip route add 10.9.0.0/16 nhid 20 table 900
            ip route add 10.10.0.0/16 nhid 11
            ip rule add not fwmark 0x77/0xff lookup 7007 priority 100 protocol 77
            ip rule add lookup main suppress_prefixlength 0 priority 101
            ip rule add from 10.0.0.0/8 to 192.0.2.0/24 iif lo oif d0 uidrange 1000-2000 lookup 70000 priority 102
            ip rule add goto 32766 priority 104
            ip rule add blackhole from 10.9.9.9 priority 105
            ip -6 rule add l3mdev priority 103
            ip -6 rule add prohibit from 2001:db8::/32 priority 110
            ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:01 dev d0
            ip -6 neigh add fe80::7 lladdr 02:00:00:00:00:02 dev d0 nud reachable
            ip neigh add 192.0.2.78 lladdr 02:00:00:00:00:03 dev d0 nud stale
            """
        try namespace.run("sh", "-ec", commands)
        return (namespace, HostNetwork(transport: namespace.transport))
    }
}

/// What `ip -j -N -d` says, as our own values.
private struct IPWitness {
    typealias Object = [String: Any]

    let namespace: KernelNamespace
    let links: [LinkSnapshot]

    func list(_ arguments: String...) throws -> [Object] {
        let words = arguments.joined(separator: " ")
        let text = try namespace.run("sh", "-c", "ip -j -N -d \(words)")
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [Object])
    }

    func route(_ object: Object, _ isV4: Bool) throws -> Route {
        var route = Route(
            try #require(Route.Kind(rawValue: try number(object["type"]))),
            to: try prefix(object["dst"], isV4),
            source: try object["from"].map { try prefix($0, isV4) },
            table: try number(object["table"]),
            metric: try object["metric"].map { try number($0) } ?? 0,
            routeProtocol: try number(object["protocol"]),
            scope: try number(object["scope"]),
            typeOfService: try object["tos"].map { try number($0) } ?? 0
        )
        if let identifier = object["nhid"] {
            route.target = .nexthop(id: try number(identifier))
        } else if let hops = object["nexthops"] as? [Object] {
            route.target = .multipath(try hops.map { try hop($0) })
        } else if object["dev"] != nil, ![.blackhole, .unreachable, .prohibit, .throw].contains(route.kind) {
            route.target = .hop(try hop(object))
        }
        route.preferredSource = try object["prefsrc"].map { try address($0) }
        for metrics in object["metrics"] as? [Object] ?? [] {
            route.mtuBytes = try metrics["mtu"].map { try number($0) }
            route.advertisedMSSBytes = try metrics["advmss"].map { try number($0) }
        }
        return route
    }

    private func hop(_ object: Object) throws -> Route.Hop {
        let other = (object["via"] as? Object)?["host"]
        return Route.Hop(
            linkIndex: try index(object["dev"]),
            gateway: try (object["gateway"] ?? other).map { try address($0) },
            weight: try object["weight"].map { try number($0) } ?? 1,
            isOnLink: (object["flags"] as? [String])?.contains("onlink") ?? false
        )
    }

    func nexthop(_ object: Object) throws -> Nexthop {
        let target: Nexthop.Target
        if let members = object["group"] as? [Object] {
            target = .group(
                try members.map {
                    Nexthop.Member(id: try number($0["id"]), weight: try $0["weight"].map { try number($0) } ?? 1)
                }
            )
        } else if object.keys.contains("blackhole") {
            target = .blackhole
        } else {
            let hop = try hop(object)
            target = .hop(linkIndex: try index(object["dev"]), gateway: hop.gateway, isOnLink: hop.isOnLink)
        }
        let isV4 = try object["gateway"].map { try address($0).isV4 } ?? true
        let origin: UInt8 = try number(object["protocol"])
        return Nexthop(id: try number(object["id"]), isV4: isV4, target, nexthopProtocol: origin)
    }

    func rule(_ object: Object, isV4: Bool) throws -> RoutingRule {
        let action: RoutingRule.Action
        if let target = object["goto"] {
            action = .goto(priority: try number(target))
        } else if let kind = object["action"] as? String {
            switch kind {
            case "6": action = .blackhole
            case "7": action = .unreachable
            default: action = .prohibit
            }
        } else {
            action = .lookUp(table: try object["table"].map { try number($0) } ?? 0)
        }
        func network(_ name: String) throws -> IPPrefix? {
            guard let text = object[name] as? String, text != "all" else { return nil }
            let address = try address(text)
            let length: Int = try object[name + "len"].map { try number($0) } ?? address.bitWidth
            let prefix: IPPrefix = try #require(IPPrefix(address: address, length: length))
            return prefix
        }
        var rule = RoutingRule(isV4: isV4, priority: try number(object["priority"]), action)
        rule.isInverted = object.keys.contains("not")
        rule.source = try network("src")
        rule.destination = try network("dst")
        rule.fwmark = try object["fwmark"].map { try number($0) }
        if let mask = object["fwmask"] { rule.fwmarkMask = try number(mask) }
        rule.inputLink = object["iif"] as? String
        rule.outputLink = object["oif"] as? String
        if let first = object["uid_start"], let last = object["uid_end"] {
            rule.userIDs = try number(first)...number(last)
        }
        rule.isL3Master = object.keys.contains("l3mdev")
        rule.suppressPrefixLength = try object["suppress_prefixlen"].map { try number($0) }
        rule.ruleProtocol = try number(object["protocol"])
        return rule
    }

    func neighbour(_ object: Object) throws -> Neighbour {
        let names = ["INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT"]
        let states = try #require(object["state"] as? [String])
        let state = try states.reduce(UInt16(0)) { $0 | 1 << UInt16(try #require(names.firstIndex(of: $1))) }
        let linkAddress = (object["lladdr"] as? String)?.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        let index = try index(object["dev"])
        return Neighbour(linkIndex: index, address: try address(object["dst"]), linkAddress: linkAddress, state: state)
    }

    func link(_ object: Object) throws -> LinkSnapshot {
        let flags = try #require(object["flags"] as? [String])
        return LinkSnapshot(
            index: try number(object["ifindex"]),
            name: try #require(object["ifname"] as? String),
            alias: object["ifalias"] as? String,
            kind: (object["linkinfo"] as? Object)?["info_kind"] as? String,
            mtuBytes: try number(object["mtu"]),
            group: try number(object["group"]),
            isUp: flags.contains("UP"),
            isLoopback: flags.contains("LOOPBACK")
        )
    }

    func addresses(_ object: Object) throws -> [String] {
        let index: UInt32 = try number(object["ifindex"])
        return try #require(object["addr_info"] as? [Object]).map {
            "\(index) \(try #require($0["local"] as? String))/\(try number($0["prefixlen"]) as Int)"
        }
    }

    private func index(_ name: Any?) throws -> UInt32 {
        try #require(links.first { $0.name == name as? String }, "no link \(String(describing: name))").index
    }

    /// ip writes some numbers as text.
    private func number<Number: FixedWidthInteger>(_ value: Any?) throws -> Number {
        if let number = value as? NSNumber { return try #require(Number(exactly: number.int64Value)) }
        let text = try #require(value as? String)
        if text.hasPrefix("0x") { return try #require(Number(text.dropFirst(2), radix: 16)) }
        return try #require(Number(text))
    }

    private func address(_ value: Any?) throws -> IPAddress {
        let text = try #require(value as? String)
        return try #require(IPAddress(text))
    }

    private func prefix(_ value: Any?, _ isV4: Bool) throws -> IPPrefix {
        let text = try #require(value as? String)
        return try #require(IPPrefix(text == "default" ? (isV4 ? "0.0.0.0/0" : "::/0") : text))
    }
}

extension Route {
    /// Without what ip does not print of routes (whether the MTU is locked: not in JSON).
    fileprivate func asWitnessed() -> Route {
        var route = self
        route.isMTULocked = false
        return route
    }
}

extension Nexthop {
    /// ip does not print the family of one without a gateway.
    fileprivate func asWitnessed() -> Nexthop {
        switch target {
        case .hop(_, let gateway?, _): Nexthop(id: id, isV4: gateway.isV4, target, nexthopProtocol: nexthopProtocol)
        case .hop, .blackhole, .group: Nexthop(id: id, isV4: true, target, nexthopProtocol: nexthopProtocol)
        }
    }
}
