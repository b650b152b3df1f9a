import AgentCore
import MeshModel
import Routing
import TestSupport

/// What an agent is told, in plain words, and what must follow from it. Worked out without any of the agent's own code for
/// choices, from the rules in docs/operations.md.
struct WalkModel {
    /// A network, or an exit node, and its gateways by number; no two have one metric, so that the order is the offer's.
    struct Offer {
        var name: String
        var isExit: Bool
        var hasV6 = false
        var isAutomatic = false
        /// The preferred one first.
        var gateways: [UInt8]
        var metric: Int
    }

    enum ExitWish: Equatable {
        case automatic, off
        case use([String])
    }

    static let link = "wgm0"
    static let marks = OwnerMarks(instance: nil)
    static let mtuBytes: UInt32 = 1280
    static let port: UInt16 = 51821
    static let gateways: [UInt8] = [1, 2, 3]
    static let peers: [UInt8] = [1, 2, 3, 4]
    static let networks = ["lan", "lab", "dmz", "büro"]
    static let exits = ["A", "B", "C"]
    /// As the kernel clamps it (RFC 7748).
    static let privateKey: PrivateKey = {
        guard let key = PrivateKey(bytes: [UInt8](repeating: 72, count: 32)) else { preconditionFailure("32 bytes") }
        return key
    }()
    static let own = key(99)

    var isEnabled = true
    var isDraining = false
    private(set) var hasMap = false
    private(set) var offers: [Offer] = []
    /// We are the routing peer of a network ourselves.
    private(set) var servesNetwork = false
    private(set) var hasPeer4 = true
    private var serial: UInt64 = 0
    private var isOnByDefault = true
    private var words: [String: Bool] = [:]
    private var exitWish = ExitWish.automatic
    private(set) var dead: Set<UInt8> = []

    static func key(_ number: UInt8) -> PublicKey {
        guard let key = PublicKey(bytes: [UInt8](repeating: number, count: 32)) else { preconditionFailure("32 bytes") }
        return key
    }

    // MARK: - What is said

    mutating func drawOffers(using random: inout SeededGenerator) {
        hasMap = true
        serial += 1
        offers = []
        servesNetwork = Int.random(in: 0..<3, using: &random) == 0
        hasPeer4 = Bool.random(using: &random)
        for name in Self.networks where Bool.random(using: &random) {
            offers.append(Offer(name: name, isExit: false, gateways: drawGateways(using: &random), metric: 1))
        }
        for (index, name) in Self.exits.shuffled(using: &random).enumerated() where Bool.random(using: &random) {
            var offer = Offer(name: name, isExit: true, gateways: drawGateways(using: &random), metric: 10 + 10 * index)
            offer.hasV6 = Bool.random(using: &random)
            offer.isAutomatic = Bool.random(using: &random)
            offers.append(offer)
        }
    }

    private func drawGateways(using random: inout SeededGenerator) -> [UInt8] {
        Array(Self.gateways.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
    }

    func drawCommand(using random: inout SeededGenerator) -> RouteCommand {
        let networks = offers.filter { !$0.isExit }.map(\.name)
        let exits = offers.filter(\.isExit).map(\.name)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return .selectAll
        case 1: return .deselectAll
        case 2, 3: return networks.isEmpty ? .selectAll : .deselect([networks.randomElement(using: &random) ?? ""])
        case 4, 5:
            return networks.isEmpty
                ? .automaticExit : .select([networks.randomElement(using: &random) ?? ""], append: true)
        case 6: return .noExit
        case 7: return .automaticExit
        default:
            let order = exits.shuffled(using: &random).prefix(2)
            return order.isEmpty ? .noExit : .useExit(Array(order))
        }
    }

    mutating func obey(_ command: RouteCommand) {
        switch command {
        case .selectAll: (isOnByDefault, words, exitWish) = (true, [:], .automatic)
        case .deselectAll: (isOnByDefault, words, exitWish) = (false, [:], .off)
        case .select(let names, _): for name in names { words[name] = true }
        case .deselect(let names): for name in names { words[name] = false }
        case .useExit(let names): exitWish = .use(names)
        case .automaticExit: exitWish = .automatic
        case .noExit: exitWish = .off
        }
    }

    /// - Returns: which gateway died or came back.
    mutating func toggleGateway(using random: inout SeededGenerator) -> String {
        let number = Self.gateways.randomElement(using: &random) ?? 1
        if dead.remove(number) == nil { dead.insert(number) }
        return dead.contains(number) ? "gateway dies: \(number)" : "gateway comes back: \(number)"
    }

    /// Whether an echo to this address is answered.
    func answers(_ address: IPAddress) -> Bool { !dead.contains(address.bytes[3]) }

    var map: NetworkMap {
        let peers = Self.peers.filter { $0 != 4 || hasPeer4 }.map { number in
            RemotePeer(
                publicKey: Self.key(number),
                allowedIPs: Self.addresses(of: number).compactMap { IPPrefix($0) },
                fqdn: "peer\(number)"
            )
        }
        var routes = offers.flatMap { offer in
            offer.gateways.enumerated().flatMap { place, number in
                prefixes(of: offer).map { name, prefix in
                    NetworkRoute(
                        id: "\(name) \(number)",
                        networkID: name,
                        prefix: IPPrefix(prefix),
                        routingPeer: Self.key(number),
                        metric: offer.metric + place,
                        masquerade: true,
                        skipAutoApply: offer.isExit && !offer.isAutomatic
                    )
                }
            }
        }
        if servesNetwork {
            routes.append(
                NetworkRoute(
                    id: "own",
                    networkID: "own",
                    prefix: IPPrefix("192.168.50.0/24"),
                    routingPeer: Self.own,
                    metric: 1,
                    masquerade: true
                )
            )
        }
        var own = SelfConfiguration(address: prefix("100.64.0.99/16"), fqdn: "own")
        own.addressV6 = prefix("fd00:1::99/64")
        return NetworkMap(serial: serial, own: own, peers: peers, routes: routes)
    }

    static func addresses(of number: UInt8) -> [String] { ["100.64.0.\(number)/32", "fd00:1::\(number)/128"] }

    /// With the names that the control plane gives them.
    private func prefixes(of offer: Offer) -> [(name: String, prefix: String)] {
        if offer.isExit { return [(offer.name, "0.0.0.0/0")] + (offer.hasV6 ? [(offer.name + "-v6", "::/0")] : []) }
        let index = Self.networks.firstIndex(of: offer.name) ?? 0
        return [(offer.name, "10.\(index).0.0/16"), (offer.name, "fd1\(index)::/32")]
    }

    private func prefix(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("not a prefix: \(text)") }
        return prefix
    }

    // MARK: - What must follow

    private func isOn(_ name: String) -> Bool { words[name] ?? isOnByDefault }

    /// The exit nodes that would do, the preferred one first.
    private var exitCandidates: [Offer] {
        let exits = offers.filter(\.isExit)
        switch exitWish {
        case .off: return []
        case .automatic: return exits.filter(\.isAutomatic).sorted { $0.metric < $1.metric }
        case .use(let names): return names.compactMap { name in exits.first { $0.name == name } }
        }
    }

    /// Gateways that somebody could replace, or that everything goes through.
    private var watched: Set<UInt8> {
        let alternatives = offers.filter { !$0.isExit && isOn($0.name) && $0.gateways.count > 1 }
        return Set((alternatives + exitCandidates).flatMap(\.gateways))
    }

    /// Every routed prefix, and who carries it; 0: nobody.
    var carriers: [String: UInt8] {
        guard isEnabled, hasMap else { return [:] }
        let watched = watched
        func works(_ gateway: UInt8) -> Bool { !dead.contains(gateway) || !watched.contains(gateway) }
        var carriers: [String: UInt8] = [:]
        for offer in offers where !offer.isExit && isOn(offer.name) {
            for (_, prefix) in prefixes(of: offer) { carriers[prefix] = offer.gateways.first(where: works) ?? 0 }
        }
        let candidates = exitCandidates
        if let exit = candidates.first(where: { $0.gateways.contains(where: works) }) ?? candidates.first {
            for (_, prefix) in prefixes(of: exit) { carriers[prefix] = exit.gateways.first(where: works) ?? 0 }
        } else if case .use = exitWish {
            // The user's choice is not in the map: held back.
            carriers["0.0.0.0/0"] = 0
            carriers["::/0"] = 0
        }
        return carriers
    }

    /// Says which gateway is not yet known for what it is; `nil`: all are.
    func unsettled(_ gateways: [RouteStatus.Gateway]) -> String? {
        for gateway in gateways {
            guard let number = gateway.publicKey.bytes.first else { continue }
            let expected = dead.contains(number) ? "dead" : "alive"
            if gateway.state != expected { return "gateway \(number) is \(gateway.state), and not \(expected)" }
        }
        return nil
    }
}
