import Glibc
import MeshModel
import Routing
import Testing
import WGKernel
import WGTool

@testable import wgctl

/// A host with a tunnel `wgm0`, one peer at 203.0.113.7 and an agent.
private struct Scene {
    let key: PublicKey
    var facts: PacketFacts

    init(to destination: String) throws {
        key = try #require(PublicKey(bytes: [UInt8](repeating: 1, count: 32)))
        let overlay = Route(
            to: try #require(IPPrefix("100.64.0.0/16")),
            routeProtocol: 77,
            target: .hop(.init(linkIndex: 3))
        )
        let uplink = Route(
            to: try #require(IPPrefix("0.0.0.0/0")),
            routeProtocol: 4,
            target: .hop(.init(linkIndex: 2, gateway: IPAddress("192.0.2.254")))
        )
        let peer = PeerSnapshot(
            publicKey: key,
            endpoint: Endpoint("203.0.113.7:51820"),
            allowedIPs: [try #require(IPPrefix("100.64.0.2/32"))],
            latestHandshakeSeconds: 988
        )
        facts = PacketFacts(
            lookup: RouteLookup(to: try #require(IPAddress(destination))),
            answer: .route(overlay),
            rules: [RoutingRule(isV4: true, priority: 32766, .lookUp(table: 254), ruleProtocol: 2)],
            routes: [overlay, uplink],
            links: [
                LinkSnapshot(index: 2, name: "eth0", mtuBytes: 1500, isUp: true),
                LinkSnapshot(index: 3, name: "wgm0", kind: "wireguard", mtuBytes: 1280, isUp: true),
            ],
            device: DeviceSnapshot(name: "wgm0", index: 3, fwmark: 0x7946, peers: [peer]),
            outer: .route(uplink),
            agent: AgentFacts(
                """
                key\tAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
                own\t100.64.0.1/16
                map\tfresh
                management\tConnected\thttps://mesh.example:443
                peer\t\(key)\tb.mesh\tConnected
                route\t10.1.0.0/16\t\(key)\t100\toffice
                access\tin\taccept\ttcp\t22-23\t100.64.0.2/32\tp1
                something\tnewer
                """
            ),
            nowSeconds: 1000
        )
    }

    var path: PacketPath { PacketPath(facts) }
}

@Suite struct PacketPathTests {
    @Test func `a packet to a peer is followed to the uplink`() throws {
        let scene = try Scene(to: "100.64.0.2")
        #expect(scene.path.status == .success)
        #expect(
            scene.path.text == """
                100.64.0.2
                  rule: priority 32766 from all protocol 2 lookup 254
                  route: 100.64.0.0/16 dev wgm0 table 254 proto 77
                  link: wgm0 (wireguard), up, mtu 1280
                  peer: \(scene.key) (b.mesh), allowed IP 100.64.0.2/32
                  endpoint: 203.0.113.7:51820, handshake 12 s ago
                  outer: 203.0.113.7 mark 0x7946: 0.0.0.0/0 via 192.0.2.254 dev eth0 table 254 proto 4
                  agent: b.mesh: Connected
                  access: accept from it: tcp 22-23, policy p1
                  => goes through the tunnel wgm0 to the peer (b.mesh)

                """
        )
        #expect(scene.path.json.text.hasPrefix(#"{"question":"100.64.0.2","verdict":"goes","reason":"goes through"#))
    }

    @Test func `each reason to go nowhere is named`() throws {
        func reason(_ change: (inout PacketFacts) -> Void) throws -> String {
            var scene = try Scene(to: "100.64.0.2")
            change(&scene.facts)
            return scene.path.text.split(separator: "\n").last.map { String($0) } ?? ""
        }
        let unrouted = try reason { facts in
            facts.answer = .refused(code: ENETUNREACH)
            facts.routes = []
        }
        #expect(unrouted.contains("no rule leads to a route"))
        #expect(try reason { $0.answer = .refused(code: EHOSTUNREACH) }.hasSuffix("the route says unreachable"))
        #expect(try reason { $0.answer = .refused(code: EINVAL) }.contains("blackhole"))
        #expect(try reason { $0.answer = .refused(code: EACCES) }.contains("prohibits"))
        #expect(try reason { $0.links[1].isUp = false }.hasSuffix("nowhere: the link wgm0 is down"))
        #expect(try reason { $0.links = [] }.hasSuffix("its link, number 3, is gone"))
        #expect(try reason { $0.device?.peers[0].allowedIPs = [] }.contains("no peer of wgm0 has 100.64.0.2"))
        #expect(try reason { $0.device?.peers[0].endpoint = nil }.contains("the peer has no endpoint"))
        #expect(try reason { $0.outer = .refused(code: ENETUNREACH) }.contains("its endpoint is not reached"))
        #expect(try reason { $0.outer = $0.answer }.contains("round in circles"))
    }

    @Test func `a packet that may not arrive is told from one that goes nowhere`() throws {
        var scene = try Scene(to: "100.64.0.2")
        scene.facts.device?.peers[0].latestHandshakeSeconds = 0
        #expect(scene.path.status == .degraded)
        scene.facts.device?.peers[0].latestHandshakeSeconds = 700
        #expect(scene.path.text.contains("=> may not arrive: the last handshake is 300 s old"))
        scene.facts.device = nil
        #expect(scene.path.text.contains("only root may look into"))
        scene.facts.links[1].isUp = false
        #expect(scene.path.status == .failure)
    }

    @Test func `the map's routes and missing rules are told, and an absent agent`() throws {
        var scene = try Scene(to: "10.1.2.3")
        scene.facts.device?.peers[0].allowedIPs.append(try #require(IPPrefix("10.1.0.0/16")))
        #expect(scene.path.text.contains("  map: 10.1.0.0/16 by b.mesh, metric 100 (office)\n"))
        scene = try Scene(to: "100.64.9.9")
        #expect(scene.path.text.contains("  access: no rule of the map names it\n"))
        scene.facts.agent = nil
        #expect(scene.path.text.contains("  agent: none answers\n"))
    }

    @Test func `a way too narrow for the tunnel is told`() throws {
        var scene = try Scene(to: "100.64.0.2")
        scene.facts.links[0].mtuBytes = 1300
        #expect(scene.path.text.contains("  mtu: 1280 inside need 1340 outside, the way has 1300\n"))
    }

    @Test func `what is local or outside every tunnel is said`() throws {
        var scene = try Scene(to: "192.0.2.1")
        scene.facts.answer = .route(scene.facts.routes[1])
        #expect(scene.path.text.contains("=> leaves through eth0, outside every tunnel"))
        scene.facts.answer = .route(Route(.local, to: try #require(IPPrefix("192.0.2.1/32")), table: 255))
        #expect(scene.path.text.contains("=> is delivered to this host"))
    }

    @Test(arguments: ["", "\n\n", "key", "peer\tx\ty\tz", "route\t1.2.3.4\tx\ty\tz", "access\tin", "\t\t\t"])
    func `facts that cannot be read are passed over`(text: String) {
        let facts = AgentFacts(text)
        #expect(facts.peers.isEmpty && facts.routes.isEmpty && facts.access.isEmpty && facts.key == nil)
    }
}
