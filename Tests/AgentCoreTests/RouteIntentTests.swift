import MeshModel
import Routing
import Testing

@testable import AgentCore

@Suite struct RouteIntentTests {
    static let intents: [RouteIntent] = [
        RouteIntent(), .nothing,
        RouteIntent(
            exit: .use(["b", "a, c", "\u{1F1E9}\u{1F1EA} % \n"]),
            isDefaultOn: true,
            switchedOff: ["x y", "z"]
        ),
        RouteIntent(exit: .automatic(except: ["a"]), isDefaultOn: false, switchedOn: ["on", "off"]),
    ]

    @Test(arguments: intents)
    func `what is written is read back`(intent: RouteIntent) throws {
        #expect(try RouteIntent(text: intent.text) == intent)
        #expect(intent.text.split(separator: "\n").count == 5)
    }

    @Test func `the text is as documented`() {
        let intent = RouteIntent(exit: .use(["berlin", "paris"]), isDefaultOn: true, switchedOff: ["office lan"])
        #expect(intent.text == "wgmesh-routes 1\ndefault on\nexit use berlin paris\non\noff office%20lan\n")
    }

    @Test(arguments: [
        ("", "its last line is cut off"),
        ("wgmesh-routes 1\ndefault on\nexit auto\non\noff", "its last line is cut off"),
        ("wgmesh-routes 2\ndefault on\nexit auto\non\noff\n", "it does not begin with \"wgmesh-routes 1\""),
        ("wgmesh-routes 1\n", "it has 1 lines, not 5"),
        ("wgmesh-routes 1\ndefault on\nexit auto\non\noff\n\n", "it has 6 lines, not 5"),
        ("wgmesh-routes 1\ndefault maybe\nexit auto\non\noff\n", "line 2 says neither \"on\" nor \"off\""),
        (
            "wgmesh-routes 1\ndefault on\nexit use\non\noff\n",
            "line 3 is none of \"exit off\", \"exit auto NAME...\", \"exit use NAME...\""
        ),
        (
            "wgmesh-routes 1\ndefault on\nexit off a\non\noff\n",
            "line 3 is none of \"exit off\", \"exit auto NAME...\", \"exit use NAME...\""
        ),
        ("wgmesh-routes 1\ndefault on\nexit auto\non a%2\noff\n", "line 4 holds a word that is no name"),
        ("wgmesh-routes 1\ndefault on\nexit auto\non a%ff\noff\n", "line 4 holds a word that is no name"),
        ("wgmesh-routes 1\ndefault on\nexit auto\non\noff a  b\n", "line 5 holds a word that is no name"),
        ("wgmesh-routes 1\ndefault on\nexit auto\non\noff a a\n", "line 5 names something twice"),
        ("wgmesh-routes 1\ndefault on\nexit auto\noff\non\n", "line 4 does not begin with \"on\""),
    ])
    func `anything else is refused with its reason`(text: String, reason: String) {
        let error = #expect(throws: RouteIntentError.self) { try RouteIntent(text: text) }
        #expect(error?.description == reason)
    }

    @Test func `every cut and every changed byte is refused or read as another wish, never a trap`() {
        let bytes = Array(Self.intents[2].text.utf8)
        for index in bytes.indices {
            #expect(throws: RouteIntentError.self) {
                try RouteIntent(text: String(decoding: bytes[..<index], as: UTF8.self))
            }
            for flip: UInt8 in [1, 0x20, 0x80] {
                var changed = bytes
                changed[index] ^= flip
                guard let text = String(validating: changed, as: UTF8.self) else { continue }
                if let intent = try? RouteIntent(text: text) {  // any error will do
                    #expect((try? RouteIntent(text: intent.text)) == intent)  // as above
                }
            }
        }
    }

    @Test func `a list of exit nodes keeps its order and loses repetitions`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "A-v6 ::/0 1", "B 0.0.0.0/0 2", "lan 10.0.0.0/8 3")
        #expect(world.command(.useExit(["B", "A-v6", "none", "B", "A", "lan"])) == ["none", "lan"])
        #expect(world.intent.exit == .use(["B", "A"]))
        world.command(.deselect(["B"]))
        #expect(world.intent.exit == .use(["A"]))
        world.command(.deselect(["A"]))
        #expect(world.intent.exit == .off)
    }

    @Test func `exit commands leave the networks alone, also after deselect all`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "lan 10.0.0.0/8 3")
        world.command(.deselectAll)
        world.command(.useExit(["A"]))
        #expect(world.active == ["A+4"])
        world.command(.noExit)
        #expect(world.active == [])
        world.command(.automaticExit)
        #expect(world.active == ["A+4"])
    }

    @Test func `a deselected exit node that is not in use is passed over until exit auto`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 1", "B 0.0.0.0/0 2")
        world.command(.deselect(["B"]))
        #expect(world.intent.exit == .automatic(except: ["B"]))
        world.set(1, .dead)
        #expect(world.carrier("0.0.0.0/0") == nil)
        world.command(.automaticExit)
        #expect(world.carrier("0.0.0.0/0") == 2)
    }
}

@Suite struct RouteCatalogTests {
    @Test func `what we serve ourselves, strangers' routes and what would hide the overlay are left out`() {
        var world = RouteWorld()
        world.map(
            "mine 10.0.0.0/8 99",
            "mine 10.0.0.0/8 1",
            "mine 11.0.0.0/8 1",
            "A 0.0.0.0/0 99",
            "A-v6 ::/0 1",
            "over 100.64.7.0/24 1",
            "six fd00:1::/80 1",
            "lo 127.0.0.0/8 1",
            "multi 224.0.0.0/8 1",
            "link fe80::/64 1"
        )
        #expect(world.catalog.networks.keys.sorted() == ["mine"])
        #expect(world.selection.choice.carriers.keys.map(\.description) == ["11.0.0.0/8"])
        #expect(world.catalog.exitNodes.isEmpty)
    }

    @Test func `host bits and the order of the map do not matter`() {
        var (one, other) = (RouteWorld(), RouteWorld())
        one.map("lan 10.0.0.1/8 1", "lan 10.0.0.0/8 2", "A 0.0.0.0/0 1", "A-v6 ::/0 1")
        other.map("A-v6 ::/0 1", "A 0.0.0.0/0 1", "lan 10.0.0.0/8 2", "lan 10.0.0.0/8 1")
        #expect(one.catalog == other.catalog)
        #expect(one.catalog.networks["lan"]?.prefixes.count == 1)
    }

    @Test func `networks of one prefix back each other up whatever their names`() {
        var world = RouteWorld()
        world.map("one 10.0.0.0/8 1 metric=1", "two 10.0.0.0/8 2 metric=2")
        #expect(world.carrier("10.0.0.0/8") == 1)
        world.set(1, .dead)
        #expect(world.carrier("10.0.0.0/8") == 2)
        world.command(.deselect(["two"]))
        #expect(world.carrier("10.0.0.0/8") == nil && world.hasRoute("10.0.0.0/8"))
    }

    @Test func `a name that no command could carry is replaced by the prefix`() {
        let route = NetworkRoute(
            id: "",
            networkID: String(repeating: "x", count: 300),
            prefix: IPPrefix("10.0.0.0/8"),
            routingPeer: RouteWorld.peer(1),
            metric: 1,
            masquerade: false
        )
        let catalog = RouteCatalog(routes: [route], peers: [RouteWorld.peer(1)], own: RouteWorld.own, overlays: [])
        #expect(catalog.networks.keys.sorted() == ["10.0.0.0/8"])
    }

    @Test func `the IPv6 half follows to the gateway of the IPv4 half where it can`() {
        var world = RouteWorld()
        world.map("A 0.0.0.0/0 2 metric=1", "A 0.0.0.0/0 1 metric=2", "A-v6 ::/0 1 metric=1", "A-v6 ::/0 2 metric=2")
        #expect(world.carrier("0.0.0.0/0") == 2 && world.carrier("::/0") == 2)
        world.set(2, .silent)
        #expect(world.carrier("0.0.0.0/0") == 1 && world.carrier("::/0") == 1)
    }
}
