import FoundationEssentials
import MapCompiler
import MeshModel

/// The one account and its settings. Source: spec/server/rest-api.md 3.
enum AccountsAPI {
    static let routes: [APIRoute] = [
        .get("/api/accounts", .needs(.read, .accounts)) { _, transaction in [try answer(transaction)] },
        .put("/api/accounts/{accountId}", .needs(.update, .settings), update),
    ]

    struct Account: Encodable {
        struct Onboarding: Encodable {
            var signup_form_pending = false
            var onboarding_flow_pending = false
        }

        var id: String
        var settings: Settings
        var domain: String
        var domain_category = ""
        var created_at: String
        var created_by: String
        var onboarding = Onboarding()
    }

    /// All of the settings, and what the account has beside them.
    struct Settings: Encodable {
        var fields: AccountSettingsFields
        var beside: Beside

        func encode(to encoder: any Encoder) throws {
            try fields.encode(to: encoder)
            try beside.encode(to: encoder)
        }
    }

    struct Beside: Encodable {
        var dns_domain: String
        var network_range: String
        var network_range_v6: String
        var embedded_idp_enabled = false
        var local_auth_disabled = false
    }

    private struct Request: Decodable {
        var settings: AccountSettingsFields?
    }

    /// What stands beside the fields, and another name for `extra` that the Python client uses.
    private struct BesideRequest: Decodable {
        struct Settings: Decodable {
            var dns_domain: String?
            var network_range: String?
            var network_range_v6: String?
            var extra_settings: AccountSettingsFields.Extra?
        }

        var settings: Settings?
    }

    /// What is missing stays as it is.
    private static func update(_ call: APICall, _ transaction: StoreTransaction) throws -> Account {
        var account = try transaction.meshAccount()
        guard call["accountId"] == account.id else { throw APIError.notFound("account") }
        guard var wanted = try call.decode(Request.self).settings,
            let beside = try call.decode(BesideRequest.self).settings
        else { throw APIError.malformed("couldn't parse JSON request: the body lacks settings") }
        wanted.extra = wanted.extra ?? beside.extra_settings
        let old = account
        try check(wanted, transaction)
        account.settings = wanted.filled(from: account.settings)
        if let domain = beside.dns_domain, !domain.isEmpty { account.domain = try checked(domain: domain) }
        try setNetworks(beside.network_range, beside.network_range_v6, of: &account, transaction)
        guard account != old else { return try answer(transaction) }
        account.serial += 1
        try transaction.update(account)
        for activity in changes(from: old, to: account) {
            try call.record(activity, of: account.id, [:], transaction)
        }
        return try answer(transaction)
    }

    private static func check(_ settings: AccountSettingsFields, _ transaction: StoreTransaction) throws {
        // Source: spec/server/rest-api.md 3: an hour to 180 days.
        if let seconds = settings.peer_login_expiration, !(3600...15_552_000).contains(seconds) {
            throw APIError.invalid("peer_login_expiration must be 3600 to 15552000 seconds")
        }
        if let seconds = settings.peer_inactivity_expiration, seconds < 0 {
            throw APIError.invalid("peer_inactivity_expiration must not be negative")
        }
        // To say yes and let every peer in would be worse than to refuse.
        guard settings.extra?.peer_approval_enabled != true else {
            throw APIError.unfit("this server does not hold peers back for approval")
        }
        if settings.peer_expose_enabled == true, settings.peer_expose_groups?.isEmpty != false {
            throw APIError.invalid("peer_expose_enabled needs peer_expose_groups")
        }
        if let version = settings.auto_update_version, !["", "latest", "disabled"].contains(version),
            version.wholeMatch(of: /v?\d{1,9}(\.\d{1,9}){1,2}([-+][0-9A-Za-z.+-]{1,64})?/) == nil
        {
            throw APIError.invalid("auto_update_version must be latest, disabled or a version such as 0.60.0")
        }
        _ = try transaction.groups(settings.ipv6_enabled_groups ?? [])
    }

    private static func checked(domain: String) throws -> String {
        // Names of peers, which stand in front, have up to 63 bytes; all together 253.
        guard domain.utf8.count <= 189, !domain.hasPrefix("*"),
            case .domains(let domains) = try routeDestination(domains: [domain]), let checked = domains.first
        else { throw APIError.invalid("dns_domain must be a domain such as mesh.example") }
        return checked
    }

    /// Every peer gets an address of the new network.
    private static func setNetworks(
        _ v4: String?,
        _ v6: String?,
        of account: inout AccountRecord,
        _ transaction: StoreTransaction
    ) throws {
        var network = try account.network()
        let old = network
        let peers = try transaction.all(PeerRecord.self)
        if let text = v4, !text.isEmpty {
            // Room for the peers, and half as many again, at least ten. Source: spec/server/rest-api.md 3.
            let needed = max(peers.count * 3 / 2, peers.count + 10)
            guard let prefix = IPPrefix(text), prefix.isV4, prefix == prefix.network, (8...28).contains(prefix.length),
                isUsable(prefix.address), (1 << (32 - prefix.length)) - 2 >= needed
            else {
                throw APIError.invalid(
                    "network_range must be an IPv4 network, /8 to /28, with room for \(needed) peers"
                )
            }
            network.v4 = prefix
        }
        if let text = v6, !text.isEmpty {
            guard let prefix = IPPrefix(text), !prefix.isV4, prefix == prefix.network,
                (48...120).contains(prefix.length),
                isUsable(prefix.address)
            else { throw APIError.invalid("network_range_v6 must be an IPv6 network, /48 to /120") }
            network.v6 = prefix
        }
        guard network != old else { return }
        account.networkV4 = network.v4.description
        account.networkV6 = network.v6.description
        try moveAddresses(of: peers, from: old, to: network, transaction)
    }

    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isLoopback && !address.isMulticast && !address.isLinkLocal && !address.isUnspecified
    }

    private static func moveAddresses(
        of peers: [PeerRecord],
        from old: OverlayNetwork,
        to network: OverlayNetwork,
        _ transaction: StoreTransaction
    ) throws {
        var generator = SystemRandomNumberGenerator()
        // No new address may be one that another peer has until its turn comes: addresses are unique in each step.
        var takenV4 = Set(peers.compactMap { IPAddress($0.addressV4) })
        var takenV6 = Set(peers.compactMap { $0.addressV6.flatMap { IPAddress($0) } })
        for var peer in peers {
            do {
                if network.v4 != old.v4 {
                    let address = try network.allocateV4(taken: takenV4, using: &generator)
                    takenV4.insert(address)
                    peer.addressV4 = address.description
                }
                if network.v6 != old.v6, peer.addressV6 != nil {
                    let address = try network.allocateV6(taken: takenV6, using: &generator)
                    takenV6.insert(address)
                    peer.addressV6 = address.description
                }
            } catch {
                throw APIError.invalid("\(error)")
            }
            try transaction.update(peer)
        }
    }

    private static func changes(from old: AccountRecord, to new: AccountRecord) -> [Activity] {
        let (was, now) = (old.settings.filled(from: .standard), new.settings.filled(from: .standard))
        let switches: [(KeyPath<AccountSettingsFields, Bool?>, Activity, Activity)] = [
            (\.peer_login_expiration_enabled, .loginExpirationEnable, .loginExpirationDisable),
            (\.peer_inactivity_expiration_enabled, .inactivityExpirationEnable, .inactivityExpirationDisable),
            (\.groups_propagation_enabled, .groupPropagationEnable, .groupPropagationDisable),
            (\.routing_peer_dns_resolution_enabled, .routingPeerResolutionEnable, .routingPeerResolutionDisable),
            (\.lazy_connection_enabled, .lazyConnectionEnable, .lazyConnectionDisable),
        ]
        var activities = switches.filter { was[keyPath: $0.0] != now[keyPath: $0.0] }.map { path, on, off in
            now[keyPath: path] == true ? on : off
        }
        if was.peer_login_expiration != now.peer_login_expiration { activities.append(.loginExpirationUpdate) }
        if was.peer_inactivity_expiration != now.peer_inactivity_expiration {
            activities.append(.inactivityExpirationUpdate)
        }
        if old.domain != new.domain { activities.append(.domainUpdate) }
        if (old.networkV4, old.networkV6) != (new.networkV4, new.networkV6) { activities.append(.networkRangeUpdate) }
        return activities
    }

    private static func answer(_ transaction: StoreTransaction) throws -> Account {
        let account = try transaction.meshAccount()
        var fields = account.settings.filled(from: .standard)
        if fields.ipv6_enabled_groups == nil {
            fields.ipv6_enabled_groups = try transaction.rows(GroupRecord.self, where: "name", is: GroupRecord.allName)
                .map(\.id)
        }
        return Account(
            id: account.id,
            settings: Settings(
                fields: fields,
                beside: Beside(
                    dns_domain: account.domain,
                    network_range: account.networkV4,
                    network_range_v6: account.networkV6
                )
            ),
            domain: account.domain,
            created_at: APITime.text(account.createdAtSeconds),
            created_by: try transaction.owner()?.id ?? ""
        )
    }
}
