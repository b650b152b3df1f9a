public import MeshModel
import Routing

/// What `wgctl status`, `wgctl routes list` and `wgctl exit list` show of routes.
public struct RouteStatus: Hashable, Sendable {
    public struct ExitNode: Hashable, Sendable {
        public var name: String
        /// 0.0.0.0/0, ::/0 or both.
        public var prefixes: [IPPrefix]
        public var isInForce: Bool
        /// The control plane asks for it.
        public var isAutoApplied: Bool
        /// Names of its routing peers, the preferred one first.
        public var gateways: [String]

        public init(
            name: String,
            prefixes: [IPPrefix],
            isInForce: Bool,
            isAutoApplied: Bool,
            gateways: [String]
        ) {
            self.name = name
            self.prefixes = prefixes
            self.isInForce = isInForce
            self.isAutoApplied = isAutoApplied
            self.gateways = gateways
        }
    }

    public struct Network: Hashable, Sendable {
        public var name: String
        public var isOn: Bool
        /// Sorted.
        public var prefixes: [IPPrefix]
        /// Sorted.
        public var domains: [String]
        /// Who carries its prefixes now, by name.
        public var carriers: [String]
        /// Prefixes that nobody can carry now.
        public var uncarried: [IPPrefix]
        /// Names of its routing peers.
        public var gateways: [String]

        public init(
            name: String,
            isOn: Bool,
            prefixes: [IPPrefix],
            domains: [String],
            carriers: [String],
            uncarried: [IPPrefix],
            gateways: [String]
        ) {
            self.name = name
            self.isOn = isOn
            self.prefixes = prefixes
            self.domains = domains
            self.carriers = carriers
            self.uncarried = uncarried
            self.gateways = gateways
        }
    }

    /// A gateway that is watched.
    public struct Gateway: Hashable, Sendable {
        public var name: String
        public var publicKey: PublicKey
        /// `unknown`, `alive`, `mute`, `silent`, `dead`, `recovering` or `draining`; docs/operations.md says what they mean.
        public var state: String
        public var roundTrip: Duration?
        /// Share of lost echoes, 0 to 1.
        public var loss: Double
        public var isCarrying: Bool

        public init(
            name: String,
            publicKey: PublicKey,
            state: String,
            roundTrip: Duration?,
            loss: Double,
            isCarrying: Bool
        ) {
            self.name = name
            self.publicKey = publicKey
            self.state = state
            self.roundTrip = roundTrip
            self.loss = loss
            self.isCarrying = isCarrying
        }
    }

    public var intent = RouteIntent()
    /// The exit node in force; `nil`: none.
    public var exitNode: String?
    /// Why that one, or why none; the end of a sentence.
    public var exitReason = "none is offered"
    /// Who carries its traffic, by name; `nil`: nobody.
    public var exitCarrier: String?
    /// None of the gateways that would do works.
    public var isExitFailed = false
    /// Sorted by name.
    public var exitNodes: [ExitNode] = []
    /// Sorted by name.
    public var networks: [Network] = []
    /// Sorted by name.
    public var gateways: [Gateway] = []
    /// Times that traffic left a gateway because it stopped working, since the agent's start.
    public var failovers = 0

    public init() {}
}

extension RouteState {
    /// - Parameter nameOf: how a peer is shown.
    func status(nameOf: (PublicKey) -> String) -> RouteStatus {
        let choice = selection.choice
        var status = RouteStatus()
        status.intent = intent
        status.exitNode = choice.exitNode
        status.exitReason = selection.exitReason.text
        status.exitCarrier = [RouteCatalog.defaultV4, RouteCatalog.defaultV6].lazy
            .compactMap { choice.carriers[$0] ?? nil }.first.map(nameOf)
        status.isExitFailed = selection.exitReason.isFailure
        status.exitNodes = catalog.exitNodes.values.sorted { $0.name < $1.name }.map { node in
            RouteStatus.ExitNode(
                name: node.name,
                prefixes: node.prefixes,
                isInForce: node.name == choice.exitNode,
                isAutoApplied: node.isAutoApplied,
                gateways: RouteCatalog.merged(node.v4 + node.v6).map { nameOf($0.peer) }
            )
        }
        status.networks = catalog.networks.values.sorted { $0.name < $1.name }.map { network in
            let isOn = intent.isOn(network.name)
            let prefixes = network.prefixes.keys.sorted()
            let carried = isOn ? prefixes.map { ($0, choice.carriers[$0] ?? nil) } : []
            return RouteStatus.Network(
                name: network.name,
                isOn: isOn,
                prefixes: prefixes,
                domains: network.domains.sorted(),
                carriers: Set(carried.compactMap(\.1)).map(nameOf).sorted(),
                uncarried: carried.filter { $0.1 == nil }.map(\.0),
                gateways: RouteCatalog.merged(network.prefixes.values.flatMap(\.self)).map { nameOf($0.peer) }
            )
        }
        let carrying = Set(choice.carriers.values.compactMap(\.self))
        status.gateways = monitor.gateways.map { peer, health in
            RouteStatus.Gateway(
                name: nameOf(peer),
                publicKey: peer,
                state: health.word,
                roundTrip: health.roundTrip,
                loss: health.loss,
                isCarrying: carrying.contains(peer)
            )
        }.sorted { ($0.name, $0.publicKey) < ($1.name, $1.publicKey) }
        status.failovers = failovers
        return status
    }
}

extension RouteSelection.ExitReason {
    fileprivate var text: String {
        switch self {
        case .off: "switched off by the user"
        case .nothingOffered: "none is asked for"
        case .chosenByUser: "chosen by the user"
        case .automatic: "automatic"
        case .standby(let name): "in place of \(name), which does not work"
        case .relief(let name): "in place of \(name), which is being drained"
        case .noneWorks: "no gateway that would do works"
        case .notInMap: "the user's choice is not in the map"
        }
    }

    fileprivate var isFailure: Bool { self == .noneWorks || self == .notInMap }
}
