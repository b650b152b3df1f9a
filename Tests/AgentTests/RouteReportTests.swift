import Agent
import AgentCore
import MeshModel
import Testing

@Suite struct RouteReportTests {
    @Test func `networks say what they lead to, whether they are on, and who carries them`() throws {
        let text = RouteReport(routes: try sample).networkText
        #expect(
            text == """
                lan\\u{1b}:
                  Network: 10.0.0.0/8
                  Status: Selected
                  Gateways: a.test, b.test
                  Carried by: -
                  Nobody carries: 10.0.0.0/8

                """
        )
        var off = RouteStatus()
        off.intent = .nothing
        #expect(
            RouteReport(routes: off).networkText
                == "no networks are offered\nnetworks not named are off, also new ones (deselect all)\n"
        )
    }

    @Test func `exit nodes come with the one in use, why, and the health of gateways`() throws {
        let text = RouteReport(routes: try sample).exitText
        #expect(
            text == """
                berlin:
                  Routes: 0.0.0.0/0, ::/0
                  Status: In use, offered as automatic
                  Gateways: a.test
                Wish: auto
                Exit node: berlin via a.test (automatic)
                Gateway a.test: alive, in use, 12.3 ms, 1.5 % loss
                Failovers: 3

                """
        )
    }

    @Test func `programs get the same`() throws {
        let report = RouteReport(routes: try sample, unknownNames: ["x\"y"], problem: "damaged")
        let json = report.exitJSON.text()
        for part in [
            #""inForce": "berlin""#, #""carrier": "a.test""#, #""latency": 12345678"#, #""lossPerMille": 15"#,
            #""failovers": 3"#, #""x\"y""#, #""problem": "damaged""#, #""wish": "auto""#,
        ] {
            #expect(json.contains(part), "\(part)")
        }
        let networks = report.networkJSON.text()
        #expect(networks.contains(#""id": "lan\u001b""#) && networks.contains(#""default": "on""#))
    }

    private var sample: RouteStatus {
        get throws {
            let (v4, v6) = (try #require(IPPrefix("0.0.0.0/0")), try #require(IPPrefix("::/0")))
            let lan = try #require(IPPrefix("10.0.0.0/8"))
            var routes = RouteStatus()
            routes.exitNode = "berlin"
            routes.exitCarrier = "a.test"
            routes.exitReason = "automatic"
            routes.exitNodes = [
                .init(name: "berlin", prefixes: [v4, v6], isInForce: true, isAutoApplied: true, gateways: ["a.test"])
            ]
            routes.networks = [
                .init(
                    name: "lan\u{1b}",
                    isOn: true,
                    prefixes: [lan],
                    domains: [],
                    carriers: [],
                    uncarried: [lan],
                    gateways: ["a.test", "b.test"]
                )
            ]
            routes.gateways = [
                .init(
                    name: "a.test",
                    publicKey: Sample.peer.publicKey,
                    state: "alive",
                    roundTrip: .nanoseconds(12_345_678),
                    loss: 0.0149,
                    isCarrying: true
                )
            ]
            routes.failovers = 3
            return routes
        }
    }
}
