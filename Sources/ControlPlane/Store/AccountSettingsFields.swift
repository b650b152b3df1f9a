/// Settings of the account as the API names them; `nil`: not said. Source: spec/server/rest-api.md 3.
///
/// What has an effect here: `lazy_connection_enabled`, `routing_peer_dns_resolution_enabled` and `ipv6_enabled_groups`
/// (the domain and the networks are columns of their own). The rest concerns logins of people and services that this
/// server does not have; it is kept for clients that compare what they sent.
struct AccountSettingsFields: Codable, Hashable, Sendable {
    struct Extra: Codable, Hashable, Sendable {
        var peer_approval_enabled: Bool?
        var user_approval_required: Bool?
        var network_traffic_logs_enabled: Bool?
        var network_traffic_logs_groups: [String]?
        var network_traffic_packet_counter_enabled: Bool?
    }

    struct DashboardFeatures: Codable, Hashable, Sendable {
        var agent_network: Bool?
    }

    var peer_login_expiration_enabled: Bool?
    /// Seconds.
    var peer_login_expiration: Int64?
    var peer_inactivity_expiration_enabled: Bool?
    /// Seconds.
    var peer_inactivity_expiration: Int64?
    var regular_users_view_blocked: Bool?
    var groups_propagation_enabled: Bool?
    var jwt_groups_enabled: Bool?
    var jwt_groups_claim_name: String?
    var jwt_allow_groups: [String]?
    var routing_peer_dns_resolution_enabled: Bool?
    var peer_expose_enabled: Bool?
    var peer_expose_groups: [String]?
    var extra: Extra?
    var lazy_connection_enabled: Bool?
    var auto_update_version: String?
    var auto_update_always: Bool?
    var metrics_push_enabled: Bool?
    var agent_network_only: Bool?
    var dashboard_features: DashboardFeatures?
    var local_mfa_enabled: Bool?
    /// Members may have an IPv6 address of the mesh; `nil`: every peer.
    var ipv6_enabled_groups: [String]?

    /// A new account's. Source: spec/server/domain-model.md 1, "Defaults".
    static let standard = AccountSettingsFields(
        peer_login_expiration_enabled: true,
        peer_login_expiration: 86_400,
        peer_inactivity_expiration_enabled: false,
        peer_inactivity_expiration: 600,
        regular_users_view_blocked: true,
        groups_propagation_enabled: true,
        jwt_groups_enabled: false,
        jwt_groups_claim_name: "",
        jwt_allow_groups: [],
        routing_peer_dns_resolution_enabled: true,
        peer_expose_enabled: false,
        peer_expose_groups: [],
        extra: Extra(
            peer_approval_enabled: false,
            user_approval_required: false,
            network_traffic_logs_enabled: false,
            network_traffic_logs_groups: [],
            network_traffic_packet_counter_enabled: false
        ),
        lazy_connection_enabled: false,
        auto_update_version: "disabled",
        auto_update_always: false,
        metrics_push_enabled: false,
        agent_network_only: false,
        dashboard_features: DashboardFeatures(agent_network: false),
        local_mfa_enabled: false
    )

    /// These, and from `other` what these do not say.
    func filled(from other: AccountSettingsFields) -> AccountSettingsFields {
        AccountSettingsFields(
            peer_login_expiration_enabled: peer_login_expiration_enabled ?? other.peer_login_expiration_enabled,
            peer_login_expiration: peer_login_expiration ?? other.peer_login_expiration,
            peer_inactivity_expiration_enabled: peer_inactivity_expiration_enabled
                ?? other.peer_inactivity_expiration_enabled,
            peer_inactivity_expiration: peer_inactivity_expiration ?? other.peer_inactivity_expiration,
            regular_users_view_blocked: regular_users_view_blocked ?? other.regular_users_view_blocked,
            groups_propagation_enabled: groups_propagation_enabled ?? other.groups_propagation_enabled,
            jwt_groups_enabled: jwt_groups_enabled ?? other.jwt_groups_enabled,
            jwt_groups_claim_name: jwt_groups_claim_name ?? other.jwt_groups_claim_name,
            jwt_allow_groups: jwt_allow_groups ?? other.jwt_allow_groups,
            routing_peer_dns_resolution_enabled: routing_peer_dns_resolution_enabled
                ?? other.routing_peer_dns_resolution_enabled,
            peer_expose_enabled: peer_expose_enabled ?? other.peer_expose_enabled,
            peer_expose_groups: peer_expose_groups ?? other.peer_expose_groups,
            extra: extra?.filled(from: other.extra) ?? other.extra,
            lazy_connection_enabled: lazy_connection_enabled ?? other.lazy_connection_enabled,
            auto_update_version: auto_update_version ?? other.auto_update_version,
            auto_update_always: auto_update_always ?? other.auto_update_always,
            metrics_push_enabled: metrics_push_enabled ?? other.metrics_push_enabled,
            agent_network_only: agent_network_only ?? other.agent_network_only,
            dashboard_features: dashboard_features ?? other.dashboard_features,
            local_mfa_enabled: local_mfa_enabled ?? other.local_mfa_enabled,
            ipv6_enabled_groups: ipv6_enabled_groups ?? other.ipv6_enabled_groups
        )
    }
}

extension AccountSettingsFields.Extra {
    fileprivate func filled(from other: Self?) -> Self {
        Self(
            peer_approval_enabled: peer_approval_enabled ?? other?.peer_approval_enabled,
            user_approval_required: user_approval_required ?? other?.user_approval_required,
            network_traffic_logs_enabled: network_traffic_logs_enabled ?? other?.network_traffic_logs_enabled,
            network_traffic_logs_groups: network_traffic_logs_groups ?? other?.network_traffic_logs_groups,
            network_traffic_packet_counter_enabled: network_traffic_packet_counter_enabled
                ?? other?.network_traffic_packet_counter_enabled
        )
    }
}
