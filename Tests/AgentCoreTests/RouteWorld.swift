import MeshModel
import Routing

@testable import AgentCore

/// Map, wish and health around the choice of routes, in short words.
struct RouteWorld {
    static let own = peer(99)
    var intent = RouteIntent()
    var catalog = RouteCatalog()
    var health: [PublicKey: GatewayMonitor.View] = [:]
    var policy: ExitFailurePolicy = .closed
    var selection = RouteSelection()
    var now = ContinuousClock.now

    static func peer(_ number: UInt8) -> PublicKey {
        guard let key = PublicKey(bytes: [UInt8](repeating: number, count: 32)) else { preconditionFailure("32 bytes") }
        return key
    }

    /// `NAME PREFIX PEER`, then `skip` and `metric=N` where wanted, such as `exitA 0.0.0.0/0 1 skip`.
    static func route(_ line: String) -> NetworkRoute {
        let words = line.split(separator: " ").map(String.init)
        guard words.count >= 3, let prefix = IPPrefix(words[1]), let number = UInt8(words[2]) else {
            preconditionFailure("not a route: \(line)")
        }
        let metric = words.lazy.compactMap { $0.hasPrefix("metric=") ? Int($0.dropFirst(7)) : nil }.first
        return NetworkRoute(
            id: line,
            networkID: words[0],
            prefix: prefix,
            routingPeer: peer(number),
            metric: metric ?? 9999,
            masquerade: true,
            skipAutoApply: words.contains("skip")
        )
    }

    /// A map with these routes; every routing peer is in it.
    mutating func map(_ lines: String...) { map(lines) }

    mutating func map(_ lines: [String]) {
        let routes = lines.map(Self.route)
        catalog = RouteCatalog(
            routes: routes,
            peers: Set(routes.map(\.routingPeer)).subtracting([Self.own]),
            own: Self.own,
            overlays: [IPPrefix("100.64.0.0/16"), IPPrefix("fd00:1::/64")].compactMap(\.self)
        )
        choose()
    }

    /// - Returns: names that nobody knows.
    @discardableResult
    mutating func command(_ command: RouteCommand) -> [String] {
        let outcome = intent.applying(command, catalog: catalog, exitInForce: selection.choice.exitNode)
        intent = outcome.intent
        choose()
        return outcome.unknownNames
    }

    mutating func set(_ number: UInt8, _ standing: GatewayCandidate.Standing, cost: Duration? = nil) {
        health[Self.peer(number)] = GatewayMonitor.View(standing: standing, cost: cost)
        choose()
    }

    mutating func pass(_ duration: Duration) {
        now += duration
        choose()
    }

    /// The agent starts anew with what it has stored.
    mutating func restart() throws {
        intent = try RouteIntent(text: intent.text)
        selection = RouteSelection()
        choose()
    }

    mutating func choose() {
        selection = chooseRoutes(
            catalog: catalog,
            intent: intent,
            health: health,
            onExitFailure: policy,
            previous: selection,
            at: now
        )
    }

    /// Names that are on: ordinary networks, and the exit node with `+4`, `+6` or `+46` for the families it carries.
    var active: Set<String> {
        var names = Set(catalog.networks.keys.filter(intent.isOn))
        if let exit = selection.choice.exitNode {
            let v4 = selection.choice.carriers[RouteCatalog.defaultV4] == nil ? "" : "4"
            let v6 = selection.choice.carriers[RouteCatalog.defaultV6] == nil ? "" : "6"
            names.insert("\(exit)+\(v4)\(v6)")
        }
        return names
    }

    /// The number of the peer that carries a prefix; `nil`: nobody, or no route.
    func carrier(_ prefix: String) -> UInt8? {
        guard let prefix = IPPrefix(prefix) else { preconditionFailure("not a prefix: \(prefix)") }
        return (selection.choice.carriers[prefix] ?? nil)?.bytes.first
    }

    func hasRoute(_ prefix: String) -> Bool {
        guard let prefix = IPPrefix(prefix) else { preconditionFailure("not a prefix: \(prefix)") }
        return selection.choice.carriers[prefix] != nil
    }
}
