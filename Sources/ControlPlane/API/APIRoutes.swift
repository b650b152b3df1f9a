import FoundationEssentials

extension APIRoute {
    /// Every operation of the API. What is not here is not there: 404, or 405 for another method.
    static let all: [APIRoute] = [
        InstanceAPI.routes, UsersAPI.routes, TokensAPI.routes, SetupKeysAPI.routes, GroupsAPI.routes, PeersAPI.routes,
        PoliciesAPI.routes, RoutesAPI.routes, NetworksAPI.routes, NetworkResourcesAPI.routes, NetworkRoutersAPI.routes,
        AccountsAPI.routes, DNSAPI.routes, DNSZonesAPI.routes, DNSRecordsAPI.routes, EventsAPI.routes, AbsentAPI.routes,
    ].flatMap { $0 }
}

/// Times as clients read them.
enum APITime {
    /// What stands for *never* where a time must stand. Source: spec/server/rest-api.md 1.1.
    static let never = "0001-01-01T00:00:00Z"

    /// Seconds since 1970 as `2026-11-22T15:53:42Z`; `nil`: never.
    static func text(_ seconds: Int64?) -> String {
        seconds.map { Date(timeIntervalSince1970: TimeInterval($0)).formatted(.iso8601) } ?? never
    }
}
