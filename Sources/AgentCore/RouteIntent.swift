/// What the user wants of routes, and nothing else: no automatic choice is ever written here, so a map, a health change or a
/// restart cannot turn into a wish.
public struct RouteIntent: Hashable, Sendable {
    public enum Exit: Hashable, Sendable {
        /// What the control plane asks for, except these exit nodes.
        case automatic(except: Set<String>)
        /// None, whatever the control plane asks for.
        case off
        /// The first of these that works; never empty. Names that are not in the map are kept: they may come back.
        case use([String])
    }

    public var exit: Exit
    /// Whether networks are on that the user never named.
    public var isDefaultOn: Bool
    /// Networks that the user switched on; counts while the default is off.
    public var switchedOn: Set<String>
    /// Networks that the user switched off; counts while the default is on.
    public var switchedOff: Set<String>

    /// What holds before the user has said anything.
    public init() {
        self.init(exit: .automatic(except: []), isDefaultOn: true)
    }

    init(exit: Exit, isDefaultOn: Bool, switchedOn: Set<String> = [], switchedOff: Set<String> = []) {
        self.exit = exit
        self.isDefaultOn = isDefaultOn
        self.switchedOn = switchedOn
        self.switchedOff = switchedOff
    }

    /// Everything off, also what comes later.
    public static let nothing = RouteIntent(exit: .off, isDefaultOn: false)

    func isOn(_ network: String) -> Bool {
        isDefaultOn ? !switchedOff.contains(network) : switchedOn.contains(network)
    }
}

/// One command of the user.
public enum RouteCommand: Hashable, Sendable {
    /// Exactly these of what is known now, or these too (`append`). Whether *unknown* networks are on stays as it is.
    case select([String], append: Bool)
    /// As if the user had never said anything.
    case selectAll
    case deselect([String])
    /// Everything off, also what comes later, until the user says otherwise.
    case deselectAll
    /// In order of preference.
    case useExit([String])
    case automaticExit
    case noExit
}

/// What a command comes to: its valid part, and what nobody knows.
public struct RouteCommandOutcome: Hashable, Sendable {
    public var intent: RouteIntent
    /// In the order of the command.
    public var unknownNames: [String]
}

extension RouteIntent {
    /// The wish after `command`. What is valid of it counts, also when a part is not.
    ///
    /// - Parameters:
    ///   - catalog: what the map offers; with the names of earlier wishes it says which names are known.
    ///   - exitInForce: the exit node that is used now, by whatever choice.
    func applying(
        _ command: RouteCommand,
        catalog: RouteCatalog,
        exitInForce: String?
    ) -> RouteCommandOutcome {
        switch command {
        case .selectAll: return RouteCommandOutcome(intent: RouteIntent(), unknownNames: [])
        case .deselectAll: return RouteCommandOutcome(intent: .nothing, unknownNames: [])
        case .automaticExit: return RouteCommandOutcome(intent: with(.automatic(except: [])), unknownNames: [])
        case .noExit: return RouteCommandOutcome(intent: with(.off), unknownNames: [])
        case .select(let names, let append):
            let known = Resolved(names, in: catalog, intent: self)
            return RouteCommandOutcome(
                intent: selecting(known, append: append, catalog: catalog),
                unknownNames: known.unknown
            )
        case .deselect(let names):
            let known = Resolved(names, in: catalog, intent: self)
            return RouteCommandOutcome(
                intent: deselecting(known, catalog: catalog, exitInForce: exitInForce),
                unknownNames: known.unknown
            )
        case .useExit(let names):
            let known = Resolved(names, in: catalog, intent: self)
            return RouteCommandOutcome(
                intent: known.exits.isEmpty ? self : with(.use(known.distinctExits)),
                unknownNames: names.filter { !known.exitWords.contains($0) }
            )
        }
    }

    private func with(_ exit: Exit) -> RouteIntent {
        var intent = self
        intent.exit = exit
        return intent
    }

    /// Of several exit nodes the last one counts, at once: there is never more than one.
    private func selecting(_ known: Resolved, append: Bool, catalog: RouteCatalog) -> RouteIntent {
        guard !known.isEmpty else { return self }
        var intent = self
        let chosen = Set(known.networks)
        if append {
            intent.switchedOff.subtract(chosen)
            if !isDefaultOn { intent.switchedOn.formUnion(chosen) }
        } else {
            intent.switchedOn = isDefaultOn ? [] : chosen
            intent.switchedOff = isDefaultOn ? switchedOff.union(catalog.networks.keys).subtracting(chosen) : []
        }
        if let exit = known.exits.last {
            intent.exit = .use([exit])
        } else if !append {
            intent.exit = .off
        }
        return intent
    }

    /// Whoever switches off the exit node in use wants none: another one would be another country.
    private func deselecting(_ known: Resolved, catalog: RouteCatalog, exitInForce: String?) -> RouteIntent {
        var intent = self
        intent.switchedOn.subtract(known.networks)
        if isDefaultOn { intent.switchedOff.formUnion(known.networks) }
        for exit in known.exits {
            switch intent.exit {
            case .automatic(let except):
                intent.exit = exit == exitInForce ? .off : .automatic(except: except.union([exit]))
            case .use(let names):
                let rest = names.filter { (catalog.exitNode(named: $0)?.name ?? $0) != exit }
                intent.exit = rest.isEmpty ? .off : .use(rest)
            case .off: break
            }
        }
        return intent
    }
}

/// The names of a command, sorted by what they mean; one name may mean networks and an exit node.
private struct Resolved {
    var networks: [String] = []
    /// By the name of the whole pair.
    var exits: [String] = []
    /// What of the command means an exit node.
    var exitWords: Set<String> = []
    var unknown: [String] = []

    var isEmpty: Bool { networks.isEmpty && exits.isEmpty }
    var distinctExits: [String] {
        var seen: Set<String> = []
        return exits.filter { seen.insert($0).inserted }
    }

    init(_ names: [String], in catalog: RouteCatalog, intent: RouteIntent) {
        let wantedExits: Set<String> =
            switch intent.exit {
            case .automatic(let except): except
            case .use(let names): Set(names)
            case .off: []
            }
        for name in names {
            let exit = catalog.exitNode(named: name)?.name ?? (wantedExits.contains(name) ? name : nil)
            let isNetwork =
                catalog.networks[name] != nil || intent.switchedOn.contains(name) || intent.switchedOff.contains(name)
            if isNetwork { networks.append(name) }
            if let exit {
                exitWords.insert(name)
                exits.append(exit)
            }
            if exit == nil, !isNetwork { unknown.append(name) }
        }
    }
}
