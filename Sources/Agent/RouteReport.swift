package import AgentCore
import MeshModel

/// What `wgctl routes` and `wgctl exit` print.
package struct RouteReport: Sendable {
    package var routes: RouteStatus
    /// Names of a command that nobody knows; the rest of it was done.
    package var unknownNames: [String] = []
    /// Why the stored wish or the kernel does not follow; `nil`: they do.
    package var problem: String?

    package init(routes: RouteStatus, unknownNames: [String] = [], problem: String? = nil) {
        self.routes = routes
        self.unknownNames = unknownNames
        self.problem = problem
    }

    // MARK: - Text

    /// One block a network: name, what it leads to, whether it is on, who carries it.
    package var networkText: String {
        var lines: [String] = []
        for network in routes.networks {
            let targets = network.prefixes.map(\.description) + network.domains.map(printable)
            lines += [
                "\(printable(network.name)):",
                "  Network: \(list(targets))",
                "  Status: \(network.isOn ? "Selected" : "Not Selected")",
                "  Gateways: \(list(network.gateways.map(printable)))",
                "  Carried by: \(list(network.carriers.map(printable)))",
            ]
            if !network.uncarried.isEmpty {
                lines.append("  Nobody carries: \(list(network.uncarried.map(\.description)))")
            }
        }
        if lines.isEmpty { lines.append("no networks are offered") }
        if !routes.intent.isDefaultOn { lines.append("networks not named are off, also new ones (deselect all)") }
        return lines.map { $0 + "\n" }.joined()
    }

    package var exitText: String {
        var lines: [String] = []
        for node in routes.exitNodes {
            lines += [
                "\(printable(node.name)):",
                "  Routes: \(list(node.prefixes.map(\.description)))",
                "  Status: \(node.isInForce ? "In use" : "Not in use")"
                    + (node.isAutoApplied ? ", offered as automatic" : ""),
                "  Gateways: \(list(node.gateways.map(printable)))",
            ]
        }
        if routes.exitNodes.isEmpty { lines.append("no exit nodes are offered") }
        lines += ["Wish: \(wishText)"] + exitLines + gatewayLines
        return lines.map { $0 + "\n" }.joined()
    }

    /// For the summary of `wgctl status`; empty where there is nothing to tell.
    var statusLines: [String] {
        routes.exitNodes.isEmpty && routes.exitNode == nil && routes.gateways.isEmpty ? [] : exitLines + gatewayLines
    }

    /// One line each, for the problems of `wgctl status`.
    var problemLines: [String] {
        var lines: [String] = []
        if routes.isExitFailed {
            let held = routes.exitNode == nil ? "its traffic takes the host's own way" : "its traffic is held back"
            lines.append("exit node: \(routes.exitReason); \(held)")
        }
        for network in routes.networks where !network.uncarried.isEmpty {
            lines.append("network \(printable(network.name)): none of its gateways works")
        }
        return lines
    }

    private var exitLines: [String] {
        let node = routes.exitNode.map { name in
            printable(name) + (routes.exitCarrier.map { " via \(printable($0))" } ?? "")
        }
        return ["Exit node: \(node ?? "none") (\(printable(routes.exitReason)))"]
    }

    private var gatewayLines: [String] {
        guard !routes.gateways.isEmpty else { return [] }
        let gateways = routes.gateways.map { gateway in
            let echo = gateway.roundTrip.map { ", \(milliseconds($0)), \(percent(gateway.loss)) loss" } ?? ""
            return "Gateway \(printable(gateway.name)): \(gateway.state)\(gateway.isCarrying ? ", in use" : "")\(echo)"
        }
        return gateways + ["Failovers: \(routes.failovers)"]
    }

    private var wishText: String {
        switch routes.intent.exit {
        case .off: "off"
        case .use(let names): "use " + list(names.map(printable))
        case .automatic(let except):
            except.isEmpty ? "auto" : "auto, except " + list(except.sorted().map(printable))
        }
    }

    private func list(_ items: [String]) -> String { items.isEmpty ? "-" : items.joined(separator: ", ") }

    // MARK: - JSON

    package var networkJSON: JSONValue {
        .object([
            ("networks", .array(routes.networks.map(object))),
            ("default", .string(routes.intent.isDefaultOn ? "on" : "off")),
            ("unknown", strings(unknownNames)),
            ("problem", problem.map(JSONValue.string) ?? .null),
        ])
    }

    package var exitJSON: JSONValue {
        .object([
            ("exitNodes", .array(routes.exitNodes.map(object))),
            ("exit", exitObject),
            ("gateways", gatewayObjects),
            ("failovers", .number(Int64(routes.failovers))),
            ("unknown", strings(unknownNames)),
            ("problem", problem.map(JSONValue.string) ?? .null),
        ])
    }

    var exitObject: JSONValue {
        let (mode, names): (String, [String]) =
            switch routes.intent.exit {
            case .off: ("off", [])
            case .use(let names): ("use", names)
            case .automatic(let except): ("auto", except.sorted())
            }
        return .object([
            ("inForce", routes.exitNode.map(JSONValue.string) ?? .null),
            ("reason", .string(routes.exitReason)),
            ("carrier", routes.exitCarrier.map(JSONValue.string) ?? .null),
            ("failed", .bool(routes.isExitFailed)),
            ("wish", .string(mode)),
            (mode == "auto" ? "except" : "names", strings(names)),
        ])
    }

    var gatewayObjects: JSONValue {
        .array(
            routes.gateways.map { gateway in
                .object([
                    ("name", .string(gateway.name)),
                    ("publicKey", .string(gateway.publicKey.base64)),
                    ("state", .string(gateway.state)),
                    ("inUse", .bool(gateway.isCarrying)),
                    ("latency", gateway.roundTrip.map { .number(nanoseconds($0)) } ?? .null),
                    ("lossPerMille", .number(Int64((gateway.loss * 1000).rounded()))),
                ])
            }
        )
    }

    private func object(_ network: RouteStatus.Network) -> JSONValue {
        .object([
            ("id", .string(network.name)),
            ("prefixes", strings(network.prefixes.map(\.description))),
            ("domains", strings(network.domains)),
            ("selected", .bool(network.isOn)),
            ("gateways", strings(network.gateways)),
            ("carriers", strings(network.carriers)),
            ("uncarried", strings(network.uncarried.map(\.description))),
        ])
    }

    private func object(_ node: RouteStatus.ExitNode) -> JSONValue {
        .object([
            ("id", .string(node.name)),
            ("prefixes", strings(node.prefixes.map(\.description))),
            ("inForce", .bool(node.isInForce)),
            ("automatic", .bool(node.isAutoApplied)),
            ("gateways", strings(node.gateways)),
        ])
    }

    private func strings(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
}

/// A name that came over the network, without what would move a terminal's cursor or begin a new line.
func printable(_ name: String) -> String {
    var text = ""
    for scalar in name.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
            text += "\\u{\(String(scalar.value, radix: 16))}"
        default: text.unicodeScalars.append(scalar)
        }
    }
    return text
}

/// One decimal.
func milliseconds(_ duration: Duration) -> String {
    let tenths = nanoseconds(duration) / 100_000
    return "\(tenths / 10).\(tenths % 10) ms"
}

/// One decimal.
private func percent(_ share: Double) -> String {
    let tenths = Int64((share * 1000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
}
