import Glibc
import MeshModel
import Routing
import WGKernel
import WGTool

/// Everything that decides where a packet goes, read at one moment.
struct PacketFacts {
    var lookup: RouteLookup
    /// The kernel's word.
    var answer: RouteAnswer
    /// In the order they are asked.
    var rules: [RoutingRule]
    /// Of every table.
    var routes: [Route]
    var links: [LinkSnapshot]
    /// The device that the packet leaves through, if it is WireGuard's and could be read.
    var device: DeviceSnapshot?
    /// Of the packet around it, to the peer's endpoint with the device's mark.
    var outer: RouteAnswer?
    /// `nil`: no agent answered.
    var agent: AgentFacts?
    /// Seconds since 1970.
    var nowSeconds: Int64
}

/// How a packet travels, or why it does not: a pure function of the facts.
struct PacketPath: Hashable {
    struct Step: Hashable {
        /// `rule`, `route`, `link`, `peer`, `endpoint`, `outer`, `agent`, `map`, `access`.
        var name: String
        var text: String
    }

    enum Verdict: Hashable {
        case goes(String)
        /// It leaves, but may not arrive.
        case doubtful(String)
        case nowhere(String)
    }

    var question: String
    var steps: [Step] = []
    var verdict: Verdict

    init(_ facts: PacketFacts) {
        question = "\(facts.lookup)"
        verdict = .goes("")
        let decision = facts.lookup.decide(rules: facts.rules, routes: facts.routes)
        switch facts.answer {
        case .refused(let code):
            if let decision { add(decision, facts) }
            verdict = .nowhere(Self.refusal(code, decision))
        case .route(let route):
            // The rule is ours to find; it counts only where it leads to the kernel's table.
            if let decision, decision.route?.table == route.table { step("rule", decision.rule.description) }
            step("route", text(of: route, facts))
            verdict = follow(route, facts)
        }
        addAgent(facts)
    }

    private mutating func step(_ name: String, _ text: String) { steps.append(Step(name: name, text: text)) }

    private mutating func add(_ decision: RouteDecision, _ facts: PacketFacts) {
        step("rule", decision.rule.description)
        if let route = decision.route { step("route", text(of: route, facts)) }
    }

    private static func refusal(_ code: Int32, _ decision: RouteDecision?) -> String {
        switch (code, decision?.route) {
        case (EHOSTUNREACH, _?): "the route says unreachable"
        case (EINVAL, _?): "the route drops it in silence (blackhole)"
        case (EACCES, _?): "the route prohibits it"
        case (ENETUNREACH, nil) where decision == nil: "no rule leads to a route for it"
        case (_, nil) where decision != nil: "the rule refuses it"
        default: "the kernel says: \(String(cString: strerror(code)))"
        }
    }

    /// Links by name where the kernel has numbers.
    private func text(of route: Route, _ facts: PacketFacts) -> String {
        facts.links.reduce("\(route) ") { $0.replacing("dev if\($1.index) ", with: "dev \($1.name) ") }
            .split(separator: " ").joined(separator: " ")
    }

    private mutating func follow(_ route: Route, _ facts: PacketFacts) -> Verdict {
        if route.kind == .local { return .goes("is delivered to this host") }
        guard let index = route.linkIndex else { return .goes("leaves by one of several ways") }
        guard let link = facts.links.first(where: { $0.index == index }) else {
            return .nowhere("its link, number \(index), is gone")
        }
        let kind = link.kind.map { " (\($0))" } ?? ""
        step("link", "\(link.name)\(kind), \(link.isUp ? "up" : "down"), mtu \(link.mtuBytes)")
        guard link.isUp else { return .nowhere("the link \(link.name) is down") }
        guard link.kind == "wireguard" else { return .goes("leaves through \(link.name), outside every tunnel") }
        guard let device = facts.device else {
            return .doubtful("\(link.name) is a tunnel that only root may look into: run it with sudo")
        }
        return follow(device, link, facts)
    }

    private mutating func follow(_ device: DeviceSnapshot, _ link: LinkSnapshot, _ facts: PacketFacts) -> Verdict {
        guard let owner = Self.owner(of: facts.lookup.destination, in: device) else {
            return .nowhere("no peer of \(device.name) has \(facts.lookup.destination) among its allowed IPs")
        }
        let name = facts.agent?.name(of: owner.peer.publicKey).map { " (\($0))" } ?? ""
        step("peer", "\(owner.peer.publicKey)\(name), allowed IP \(owner.prefix)")
        guard let endpoint = owner.peer.endpoint else {
            return .nowhere("the peer has no endpoint: nothing is known of where it is")
        }
        let handshake = owner.peer.latestHandshakeSeconds
        let age = max(0, facts.nowSeconds - handshake)
        step("endpoint", "\(endpoint), " + (handshake == 0 ? "no handshake yet" : "handshake \(age) s ago"))
        if let refusal = addOuter(endpoint, device, link, facts) { return .nowhere(refusal) }
        if handshake == 0 { return .doubtful("there was no handshake with the peer yet: it may not answer") }
        guard age < Self.rejectAfterTimeSeconds else {
            return .doubtful("the last handshake is \(age) s old, so the session is over: the peer may not answer")
        }
        return .goes("goes through the tunnel \(device.name) to the peer\(name)")
    }

    /// - Returns: why the packet around it goes nowhere; `nil`: it goes.
    private mutating func addOuter(
        _ endpoint: Endpoint,
        _ device: DeviceSnapshot,
        _ link: LinkSnapshot,
        _ facts: PacketFacts
    ) -> String? {
        let outer = RouteLookup(to: endpoint.address, fwmark: device.fwmark)
        switch facts.outer {
        case nil: return nil
        case .refused(let code):
            step("outer", "\(outer): refused")
            return "its endpoint is not reached: "
                + Self.refusal(code, outer.decide(rules: facts.rules, routes: facts.routes))
        case .route(let route):
            step("outer", "\(outer): \(text(of: route, facts))")
            if route.linkIndex == link.index {
                return "its endpoint lies behind the tunnel itself: the packet would go round in circles"
            }
            let mtu = route.mtuBytes ?? facts.links.first { $0.index == route.linkIndex }?.mtuBytes
            let overhead = Self.overheadBytes(isV4: endpoint.address.isV4)
            if let mtu, route.kind != .local, mtu < link.mtuBytes + overhead {
                step("mtu", "\(link.mtuBytes) inside need \(link.mtuBytes + overhead) outside, the way has \(mtu)")
            }
            return nil
        }
    }

    private mutating func addAgent(_ facts: PacketFacts) {
        guard let agent = facts.agent else {
            step("agent", "none answers")
            return
        }
        let destination = facts.lookup.destination
        if let device = facts.device, let owner = Self.owner(of: destination, in: device),
            let peer = agent.peers.first(where: { $0.key == owner.peer.publicKey })
        {
            step("agent", "\(peer.name): \(peer.path)")
        }
        for route in agent.routes where route.prefix.contains(destination) {
            let other = agent.name(of: route.routingPeer) ?? "an unknown peer"
            let by = agent.key == route.routingPeer ? "this host" : other
            step("map", "\(route.prefix) by \(by), metric \(route.metric) (\(route.name))")
        }
        // The map's rules speak of peers' own addresses; behind a routing peer that peer's own rules decide.
        let rules = agent.access.filter { $0.peer.contains(destination) }
        for rule in rules {
            let direction = rule.isInbound ? "from it" : "to it"
            step("access", "\(rule.isAccept ? "accept" : "drop") \(direction): \(rule.traffic), policy \(rule.policy)")
        }
        if rules.isEmpty, agent.own.contains(where: { $0.contains(destination) }) {
            step("access", "no rule of the map names it")
        }
        if let since = agent.mapStaleSince { step("map", "stale since \(since)") }
    }

    /// The peer whose allowed IPs hold the address, by the longest prefix.
    static func owner(of address: IPAddress, in device: DeviceSnapshot) -> (peer: PeerSnapshot, prefix: IPPrefix)? {
        var found: (peer: PeerSnapshot, prefix: IPPrefix)?
        for peer in device.peers {
            for prefix in peer.allowedIPs where prefix.contains(address) && prefix.length > found?.prefix.length ?? -1 {
                found = (peer, prefix)
            }
        }
        return found
    }

    /// Source: WireGuard whitepaper, section 6.1, `Reject-After-Time`.
    static let rejectAfterTimeSeconds: Int64 = 180
    /// WireGuard's 32 bytes, UDP's 8, and the IP header. Source: WireGuard whitepaper, section 5.4.6.
    static func overheadBytes(isV4: Bool) -> UInt32 { 32 + 8 + (isV4 ? 20 : 40) }
}

extension PacketPath {
    /// A line per step, the verdict last.
    var text: String {
        let lines = steps.map { "  \($0.name): \($0.text)" }
        return "\(question)\n" + (lines + [verdictLine]).joined(separator: "\n") + "\n"
    }

    private var verdictLine: String {
        switch verdict {
        case .goes(let text): "  => \(text)"
        case .doubtful(let text): "  => may not arrive: \(text)"
        case .nowhere(let text): "  => goes nowhere: \(text)"
        }
    }

    var json: JSONValue {
        let (word, reason) =
            switch verdict {
            case .goes(let text): ("goes", text)
            case .doubtful(let text): ("doubtful", text)
            case .nowhere(let text): ("nowhere", text)
            }
        let steps = steps.map { step in
            JSONValue.object([.init("step", .string(step.name)), .init("text", .string(step.text))])
        }
        return .object([
            .init("question", .string(question)), .init("verdict", .string(word)), .init("reason", .string(reason)),
            .init("steps", .list(steps)),
        ])
    }

    /// 0: it goes, 1: nowhere, 5: it may not arrive.
    var status: ExitStatus {
        switch verdict {
        case .goes: .success
        case .doubtful: .degraded
        case .nowhere: .failure
        }
    }
}
