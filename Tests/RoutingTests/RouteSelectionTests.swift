import MeshModel
import Routing
import Testing

struct RouteSelectionTests {
    @Test func `the lowest metric wins, then the first identifier, whatever the order`() throws {
        let routes = [try route("c", metric: 9), try route("b", metric: 5), try route("a", metric: 5)]
        for order in [routes, routes.reversed(), [routes[1], routes[2], routes[0]]] {
            #expect(select(among: order)?.id == "a")
        }
    }

    @Test func `an unusable route is passed over`() throws {
        let routes = [try route("a", metric: 1), try route("b", metric: 2)]
        #expect(select(among: routes) { $0.id != "a" }?.id == "b")
        #expect(select(among: routes) { _ in false } == nil)
        #expect(select(among: []) == nil)
    }

    private func route(_ id: String, metric: Int) throws -> NetworkRoute {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 1, count: 32)))
        return NetworkRoute(
            id: id,
            networkID: "office",
            prefix: IPPrefix("10.0.0.0/8"),
            routingPeer: key,
            metric: metric,
            masquerade: false
        )
    }
}
