package import MeshModel

/// How far a gateway is with being drained, and how that is told.
package struct DrainReport: Hashable, Sendable {
    package struct User: Hashable, Sendable {
        /// Its name in the mesh, or its address if it is in the map no more.
        package var name: String
        package var address: IPAddress
        /// Since its last packet through us.
        package var idle: Duration

        package init(name: String, address: IPAddress, idle: Duration) {
            self.name = name
            self.address = address
            self.idle = idle
        }
    }

    /// 0: this host serves nothing.
    package var networks: Int
    /// For how long clients are asked to go, as far as this run of the agent knows; `nil`: they are not.
    package var draining: Duration?
    /// Latest first.
    package var users: [User]

    package init(networks: Int, draining: Duration?, users: [User]) {
        self.networks = networks
        self.draining = draining
        self.users = users
    }

    /// Silence of this length is more than pauses of one who still uses us: a keepalive of most programs is not, but who has
    /// only those loses nothing in an orderly stop.
    private static let silence: Duration = .seconds(10)

    /// Nobody has sent a packet through us for a while.
    package var isDrained: Bool {
        guard let draining else { return false }
        return networks == 0 || draining >= Self.silence && busy.isEmpty
    }

    private var busy: [User] { users.filter { $0.idle < Self.silence } }

    package var text: String {
        guard let draining else { return "clients are served as ever; who left comes back by and by\n" }
        guard networks > 0 else { return "drained: this host serves nothing for the mesh\n" }
        var lines: [String] = []
        if isDrained {
            lines.append("drained: nobody has sent anything through this host for \(seconds(Self.silence))")
        } else {
            let count = busy.count == 1 ? "1 peer still uses" : "\(busy.count) peers still use"
            lines.append("draining for \(seconds(draining)): \(count) this host")
        }
        lines += users.map { "  \(printable($0.name)) (\($0.address)): last packet \(seconds($0.idle)) ago" }
        return lines.map { $0 + "\n" }.joined()
    }

    package var json: String {
        JSONValue.object([
            ("draining", .bool(draining != nil)),
            ("drained", .bool(isDrained)),
            ("networks", .number(Int64(networks))),
            ("drainingSeconds", draining.map { .number($0.components.seconds) } ?? .null),
            (
                "users",
                .array(
                    users.map { user in
                        .object([
                            ("name", .string(user.name)), ("address", .string("\(user.address)")),
                            ("idleSeconds", .number(user.idle.components.seconds)),
                        ])
                    }
                )
            ),
        ]).text() + "\n"
    }

    private func seconds(_ duration: Duration) -> String { "\(duration.components.seconds) s" }
}
