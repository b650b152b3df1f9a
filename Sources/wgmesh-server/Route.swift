import ArgumentParser
import CommandLineSupport
import ControlPlane

struct Route: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list, change and delete routes to networks behind hosts, exit nodes among them.",
        discussion: """
            Routes with one network's name and one destination back each other up: clients use the one with the lowest
            metric that works. A route to 0.0.0.0/0 makes an exit node, for IPv6 as well.

            A client needs a policy between itself and the routing host to get the route; the Default policy is one.
            """,
        subcommands: [Create.self, List.self, Update.self, Delete.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a route and print its identifier.")

        @OptionGroup var data: DataDirectoryOption
        @OptionGroup var options: RouteOptions

        @Flag(help: "Make it switched off.")
        var disabled = false

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            let change = try options.change()
            guard change.networkID != nil else { throw ValidationError("a route needs --network-id NAME") }
            guard change.destination != nil else {
                throw ValidationError("a route needs --prefix NETWORK, or --domain NAME")
            }
            guard change.routers != nil else {
                throw ValidationError("a route needs --peer HOST or --peer-group GROUP, to carry it")
            }
            guard change.distributionGroups != nil else {
                throw ValidationError("a route needs --group GROUP, who gets it; --group All for every host")
            }
        }

        func run() async throws {
            let administration = try data.administration()
            var change = try options.change()
            change.isEnabled = !disabled
            let route = try await reporting { [change] in try await administration.createRoute(change) }
            print(try json ? encode(route) : route.id)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the routes, by network and metric.")

        @OptionGroup var data: DataDirectoryOption

        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let administration = try data.administration()
            let routes = try await reporting { try await administration.routes() }
            if json { return print(try encode(routes)) }
            let rows = routes.map { route in
                [
                    route.id, route.networkID, route.prefix ?? route.domains.joined(separator: ","),
                    route.peer ?? "group " + route.peerGroups.joined(separator: ","), "\(route.metric)",
                    route.groups.joined(separator: ","),
                    route.accessGroups.isEmpty ? "-" : route.accessGroups.joined(separator: ","), route.switches,
                ]
            }
            print(table(["ID", "NETWORK", "DESTINATION", "VIA", "METRIC", "FOR", "ACCESS", "OPTIONS"], rows))
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a route; what is not named stays as it is.",
            discussion: "--peer-group, --group, --domain and --access-group replace the whole list."
        )

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier, or the network's name where one route has it.")
        var route: String

        @OptionGroup var options: RouteOptions

        @Option(help: "Whether anybody gets it.")
        var enabled: Switch?

        @Flag(help: "Everybody who gets it may use it: no access groups.")
        var noAccessGroup = false

        @Flag(help: "Print JSON.")
        var json = false

        func validate() throws {
            _ = try change()
        }

        func run() async throws {
            let administration = try data.administration()
            let change = try change()
            let summary = try await reporting { try await administration.updateRoute(route, change) }
            print(try json ? encode(summary) : "updated \(summary.id) (\(summary.networkID))")
        }

        private func change() throws -> RouteChange {
            var change = try options.change()
            guard !noAccessGroup || change.accessGroups == nil else {
                throw ValidationError("--access-group and --no-access-group exclude each other")
            }
            if noAccessGroup { change.accessGroups = [] }
            change.isEnabled = enabled?.isOn
            guard !change.isEmpty else { throw ValidationError("nothing to change is named; see --help") }
            return change
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a route.")

        @OptionGroup var data: DataDirectoryOption

        @Argument(help: "Identifier, or the network's name where one route has it.")
        var route: String

        func run() async throws {
            let administration = try data.administration()
            let summary = try await reporting { try await administration.deleteRoute(route) }
            print("deleted \(summary.id) (\(summary.networkID))")
        }
    }
}

/// What `create` and `update` say of a route.
struct RouteOptions: ParsableArguments {
    @Option(help: "A name for the network; routes with the same name and destination back each other up.")
    var networkId: String?

    @Option(help: "The network, such as 10.1.0.0/16; 0.0.0.0/0 makes an exit node.")
    var prefix: String?

    @Option(help: "In place of --prefix: a domain whose addresses are routed, such as *.example.org; repeatable.")
    var domain: [String] = []

    @Option(help: "The host that carries it: identifier, name or public key.")
    var peer: String?

    @Option(help: "In place of --peer: a group whose members all carry it; repeatable.")
    var peerGroup: [String] = []

    @Option(help: "A group whose members get it; repeatable.")
    var group: [String] = []

    @Option(help: "A group: only sources of policies to it may use the route; repeatable. (default: all who get it)")
    var accessGroup: [String] = []

    @Option(help: "1 to 9999, lower wins. (default: 9999)")
    var metric: Int?

    @Option(help: "Whether the network sees the routing host's address in place of the client's. (default: on)")
    var masquerade: Switch?

    @Option(help: "Whether addresses of a domain stay routed when DNS no longer names them. (default: off)")
    var keepRoute: Switch?

    @Option(help: "Whether clients use an exit node without being told to. (default: on)")
    var autoApply: Switch?

    /// - Throws: `ValidationError`.
    func change() throws -> RouteChange {
        var change = RouteChange()
        change.networkID = try networkId.map { text in
            try validating { () throws(RouteTextError) in try routeNetworkID(text) }
        }
        guard prefix == nil || domain.isEmpty else {
            throw ValidationError("--prefix and --domain exclude each other")
        }
        if let prefix {
            change.destination = try validating { () throws(RouteTextError) in
                try routeDestination(prefix: prefix)
            }
        } else if !domain.isEmpty {
            change.destination = try validating { () throws(RouteTextError) in
                try routeDestination(domains: domain)
            }
        }
        guard peer == nil || peerGroup.isEmpty else {
            throw ValidationError("--peer and --peer-group exclude each other")
        }
        change.routers = peer.map { .peer($0) } ?? (peerGroup.isEmpty ? nil : .groups(peerGroup))
        change.distributionGroups = group.isEmpty ? nil : group
        change.accessGroups = accessGroup.isEmpty ? nil : accessGroup
        if let metric, !(1...9999).contains(metric) { throw ValidationError("--metric \(metric) is not 1 to 9999") }
        change.metric = metric
        change.masquerade = masquerade?.isOn
        change.keepRoute = keepRoute?.isOn
        change.isAutoApplied = autoApply?.isOn
        return change
    }
}

extension RouteSummary {
    /// What differs from a plain route.
    fileprivate var switches: String {
        let words = [
            isEnabled ? nil : "disabled", masquerade ? "masquerade" : nil, keepRoute ? "keep-route" : nil,
            isAutoApplied ? nil : "no-auto-apply",
        ]
        let said = words.compactMap { $0 }
        return said.isEmpty ? "-" : said.joined(separator: ",")
    }
}
