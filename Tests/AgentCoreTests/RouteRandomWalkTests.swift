import MeshModel
import Routing
import TestSupport
import Testing

@testable import AgentCore

/// Ten thousand random steps of maps, commands, failures and restarts against a model that remembers every word of the user
/// and works each answer out from the whole conversation.
@Suite struct RouteRandomWalkTests {
    @Test(arguments: [1, 2])
    func `10,000 random steps agree with the reference`(seed: UInt64) throws {
        var walk = Walk(seed: seed)
        for step in 0..<10_000 {
            let what = try walk.step()
            let problems = walk.problems()
            guard problems.isEmpty else {
                Issue.record("step \(step) (\(what)): \(problems.joined(separator: "; "))")
                return
            }
        }
        // A walk that never got anywhere would prove nothing.
        #expect(walk.exitsSeen.count >= 4, "\(walk.exitsSeen)")
        #expect(walk.blockedSteps > 100 && walk.standbySteps > 100)
    }
}

/// One group of a map.
private struct Offer: Hashable {
    var name: String
    var prefix: String
    var members: [UInt8: Int]
    var isSkipped: Bool

    var lines: [String] {
        members.sorted { $0.key < $1.key }
            .map { "\(name) \(prefix) \($0.key) metric=\($0.value)" + (isSkipped ? " skip" : "") }
    }
}

/// What the user said, in order, with what was known then; the reference works from these alone.
private struct Statement {
    var command: RouteCommand
    /// Names that were offered, or of which the user had said something that still held.
    var knownNetworks: Set<String>
    var exitOf: [String: String]
    var exitInForce: String?
}

private struct Walk {
    var random: SeededGenerator
    var world = RouteWorld()
    var offers: [Offer] = []
    var conversation: [Statement] = []
    var exitsSeen: Set<String> = []
    var blockedSteps = 0
    var standbySteps = 0

    private static let networks = ["lan", "lan 2", "büro", "x-v6", "n"]
    private static let exits = ["A", "B", "C", "D"]

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    // MARK: - Steps

    mutating func step() throws -> String {
        let what: String
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25:
            what = "map"
            offers = randomOffers()
            world.map(offers.flatMap(\.lines))
        case 25..<35:
            what = "skip flips"
            for index in offers.indices where Bool.random(using: &random) { offers[index].isSkipped.toggle() }
            world.map(offers.flatMap(\.lines))
        case 35..<65:
            let command = randomCommand()
            what = "\(command)"
            conversation.append(statement(command))
            // What was said before one of these does not matter, and would make the walk slow.
            if command == .selectAll || command == .deselectAll { conversation = conversation.suffix(1) }
            world.command(command)
        case 65..<90:
            what = "health"
            let standings: [GatewayCandidate.Standing] = [.dead, .silent, .recovering, .usable, .usable]
            let cost = Int.random(in: 0..<3, using: &random) == 0 ? nil : Int.random(in: 1...200, using: &random)
            world.set(
                UInt8.random(in: 1...6, using: &random),
                standings.randomElement(using: &random) ?? .usable,
                cost: cost.map { .milliseconds($0) }
            )
        case 90..<95:
            what = "time"
            world.pass(.seconds(Int.random(in: 1...40, using: &random)))
        case 95..<97:
            what = "policy"
            world.policy = world.policy == .closed ? .open : .closed
            world.choose()
        default:
            what = "restart"
            try world.restart()
        }
        return what
    }

    private mutating func randomOffers() -> [Offer] {
        var offers: [Offer] = []
        for (index, name) in Self.networks.enumerated() where Int.random(in: 0..<3, using: &random) > 0 {
            offers.append(randomOffer(PercentEncoding.encode(name), "10.\(index).0.0/16"))
        }
        for name in Self.exits where Int.random(in: 0..<3, using: &random) > 0 {
            let v4 = randomOffer(name, "0.0.0.0/0")
            offers.append(v4)
            guard Bool.random(using: &random) else { continue }
            var v6 = randomOffer(name + "-v6", "::/0")
            if Bool.random(using: &random) { v6.members = v4.members }
            offers.append(v6)
        }
        return offers
    }

    private mutating func randomOffer(_ name: String, _ prefix: String) -> Offer {
        var members: [UInt8: Int] = [:]
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            members[UInt8.random(in: 1...6, using: &random)] = Int.random(in: 1...3, using: &random)
        }
        return Offer(name: name, prefix: prefix, members: members, isSkipped: Bool.random(using: &random))
    }

    private mutating func randomCommand() -> RouteCommand {
        let vocabulary = Self.networks.map { PercentEncoding.encode($0) } + Self.exits + ["A-v6", "B-v6", "nonsense"]
        let names = (0..<Int.random(in: 1...3, using: &random)).compactMap { _ in
            vocabulary.randomElement(using: &random)
        }
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return .selectAll
        case 1: return .deselectAll
        case 2, 3: return .select(names, append: false)
        case 4, 5: return .select(names, append: true)
        case 6, 7: return .deselect(names)
        case 8, 9: return .useExit(names)
        case 10: return .automaticExit
        default: return .noExit
        }
    }

    private func statement(_ command: RouteCommand) -> Statement {
        let isOnByDefault = defaultIsOn(after: conversation.count)
        let names = Self.networks.map { PercentEncoding.encode($0) }
        let known = names.filter { name in
            offers.contains { $0.name == name && !$0.prefix.hasSuffix("/0") }
                || isOn(name, after: conversation.count) != isOnByDefault
        }
        var exitOf: [String: String] = [:]
        for name in Self.exits {
            let isOffered = offers.contains { $0.name == name }
            if isOffered || namesInExitWish(after: conversation.count).contains(name) { exitOf[name] = name }
            if isOffered, offers.contains(where: { $0.name == name + "-v6" }) { exitOf[name + "-v6"] = name }
        }
        return Statement(
            command: command,
            knownNetworks: Set(known),
            exitOf: exitOf,
            exitInForce: expectedExit()
        )
    }

    // MARK: - The reference

    private func defaultIsOn(after count: Int) -> Bool {
        for statement in conversation.prefix(count).reversed() {
            if statement.command == .selectAll { return true }
            if statement.command == .deselectAll { return false }
        }
        return true
    }

    /// The last word on a network decides.
    private func isOn(_ name: String, after count: Int) -> Bool {
        for index in (0..<count).reversed() {
            let statement = conversation[index]
            switch statement.command {
            case .selectAll: return true
            case .deselectAll: return false
            case .select(let names, let append):
                let means = names.filter { statement.knownNetworks.contains($0) || statement.exitOf[$0] != nil }
                if means.isEmpty { continue }
                if means.contains(name), statement.knownNetworks.contains(name) { return true }
                if append { continue }
                if statement.knownNetworks.contains(name) || !defaultIsOn(after: index) { return false }
            case .deselect(let names):
                if names.contains(name), statement.knownNetworks.contains(name) { return false }
            case .useExit, .automaticExit, .noExit: continue
            }
        }
        return true
    }

    private enum ExitWish: Equatable {
        case automatic(except: Set<String>)
        case names([String])
    }

    /// None is the empty list of names.
    private func exitWish(after count: Int) -> ExitWish {
        var wish = ExitWish.automatic(except: [])
        for statement in conversation.prefix(count) {
            func exits(_ names: [String]) -> [String] { names.compactMap { statement.exitOf[$0] } }
            switch statement.command {
            case .selectAll, .automaticExit: wish = .automatic(except: [])
            case .deselectAll, .noExit: wish = .names([])
            case .useExit(let names):
                var distinct: [String] = []
                for exit in exits(names) where !distinct.contains(exit) { distinct.append(exit) }
                if !distinct.isEmpty { wish = .names(distinct) }
            case .select(let names, let append):
                if let last = exits(names).last {
                    wish = .names([last])
                } else if !append, names.contains(where: statement.knownNetworks.contains) {
                    wish = .names([])
                }
            case .deselect(let names):
                for exit in exits(names) {
                    switch wish {
                    case .names(let wanted): wish = .names(wanted.filter { $0 != exit })
                    case .automatic(let except):
                        wish = exit == statement.exitInForce ? .names([]) : .automatic(except: except.union([exit]))
                    }
                }
            }
        }
        return wish
    }

    private func namesInExitWish(after count: Int) -> Set<String> {
        switch exitWish(after: count) {
        case .automatic(let except): except
        case .names(let names): Set(names)
        }
    }

    private func standing(_ peer: UInt8) -> GatewayCandidate.Standing {
        world.health[RouteWorld.peer(peer)]?.standing ?? .usable
    }

    private func best(_ offer: Offer) -> GatewayCandidate.Standing { offer.members.keys.map(standing).max() ?? .dead }

    private func candidates() -> [Offer] {
        let offered = offers.filter { $0.prefix == "0.0.0.0/0" }
        switch exitWish(after: conversation.count) {
        case .names(let names): return names.compactMap { name in offered.first { $0.name == name } }
        case .automatic(let except):
            return offered.filter { !$0.isSkipped && !except.contains($0.name) }.sorted { a, b in
                let metrics = (a.members.values.min() ?? 0, b.members.values.min() ?? 0)
                return metrics.0 == metrics.1 ? a.name < b.name : metrics.0 < metrics.1
            }
        }
    }

    private func expectedExit() -> String? {
        let candidates = candidates()
        if candidates.isEmpty, case .names(let names) = exitWish(after: conversation.count) {
            return world.policy == .closed ? names.first : nil
        }
        let standings = candidates.map(best)
        guard let highest = standings.max(), let index = standings.firstIndex(of: highest) else { return nil }
        return highest == .dead && world.policy == .open ? nil : candidates[index].name
    }

    // MARK: - What must be true

    mutating func problems() -> [String] {
        var problems: [String] = []
        let choice = world.selection.choice
        if let exit = choice.exitNode { exitsSeen.insert(exit) }
        if choice.carriers.contains(where: { $0.key.length == 0 && $0.value == nil }) { blockedSteps += 1 }
        if case .standby = world.selection.exitReason { standbySteps += 1 }

        if choice.exitNode != expectedExit() {
            problems.append("exit \(choice.exitNode ?? "none"), expected \(expectedExit() ?? "none")")
        }
        let fresh = chooseRoutes(
            catalog: world.catalog,
            intent: world.intent,
            health: world.health,
            onExitFailure: world.policy,
            previous: RouteSelection(),
            at: world.now
        )
        if fresh.choice.exitNode != choice.exitNode { problems.append("the exit node depends on the past") }
        problems += defaultRouteProblems(choice) + networkProblems(choice)
        return problems
    }

    /// Exactly the families of the exit node in force, by its own members; none without one.
    private func defaultRouteProblems(_ choice: RouteChoice) -> [String] {
        let defaults = Set(choice.carriers.keys.filter { $0.length == 0 }.map(\.description))
        guard let exit = choice.exitNode else { return defaults.isEmpty ? [] : ["default routes without an exit node"] }
        let halves = offers.filter { $0.name == exit || $0.name == exit + "-v6" }.filter { $0.prefix.hasSuffix("/0") }
        let expected = halves.isEmpty ? ["0.0.0.0/0", "::/0"] : Set(halves.map(\.prefix))
        var problems = defaults == expected ? [] : ["default routes \(defaults), expected \(expected)"]
        for half in halves { problems += carrierProblems(of: half.prefix, members: half.members) }
        return problems
    }

    private func networkProblems(_ choice: RouteChoice) -> [String] {
        var problems: [String] = []
        for offer in offers where !offer.prefix.hasSuffix("/0") {
            let isOn = isOn(offer.name, after: conversation.count)
            if world.hasRoute(offer.prefix) != isOn {
                problems.append("\(offer.name) is \(isOn ? "not on" : "not off")")
            }
            if isOn { problems += carrierProblems(of: offer.prefix, members: offer.members) }
        }
        let offered = Set(offers.map(\.prefix)).union(["0.0.0.0/0", "::/0"])
        if !offered.isSuperset(of: choice.carriers.keys.map(\.description)) { problems.append("routes nobody offers") }
        return problems
    }

    /// The best standing carries, and of those the lowest metric; nobody if all are dead.
    private func carrierProblems(of prefix: String, members: [UInt8: Int]) -> [String] {
        let highest = members.keys.map(standing).max() ?? .dead
        guard let carrier = world.carrier(prefix) else {
            return highest == .dead ? [] : ["nobody carries \(prefix)"]
        }
        guard let metric = members[carrier] else { return ["\(carrier) carries \(prefix), which it does not offer"] }
        if highest == .dead || standing(carrier) != highest {
            return ["\(carrier) carries \(prefix), others are better"]
        }
        // The IPv6 half follows the IPv4 one to its gateway, whatever the metrics.
        if prefix == "::/0", carrier == world.carrier("0.0.0.0/0") { return [] }
        let lowest = members.filter { standing($0.key) == highest }.values.min()
        return metric == lowest ? [] : ["\(carrier) carries \(prefix) at metric \(metric)"]
    }
}
